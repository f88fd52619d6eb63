"""Metrics as log lines in the embedded metric format, which collectors of logs make metrics of. The host has no API for
metrics of functions yet."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType

from . import _host

# The format allows no more in one line.
_MAX_METRICS = 100
_MAX_VALUES = 100
_MAX_DIMENSIONS = 30


class Metrics:
    """Gathers values until `flush`, or until the end of a `with` block."""

    def __init__(self, namespace: str = "thimble", dimensions: Mapping[str, object] | None = None) -> None:
        if dimensions is not None and len(dimensions) > _MAX_DIMENSIONS:
            raise ValueError(f"a metric has at most {_MAX_DIMENSIONS} dimensions")
        self._namespace = namespace
        self._dimensions = {name: str(value) for name, value in (dimensions or {}).items()}
        self._metrics: dict[str, tuple[str, list[float]]] = {}

    def count(self, name: str, by: float = 1) -> None:
        """So many more of it."""
        values = self._values(name, "Count")
        values[:] = [(values[0] if values else 0) + _number(name, by)]

    def gauge(self, name: str, value: float, unit: str = "None") -> None:
        """What it is now: the last one counts."""
        self._values(name, unit)[:] = [_number(name, value)]

    def record(self, name: str, value: float, unit: str = "None") -> None:
        """One of several values, such as a duration."""
        values = self._values(name, unit)
        values.append(_number(name, value))
        if len(values) == _MAX_VALUES:
            self.flush()

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Records how many milliseconds a `with` block or a decorated function takes, whether it succeeds or not."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.record(name, (time.perf_counter() - start) * 1000, "Milliseconds")

    def flush(self) -> None:
        """Writes what was gathered, and begins anew. To be called before the function answers."""
        if not self._metrics:
            return
        gathered, self._metrics = self._metrics, {}
        directive = {
            "Namespace": self._namespace,
            "Dimensions": [list(self._dimensions)],
            "Metrics": [{"Name": name, "Unit": unit} for name, (unit, _) in gathered.items()],
        }
        values = {name: values[0] if len(values) == 1 else values for name, (_, values) in gathered.items()}
        entry = {"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
                 **self._dimensions, **values}
        _host.log.info(json.dumps(entry, ensure_ascii=False))

    def __enter__(self) -> Metrics:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.flush()

    def _values(self, name: str, unit: str) -> list[float]:
        if name in self._dimensions:
            raise ValueError(f"{name!r} is a dimension already")
        if name not in self._metrics:
            if len(self._metrics) == _MAX_METRICS:
                self.flush()
            self._metrics[name] = (unit, [])
        return self._metrics[name][1]


def _number(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"the metric {name!r} is no finite number: {value!r}")
    return value

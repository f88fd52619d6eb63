"""The time zone database for `zoneinfo`, kept in memory: a sandbox has no /usr/share/zoneinfo.

Read at build time out of the `tzdata` package, whose files do not exist later.
"""

import importlib.resources
import io
import zoneinfo
from zoneinfo import ZoneInfoNotFoundError, _common, _tzpath

_zones = {}


def _load(key):
    """Stands in for `zoneinfo._common.load_tzdata`."""
    data = _zones.get(key)
    if data is None:
        raise ZoneInfoNotFoundError(f"No time zone found with key {key}")
    return io.BytesIO(data)


def _available():
    return set(_zones)


def install():
    root = importlib.resources.files("tzdata")
    # Half of the names are links to others: equal contents are kept once.
    kept = {}
    for key in (root / "zones").read_text().split():
        data = (root / "zoneinfo").joinpath(*key.split("/")).read_bytes()
        _zones[key] = kept.setdefault(data, data)
    _common.load_tzdata = _load
    # A path of the disk would win over the database.
    _tzpath.reset_tzpath(())
    zoneinfo.available_timezones = _available

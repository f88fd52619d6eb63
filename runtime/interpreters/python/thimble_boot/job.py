"""The context of a registered function: a dict, as compute modules have it, with the fields of every other context besides.

It is filled when somebody looks into it, as most functions do not.
"""

import os

from .context import Context


class JobContext(dict):
    """`jobId`, `authHeader`, `tempCredsAuthToken`, `sources`, `source_configs`, and the application's id and secret."""

    __slots__ = ("_invocation", "_full")

    def __init__(self, invocation):
        self._invocation = invocation
        self._full = False

    def _fill(self):
        if not self._full:
            self._full = True
            for name, value in fields(self._invocation).items():
                dict.setdefault(self, name, value)
        return self

    def __getattr__(self, name):
        return getattr(self._invocation, name)

    def __getitem__(self, key):
        return dict.__getitem__(self._fill(), key)

    def __contains__(self, key):
        return dict.__contains__(self._fill(), key)

    def __iter__(self):
        return dict.__iter__(self._fill())

    def __len__(self):
        return dict.__len__(self._fill())

    def __eq__(self, other):
        return dict.__eq__(self._fill(), other)

    __hash__ = None

    def __repr__(self):
        return dict.__repr__(self._fill())

    def get(self, key, default=None):
        return dict.get(self._fill(), key, default)

    def keys(self):
        return dict.keys(self._fill())

    def values(self):
        return dict.values(self._fill())

    def items(self):
        return dict.items(self._fill())

    def copy(self):
        return dict(self._fill())

    def __or__(self, other):
        return dict(self._fill()) | other


def fields(invocation: Context):
    """What compute modules say of a job."""
    from compute_modules.context import get_extra_context_parameters

    return {"jobId": invocation.request_id, "tempCredsAuthToken": "", "authHeader": os.environ.get("AUTH_HEADER", ""),
            **get_extra_context_parameters()}

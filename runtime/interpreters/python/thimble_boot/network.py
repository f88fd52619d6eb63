"""Sockets and TLS: CPython's own `socket`, `selectors`, `ssl` and all that stands on them, over modules of ours in the
place of those that are written in C.
"""

import sys

from . import select_module, socket_module, ssl_module

_MODULES = {"_socket": socket_module, "select": select_module, "_ssl": ssl_module}


def install():
    """To be called before anything imports `socket`."""
    assert not sys.modules.keys() & {*_MODULES, "socket", "ssl", "selectors"}, "sockets were imported already"
    sys.modules.update(_MODULES)

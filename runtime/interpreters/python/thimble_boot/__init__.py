"""What CPython boots with, run once at build time: the state that it leaves is the interpreter that the server embeds.

The order matters: `time.sleep` is replaced before anything imports it by name, sockets before anything stands on them,
and nothing is imported after the search path is emptied. No file, stream or other handle of the host stays open.
"""

import gc
import importlib
import sys

from . import waiting

waiting.install()

from . import network  # noqa: E402

network.install()

from . import stdlib  # noqa: E402

stdlib.import_all()
# componentize-py would import the rest of it only after this, out of reach of what is done here with all that stays.
stdlib.import_whole("wit_world")
importlib.import_module("compute_modules")
stdlib.import_whole("compute_modules")

from . import (  # noqa: E402
    absent, console, event_loop, hashing, heap, http_client, immortal, imports, instance, native_types, rehearsal, retirement,
    system, threads, time_zones,
)
from .guest import Guest  # noqa: E402

import thimble_sdk  # noqa: E402, F401

__all__ = ["Guest"]

console.install()
event_loop.install()
hashing.install()
http_client.install()
imports.install()
instance.install()
native_types.install()
retirement.install()
system.install()
threads.install()
time_zones.install()
absent.install()

# A module that is not there is then missed without a look at any disk.
sys.path.clear()
sys.path_importer_cache.clear()
rehearsal.up()
gc.collect()
immortal.note_all()
heap.fill_holes()
# What is here stays: the collector need not walk it, nor dirty its pages, in every instance.
gc.freeze()

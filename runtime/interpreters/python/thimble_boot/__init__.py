"""What CPython boots with, run once at build time: the state that it leaves is the interpreter that the server embeds.

The order matters: `time.sleep` is replaced before anything imports it by name, and nothing is imported after the
search path is emptied. No file, stream or other handle of the host stays open.
"""

import gc
import sys

from . import waiting

waiting.install()

from . import stdlib  # noqa: E402

stdlib.import_all()
# componentize-py would import the rest of it only after this, out of reach of what is done here with all that stays.
stdlib.import_whole("wit_world")

from . import console, event_loop, heap, http_client, immortal, instance, rehearsal, retirement, time_zones  # noqa: E402
from .guest import Guest  # noqa: E402

__all__ = ["Guest"]

console.install()
event_loop.install()
http_client.install()
instance.install()
retirement.install()
time_zones.install()

# A module that is not there is then missed without a look at any disk.
sys.path.clear()
sys.path_importer_cache.clear()
rehearsal.up()
gc.collect()
immortal.note_all()
heap.fill_holes()
# What is here stays: the collector need not walk it, nor dirty its pages, in every instance.
gc.freeze()

"""What must differ in each instance, though all begin as copies of one memory image: randomness and environment.

`refresh` runs before the top level of a source and before the first invocation after it, as an image may have been
taken in between.
"""

import os
import random
import sys
import tempfile
import time
import uuid

from wit_world.imports import context


def refresh():
    random.seed()
    if not sys.argv:
        # The runtime empties it after the build; argparse reads the program's name there.
        sys.argv.append("")
    # Both keep what they once drew by chance.
    tempfile._name_sequence = None
    uuid._node = None
    uuid._last_timestamp = None
    os.environ.clear()
    for name, value in context.environment():
        try:
            os.environ[name] = value
        except (ValueError, OSError):
            # A name with "=" or a NUL in either: nothing that an environment can hold.
            continue
    if hasattr(time, "tzset"):
        time.tzset()


def install():
    # Its own search would try to write a file, and nothing may be opened before the first invocation.
    tempfile.tempdir = "/tmp"

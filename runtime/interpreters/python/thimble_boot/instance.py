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
import weakref

from wit_world.imports import context

# The host's, as `os.environ` last took it over.
_environment = {}
# The generators whose state is of chance and not what a program has set, by identity: a subclass need not be hashable.
_by_chance = weakref.WeakValueDictionary()
_seed, _set_state = random.Random.seed, random.Random.setstate


def refresh():
    for reference in _by_chance.valuerefs():
        generator = reference()
        if generator is not None:
            # Not the method that a subclass may have: no code of the function's runs here.
            _seed(generator)
    if not sys.argv:
        # The runtime empties it after the build; argparse reads the program's name there.
        sys.argv.append("")
    # Both keep what they once drew by chance.
    tempfile._name_sequence = None
    uuid._node = None
    uuid._last_timestamp = None
    _refresh_environment()


def _refresh_environment():
    """Brings in what changed in the host; what the function itself has changed since stays."""
    global _environment
    environment = dict(context.environment())
    if environment == _environment:
        return
    for name in _environment.keys() - environment.keys():
        os.environ.pop(name, None)
    for name, value in environment.items():
        try:
            if _environment.get(name) != value:
                os.environ[name] = value
        except (ValueError, OSError):
            # A name with "=" or a NUL in either: nothing that an environment can hold.
            continue
    _environment = environment
    if hasattr(time, "tzset"):
        time.tzset()


def _seed_and_note(self, a=None, version=2):
    _seed(self, a, version)
    if a is not None:
        _by_chance.pop(id(self), None)
    elif _by_chance.get(id(self)) is not self:
        _by_chance[id(self)] = self


def _set_state_and_note(self, state):
    _set_state(self, state)
    _by_chance.pop(id(self), None)


def install():
    # Also a generator that a top level made is copied with the image: all of them are seeded anew.
    random.Random.seed, random.Random.setstate = _seed_and_note, _set_state_and_note
    for method, name in ((_seed_and_note, "seed"), (_set_state_and_note, "setstate")):
        method.__name__, method.__qualname__, method.__module__ = name, f"Random.{name}", "random"
        setattr(random, name, getattr(random._inst, name))
    random.seed()
    os.environ.clear()
    # Its own search would try to write a file, and nothing may be opened before the first invocation.
    tempfile.tempdir = "/tmp"

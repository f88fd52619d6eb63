"""Notes which objects the boot leaves, for `merge/` to make them immortal in the snapshot: references to them are not
counted.

A count is written whenever an object is so much as looked at, and a page that an instance writes becomes its own:
counted, the objects that a call meets cost it a page each, all over the heap. CPython has immortal objects, but no way
to ask for them from inside.
"""

import gc
import struct
import types
from array import array

# What the note is found by, together with its own address. The length of its bitmap follows.
_MARK = b"thimble immortal"
_HEADER = len(_MARK) + struct.calcsize("<II")
# A bit stands for an address, and no object begins in between.
_ALIGNMENT = 8
# Of memory, more than the boot takes: an object beyond it ends the build.
_SPAN = 64 << 20


class _Note:
    """A set of objects, by address, that can be read out of the memory."""

    def __init__(self):
        self._bytes = array("B", _MARK + bytes(_HEADER - len(_MARK) + _SPAN // _ALIGNMENT // 8))
        address, length = self._bytes.buffer_info()
        self._bytes[len(_MARK):_HEADER] = array("B", struct.pack("<II", address, length - _HEADER))

    def add(self, each):
        """Whether it was not there yet."""
        place, bit = self._bit(each)
        if self._bytes[place] & bit:
            return False
        self._bytes[place] |= bit
        return True

    def remove(self, each):
        place, bit = self._bit(each)
        self._bytes[place] &= ~bit

    def _bit(self, each):
        number = id(each) // _ALIGNMENT
        return _HEADER + number // 8, 1 << number % 8


# Must be there when the snapshot is taken.
_note = None


def note_all():
    """To be called when everything is there that stays. What comes later is counted as ever."""
    global _note
    _note = _Note()
    programs = []
    todo = gc.get_objects()
    while todo:
        each = todo.pop()
        if not _note.add(each):
            continue
        # What the collector need not know of is not among the referents.
        todo += (type(each), *gc.get_referents(each))
        if isinstance(each, dict):
            todo += each
        elif isinstance(each, type):
            todo += vars(each).values()
        elif isinstance(each, types.CodeType):
            programs.append(each)
            todo += (*each.co_consts, *each.co_names, *each.co_varnames, *each.co_cellvars, *each.co_freevars)
    for program in programs:
        for constant in program.co_consts:
            # Byte code that has run before counts references to its constants without a look at what they are.
            if not isinstance(constant, types.CodeType):
                _note.remove(constant)

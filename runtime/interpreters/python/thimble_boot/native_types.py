"""`ctypes`, as far as a sandbox has it: the types of C with their sizes here, and no library to call by them.

For the packages of pure Python that cannot do without it, since they ask how large a `long` is. All others are told that
it is not there: they have another way then, as on any Python that was built without it.
"""

import importlib.machinery
import struct
import sys
import types

_NO_LIBRARIES = "there are no native libraries in the sandbox"


class _Simple:
    """A value of one of C's simple types."""

    _type_ = ""
    __slots__ = ("value",)

    def __init__(self, value=0):
        if self._type_ in "fd":
            self.value = struct.unpack(f"<{self._type_}", struct.pack(f"<{self._type_}", value))[0]
            return
        bits = 8 * sizeof(self)
        value &= (1 << bits) - 1
        self.value = value - (1 << bits) if self._type_.islower() and value >> bits - 1 else value

    def __repr__(self):
        return f"{type(self).__name__}({self.value})"


# By the letters of `struct`, at the sizes that they have without alignment: those of wasm32.
_TYPES = {
    "c_byte": "b", "c_ubyte": "B", "c_int8": "b", "c_uint8": "B", "c_short": "h", "c_ushort": "H", "c_int16": "h",
    "c_uint16": "H", "c_int": "i", "c_uint": "I", "c_int32": "i", "c_uint32": "I", "c_long": "l", "c_ulong": "L",
    "c_longlong": "q", "c_ulonglong": "Q", "c_int64": "q", "c_uint64": "Q", "c_size_t": "L", "c_ssize_t": "l",
    "c_void_p": "L", "c_float": "f", "c_double": "d",
}


def sizeof(given):
    letter = getattr(given, "_type_", None)
    if not letter:
        raise TypeError("this type has no size")
    return struct.calcsize(f"<{letter}")


class _Libraries:
    """What would load one."""

    def __init__(self, name=None, *_, **__):
        raise OSError(f"cannot load {name!r}: {_NO_LIBRARIES}")

    LoadLibrary = __init__


def _missing(name):
    raise AttributeError(f"module 'ctypes' has no attribute {name!r}: {_NO_LIBRARIES}")


def _modules():
    module = types.ModuleType("ctypes", __doc__)
    module.__path__ = []
    for name, letter in _TYPES.items():
        made = type(name, (_Simple,), {"_type_": letter, "__slots__": (), "__module__": "ctypes"})
        setattr(module, name, made)
    module.sizeof = sizeof
    module.CDLL = module.PyDLL = type("CDLL", (_Libraries,), {"__module__": "ctypes"})
    module.ArgumentError = type("ArgumentError", (Exception,), {"__module__": "ctypes"})
    module.__getattr__ = _missing
    util = types.ModuleType("ctypes.util")
    util.find_library = lambda name: None
    module.util = util
    return {"ctypes": module, "ctypes.util": util}


# They import it at their top level.
_ASKS = {"sympy"}


class _Finder:
    """Finds the types for those who ask, and its own loader."""

    found = {}

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name not in cls.found or _importer().partition(".")[0] not in _ASKS:
            return None
        return importlib.machinery.ModuleSpec(name, cls, is_package=name == "ctypes")

    @classmethod
    def create_module(cls, spec):
        return cls.found[spec.name]

    @staticmethod
    def exec_module(module):
        """It is made already."""


def _importer():
    frame = sys._getframe(2)
    while frame is not None and "importlib" in frame.f_code.co_filename:
        frame = frame.f_back
    return frame.f_globals.get("__name__") or "" if frame is not None else ""


def install():
    _Finder.found = _modules()
    sys.meta_path.append(_Finder)

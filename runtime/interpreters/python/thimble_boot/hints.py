"""What a type hint means: the type of `kinds` that it stands for.

A hint is read once, when the source is loaded. What a hint of a registered function cannot mean is a `BadHint` with the
reason; elsewhere it means any value.
"""

import annotationlib
import collections.abc
import dataclasses
import enum
import inspect
import types
import typing

from .kinds import ANYTHING, Array, Choice, Fixed, Map, OneOf, Optional, Scalar, Struct
from .scalars import SCALARS, SIZED

_LISTS = {list, tuple, set, frozenset, collections.deque, *(getattr(collections.abc, name) for name in (
    "Iterable", "Iterator", "Generator", "AsyncIterable", "AsyncIterator", "AsyncGenerator", "Sequence", "MutableSequence",
    "Collection", "Container", "Reversible", "Set", "MutableSet"))}
_SETS = {set: set, frozenset: frozenset, collections.abc.Set: set, collections.abc.MutableSet: set}
_MAPS = {dict, collections.OrderedDict, collections.defaultdict, collections.abc.Mapping, collections.abc.MutableMapping}
_AWAITED = {collections.abc.Awaitable, collections.abc.Coroutine}
_SCALAR_VALUES = (str, int, float, type(None))


class BadHint(Exception):
    """A hint of which no type can be made. The message is the reason."""


_LEAVES = {hint: Scalar(*leaf) for hint, leaf in SCALARS.items()}
_SIZED = {name: Scalar(*leaf) for name, leaf in SIZED.items()}
TEXT = _LEAVES[str]


class Reader:
    """Reads hints into types. One that is strict says why a hint is none that can be converted."""

    def __init__(self, strict):
        self._strict = strict
        self._structs = {}

    def read(self, hint):
        try:
            return self._read(hint)
        except BadHint:
            if self._strict:
                raise
            return ANYTHING

    def _read(self, hint):
        try:
            leaf = _LEAVES.get(hint)
        except TypeError:
            raise BadHint(f"{hint!r} is no type that values can be converted to") from None
        if leaf is not None:
            return leaf
        if hint in (typing.Any, object, inspect.Parameter.empty):
            return ANYTHING
        if hint is None:
            return _LEAVES[type(None)]
        if isinstance(hint, (str, typing.ForwardRef)):
            raise BadHint(f"the name in the hint {getattr(hint, '__forward_arg__', hint)!r} cannot be found")
        if isinstance(hint, typing.TypeVar):
            return ANYTHING
        if isinstance(hint, typing.NewType):
            own = hint.__module__ == "compute_modules.function_registry.types"
            return _SIZED[hint.__name__] if own else self.read(hint.__supertype__)
        if isinstance(hint, typing.TypeAliasType):
            return self.read(hint.__value__)
        origin = typing.get_origin(hint)
        if origin is None and (hint in _MAPS or hint in _LISTS):
            return self._read_generic(hint, hint, ())
        if origin is not None:
            return self._read_generic(hint, origin, typing.get_args(hint))
        if isinstance(hint, type):
            return self._read_class(hint)
        raise BadHint(f"{hint!r} is no type that values can be converted to")

    def _read_generic(self, hint, origin, arguments):
        if origin in (typing.Annotated, typing.Required, typing.NotRequired, typing.ReadOnly, typing.Final):
            return self.read(arguments[0])
        if origin is typing.Literal:
            if not all(isinstance(value, _SCALAR_VALUES) for value in arguments):
                raise BadHint(f"{hint!r} has values that JSON does not have")
            return Choice([(value, value) for value in arguments])
        if origin in (typing.Union, types.UnionType):
            return self._read_union(hint, arguments)
        if origin in _AWAITED:
            return self.read(arguments[-1]) if arguments else ANYTHING
        if origin in _MAPS:
            return self._read_map(hint, arguments)
        if origin is tuple and arguments and not (len(arguments) == 2 and arguments[1] is Ellipsis):
            return Fixed([self.read(argument) for argument in arguments if argument != ()])
        if origin in _LISTS:
            make = tuple if origin is tuple else _SETS.get(origin, list)
            return Array(self.read(arguments[0]) if arguments else ANYTHING, make)
        if isinstance(origin, type):
            return self._read_class(origin)
        raise BadHint(f"{hint!r} is no type that values can be converted to")

    def _read_union(self, hint, arguments):
        some = [argument for argument in arguments if argument is not type(None)]
        if len(some) > 1 and self._strict:
            raise BadHint(f"{hint!r} is a union of several types: only a type and None can be one")
        inner = self.read(some[0]) if len(some) == 1 else OneOf([self.read(argument) for argument in some])
        return inner if len(some) == len(arguments) else Optional(inner)

    def _read_map(self, hint, arguments):
        if len(arguments) != 2:
            if self._strict:
                raise BadHint("a dict needs the types of its keys and values: dict[str, int], for example")
            return Map(TEXT, ANYTHING)
        key = self.read(arguments[0])
        if getattr(key, "key", None) is None:
            if key is ANYTHING and not self._strict:
                key = TEXT
            else:
                raise BadHint(f"the keys of {hint!r} can be bool, bytes, date, datetime, Decimal, float, int or str")
        return Map(key, self.read(arguments[1]))

    def _read_class(self, cls):
        if cls in self._structs:
            return self._structs[cls]
        if issubclass(cls, enum.Enum):
            return Choice([(enum_value(member), member) for member in cls])
        if typing.is_typeddict(cls):
            return self._read_typed_dict(cls)
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            hints = typing.get_type_hints(cls, include_extras=True)
            return Fixed([self.read(hints.get(name, typing.Any)) for name in cls._fields], cls._make)
        struct = self._structs[cls] = Struct(cls.__name__, cls)
        try:
            struct.set_fields(self._fields_of_class(cls))
        except BadHint:
            del self._structs[cls]
            raise
        return struct

    def _read_typed_dict(self, cls):
        struct = self._structs[cls] = Struct(cls.__name__, None)
        hints = self._hints(cls)
        fields = []
        for name, hint in hints.items():
            kind = self._read_field(cls, name, hint)
            # A class whose hints are strings does not know of these itself.
            said = typing.get_origin(hint)
            must = said is typing.Required or said is not typing.NotRequired and name in cls.__required_keys__
            absence = (Struct.LEFT_OUT_IF_ABSENT if not must else Struct.NONE_IF_ABSENT if isinstance(kind, Optional)
                       else Struct.MUST_BE_THERE)
            fields.append((name, kind, absence))
        struct.set_fields(fields)
        return struct

    def _fields_of_class(self, cls):
        """The fields of a class: its own hints, which must be those of its constructor."""
        if getattr(cls, "_is_protocol", False):
            raise BadHint(f"{cls.__name__} is a protocol: instances of it cannot be made")
        try:
            taken = list(inspect.signature(cls.__init__, annotation_format=annotationlib.Format.FORWARDREF)
                         .parameters.values())[1:]
        except (TypeError, ValueError):
            taken = None
        own = cls.__init__ is not object.__init__
        hints = self._hints(cls) if own else {}
        if taken is None or not own:
            raise BadHint(f"{cls.__name__} has no constructor with type hints: make it a dataclass or a TypedDict")
        for parameter, stars in ((inspect.Parameter.VAR_POSITIONAL, "*"), (inspect.Parameter.VAR_KEYWORD, "**")):
            for each in taken:
                if each.kind is parameter:
                    raise BadHint(f"the constructor of {cls.__name__} takes {stars}{each.name}: each of its parameters "
                                  "must be a field with a type")
        data = dataclasses.is_dataclass(cls)
        names = [each.name for each in taken]
        fields = {name for name in hints if not _is_class_variable(hints[name])}
        if data:
            fields = {field.name for field in dataclasses.fields(cls) if field.init}
            hints = {**{each.name: each.annotation for each in taken}, **hints}
        if not fields and names:
            raise BadHint(f"{cls.__name__} has no type hints: write {names[0]}: … for each parameter of its constructor "
                          "into the class")
        unhinted = [each.name for each in taken if each.annotation is inspect.Parameter.empty]
        if unhinted and not data:
            raise BadHint(f"the constructor of {cls.__name__} has no type hint for {', '.join(unhinted)}")
        if fields != set(names) and not data:
            raise BadHint(f"the type hints of {cls.__name__} ({', '.join(sorted(fields))}) are not those of its "
                          f"constructor ({', '.join(names)})")
        if not data:
            self._check_constructor(cls, hints)
        return [self._field_of_parameter(cls, each, hints[each.name]) for each in taken]

    def _check_constructor(self, cls, hints):
        for name, hint in self._hints(cls.__init__).items():
            if name != "return" and hints.get(name) != hint:
                raise BadHint(f"{cls.__name__}.{name} has another type in the class than in its constructor")

    def _field_of_parameter(self, cls, parameter, hint):
        if isinstance(hint, dataclasses.InitVar):
            hint = hint.type
        kind = self._read_field(cls, parameter.name, hint)
        if parameter.default is not inspect.Parameter.empty:
            return parameter.name, kind, Struct.LEFT_OUT_IF_ABSENT
        return parameter.name, kind, Struct.NONE_IF_ABSENT if isinstance(kind, Optional) else Struct.MUST_BE_THERE

    def _read_field(self, cls, name, hint):
        try:
            return self.read(hint)
        except BadHint as error:
            raise BadHint(f"{cls.__name__}.{name}: {error}") from None

    def _hints(self, thing):
        try:
            return typing.get_type_hints(thing, include_extras=True)
        except Exception as error:
            raise BadHint(f"the hints of {getattr(thing, '__qualname__', thing)} cannot be read: {error}") from None


def _is_class_variable(hint):
    return typing.get_origin(hint) is typing.ClassVar or hint is typing.ClassVar


def enum_value(member):
    """A member as JSON has it: its value, or its name where the values are no scalars."""
    scalar = all(isinstance(each.value, _SCALAR_VALUES) for each in type(member))
    return member.value if scalar else member.name

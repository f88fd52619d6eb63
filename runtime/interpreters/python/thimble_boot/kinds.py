"""Types: how a value of JSON becomes one of a type, what is said where it cannot, and the type's JSON Schema.

A type is a plan, made once at the load. Its `take` converts and raises a bare `Misfit`; only then does `explain` look for all
that does not fit. `parts` are the types inside of it.
"""

from .scalars import Misfit, describe


class Anything:
    """Any value, as it is."""

    expected = "anything"
    parts = ()

    def take(self, value):
        return value

    def explain(self, value, path, found):
        pass

    def schema(self, book):
        return {}


class Scalar:
    """A value without parts. `key` reads it from the text that a key of an object is."""

    parts = ()

    def __init__(self, expected, schema, take, key=None, key_schema=None):
        self.expected, self._schema, self.take = expected, schema, take
        self.key, self.key_schema = key, key_schema

    def explain(self, value, path, found):
        try:
            self.take(value)
        except Misfit:
            found.append((path, self.expected, describe(value)))

    def schema(self, book):
        return dict(self._schema)


class Choice(Scalar):
    """One of a few values: a `Literal`, or an `Enum`, whose members are made of them."""

    def __init__(self, members):
        """`members` are pairs: the value as JSON has it, and what it becomes."""
        self._members = {(type(value), value): member for value, member in members}
        values = [value for value, _ in members]
        self.expected = "one of " + ", ".join(describe(value, bare=True) for value in values)
        schema = {"enum": values}
        for kind, name in ((str, "string"), (bool, "boolean"), (int, "integer"), (float, "number")):
            if all(type(value) is kind for value in values):
                schema = {"type": name, "enum": values}
        self._schema = schema
        self.key_schema = schema if schema.get("type") == "string" else None
        self.key = self.take if self.key_schema else None

    def take(self, value):
        try:
            return self._members[type(value), value]
        except (KeyError, TypeError):
            raise Misfit from None


class Optional:
    """A value of a type, or None."""

    def __init__(self, inner):
        self._take, self.parts = inner.take, (inner,)

    @property
    def expected(self):
        return f"{self.parts[0].expected}, or null"

    def take(self, value):
        return None if value is None else self._take(value)

    def explain(self, value, path, found):
        if value is not None:
            self.parts[0].explain(value, path, found)

    def schema(self, book):
        inner = self.parts[0].schema(book)
        return {"anyOf": [inner, {"type": "null"}]} if inner else {}


class OneOf:
    """A value of the first type that it fits."""

    def __init__(self, parts):
        self.parts = tuple(parts)

    @property
    def expected(self):
        return " or ".join(part.expected for part in self.parts)

    def take(self, value):
        for part in self.parts:
            try:
                return part.take(value)
            except Misfit:
                continue
        raise Misfit

    def explain(self, value, path, found):
        try:
            self.take(value)
        except Misfit:
            found.append((path, self.expected, describe(value)))

    def schema(self, book):
        return {"anyOf": [part.schema(book) for part in self.parts]}


class Array:
    """Values of one type. `make` is what they come in: a list, a tuple, a set."""

    expected = "an array"

    def __init__(self, item, make=list):
        self._take, self._make, self.parts = item.take, make, (item,)

    def take(self, value):
        if type(value) is not list:
            raise Misfit
        take = self._take
        taken = [take(item) for item in value]
        return taken if self._make is list else self._make(taken)

    def explain(self, value, path, found):
        if type(value) is not list:
            found.append((path, self.expected, describe(value)))
            return
        for index, item in enumerate(value):
            self.parts[0].explain(item, f"{path}[{index}]", found)

    def schema(self, book):
        schema = {"type": "array", "items": self.parts[0].schema(book)}
        if self._make in (set, frozenset):
            schema["uniqueItems"] = True
        return schema


class Fixed:
    """A tuple: so many values, each of its own type."""

    def __init__(self, items, make=tuple):
        self.parts, self._make = tuple(items), make
        self.expected = f"an array of {len(self.parts)}"

    def take(self, value):
        if type(value) is not list or len(value) != len(self.parts):
            raise Misfit
        return self._make([part.take(item) for part, item in zip(self.parts, value)])

    def explain(self, value, path, found):
        if type(value) is not list or len(value) != len(self.parts):
            found.append((path, self.expected, describe(value)))
            return
        for index, (part, item) in enumerate(zip(self.parts, value)):
            part.explain(item, f"{path}[{index}]", found)

    def schema(self, book):
        count = len(self.parts)
        return {"type": "array", "prefixItems": [part.schema(book) for part in self.parts],
                "minItems": count, "maxItems": count}


class Map:
    """An object whose keys are of one type and whose values are of another."""

    expected = "an object"

    def __init__(self, key, value):
        self._key, self.parts = key, (value,)

    def take(self, value):
        if type(value) is not dict:
            raise Misfit
        key, take = self._key.key, self.parts[0].take
        if key is str:
            return {name: take(item) for name, item in value.items()}
        return {key(name): take(item) for name, item in value.items()}

    def explain(self, value, path, found):
        if type(value) is not dict:
            found.append((path, self.expected, describe(value)))
            return
        for name, item in value.items():
            try:
                self._key.key(name)
            except Misfit:
                found.append((f"{path}, a key", self._key.expected, describe(name)))
            self.parts[0].explain(item, step(path, name), found)

    def schema(self, book):
        schema = {"type": "object", "additionalProperties": self.parts[0].schema(book)}
        if self._key.key_schema:
            schema["propertyNames"] = dict(self._key.key_schema)
        return schema


class Struct:
    """An object with known fields, made into an instance of a class. What else the object holds is left out."""

    expected = "an object"
    MUST_BE_THERE, NONE_IF_ABSENT, LEFT_OUT_IF_ABSENT = range(3)

    def __init__(self, name, make):
        self.name, self._make, self.fields = name, make, ()

    @property
    def parts(self):
        return [field[1] for field in self.fields]

    def set_fields(self, fields):
        """Each is a name, its type, and what its absence means."""
        self.fields = [(name, kind, absence, kind.take) for name, kind, absence in fields]

    def take(self, value):
        if type(value) is not dict:
            raise Misfit
        taken = {}
        for name, _, absence, take in self.fields:
            if name in value:
                taken[name] = take(value[name])
            elif absence == self.MUST_BE_THERE:
                raise Misfit
            elif absence == self.NONE_IF_ABSENT:
                taken[name] = None
        make = self._make
        return taken if make is None else make(**taken)

    def explain(self, value, path, found):
        if type(value) is not dict:
            found.append((path, self.expected, describe(value)))
            return
        for name, kind, absence, _ in self.fields:
            if name in value:
                kind.explain(value[name], step(path, name), found)
            elif absence == self.MUST_BE_THERE:
                found.append((step(path, name), kind.expected, "nothing"))

    def schema(self, book):
        return book.reference(self) or self.written(book)

    def written(self, book):
        schema = {"type": "object", "title": self.name,
                  "properties": {name: kind.schema(book) for name, kind, *_ in self.fields},
                  "required": [name for name, _, absence, _ in self.fields if absence == self.MUST_BE_THERE]}
        if not self.name:
            del schema["title"]
        return schema


class _Book:
    """The schema of one type. A struct that is met twice is written once, as a definition with a name."""

    def __init__(self, root):
        self._often, self._names, self.definitions = set(), {}, {}
        seen, todo = set(), [root]
        while todo:
            each = todo.pop()
            if isinstance(each, Struct):
                if each in seen:
                    self._often.add(each)
                    continue
                seen.add(each)
            todo.extend(each.parts)

    def reference(self, struct):
        if struct not in self._often:
            return None
        name = self._names.get(struct)
        if name is None:
            name = base = struct.name or "Struct"
            for number in range(2, len(self._names) + 3):
                if name not in self.definitions:
                    break
                name = f"{base}{number}"
            self._names[struct] = name
            self.definitions[name] = None
            self.definitions[name] = struct.written(self)
        return {"$ref": f"#/$defs/{name}"}


def schema_of(kind):
    book = _Book(kind)
    schema = kind.schema(book)
    return {**schema, "$defs": book.definitions} if book.definitions else schema


def step(path, name):
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{describe(name, bare=True)}]"


class _Full(Exception):
    pass


class _Misfits(list):
    """So many of them: an event can have more than there is room for."""

    def append(self, misfit):
        if len(self) == MOST_MISFITS:
            raise _Full
        super().append(misfit)


MOST_MISFITS = 1_000


def misfits(kind, value):
    """What does not fit: paths, what is wanted there, and what is there."""
    found = _Misfits()
    try:
        kind.explain(value, "$", found)
    except _Full:
        pass
    return found


ANYTHING = Anything()

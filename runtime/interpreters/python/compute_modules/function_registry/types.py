"""The numbers of compute modules for which Python has no types of its own, for type hints."""

import typing

__all__ = ["Byte", "Double", "Long", "Short"]

Byte = typing.NewType("Byte", int)
Double = typing.NewType("Double", float)
Long = typing.NewType("Long", int)
Short = typing.NewType("Short", int)

"""What can be configured: the leaves of a tree of frozen settings structs that other packages declare.

A limit is marked in its own annotation, so that packages below this one need no import of it:
`Annotated[float, msgspec.Meta(extra={"tightest": "smallest"})]`.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from atomizer.config.secret import Secret

_DURATION = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|m|h|d)\s*")
_UNIT_S = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


class Seconds(float):
    """A time span in seconds, written as a number or as `30s`, `500ms`, `2m`, `1h`, `1d`."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> Seconds:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return cls(value)
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match:
            return cls(float(match[1]) * _UNIT_S[match[2]])
        try:
            return cls(float(value))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise ValueError("Expected a time such as `30s`, `500ms` or a number of seconds") from None


class Leaf(msgspec.Struct, frozen=True):
    """One setting: its dotted key, its type, what it is when nobody says, and whether it is a limit."""

    key: str
    type: Any
    required: bool
    default: Any
    tightest: str  # "smallest", "largest" or "" where later sources simply win

    @property
    def is_secret(self) -> bool:
        return Secret in _members(self.type)

    @property
    def is_list(self) -> bool:
        return any(_is_list(kind) for kind in _members(self.type))

    @property
    def wants_text(self) -> bool:
        """The type is read from the text as written: an address is no hexadecimal number."""
        return bool({str, Decimal, Secret, Seconds, Path} & set(_members(self.type)))


def sections(schema: type[msgspec.Struct]) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """(name, type) of the fields that are settings structs themselves."""
    hints = get_type_hints(schema)
    for field in msgspec.structs.fields(schema):
        kind = hints[field.name]
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield field.name, kind


def leaves(schema: type[msgspec.Struct], prefix: str = "") -> Iterator[Leaf]:
    """Every setting under a schema, depth first, in order of declaration."""
    nested = dict(sections(schema))
    hints = get_type_hints(schema, include_extras=True)
    for field in msgspec.structs.fields(schema):
        key = prefix + field.encode_name
        if field.name in nested:
            yield from leaves(nested[field.name], key + ".")
            continue
        default = field.default
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        kind = hints[field.name]
        yield Leaf(key, kind, default is msgspec.NODEFAULT, default, _tightest(kind))


def convert(leaf: Leaf, value: object, *, text: bool) -> Any:
    """The typed value of a raw one. `text`: the source knows only text (environment, INI, flags).

    Raises:
        msgspec.ValidationError: it is of another type or outside the leaf's bounds.
    """
    if text and isinstance(value, str):
        value = _from_text(leaf, value)
    return msgspec.convert(value, leaf.type, strict=not text, dec_hook=_decode)


def type_name(leaf: Leaf) -> str:
    """The type in a user's words."""
    words = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        Decimal: "a number",
        str: "text",
        Secret: "a secret",
        Seconds: "a time such as 30s",
        Path: "a path",
        type(None): "nothing",
    }
    return " or ".join(words.get(kind) or _other_name(kind) for kind in _members(leaf.type))


def _other_name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return f"one of {', '.join(str(value) or 'nothing' for value in get_args(kind))}"
    if _is_list(kind):
        return "a list"
    return "a mapping" if (get_origin(kind) or kind) is dict else str(kind)


def _from_text(leaf: Leaf, value: str) -> object:
    members = _members(leaf.type)
    if bool in members:
        return _WORDS.get(value.strip().lower(), value.strip())
    if leaf.is_list:
        if value.lstrip().startswith("["):
            return msgspec.json.decode(value)
        return [part.strip() for part in value.split(",") if part.strip()]
    if type(None) in members and value.strip() == "":
        return None
    return value


def _decode(kind: type, value: object) -> object:
    if kind is Secret:
        if not isinstance(value, str):
            raise ValueError("Expected text")
        return Secret(value)
    if kind is Seconds:
        return Seconds.parse(value)
    if kind is Path:
        return Path(str(value))
    raise TypeError(f"expected a setting of a type that text can state, found {kind}")


def _members(kind: Any) -> tuple[Any, ...]:
    if get_origin(kind) is Annotated:
        return _members(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(member for arg in get_args(kind) for member in _members(arg))
    return (kind,)


def _is_list(kind: Any) -> bool:
    return (get_origin(kind) or kind) in (list, tuple, set, frozenset)


def _tightest(kind: Any) -> str:
    for item in getattr(kind, "__metadata__", ()):
        if isinstance(item, msgspec.Meta) and item.extra and "tightest" in item.extra:
            return str(item.extra["tightest"])
    return ""

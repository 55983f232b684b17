"""Puts the sources together: flags over environment over files over defaults, each value with its origin.

For limits the tightest source wins instead; in live an environment that would loosen the file is an error.
Machinery only: which settings exist is declared by the packages that use them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from atomizer.config import schema as schemas
from atomizer.config.errors import ConfigError
from atomizer.config.schema import Leaf, Seconds, leaves, sections, type_name
from atomizer.config.secret import HIDDEN, Secret
from atomizer.config.sources import (
    FILE_SUFFIX,
    PREFIX,
    Given,
    Origin,
    environment_names,
    from_environment,
    from_file,
    from_flags,
)

Settings = TypeVar("Settings", bound=msgspec.Struct)
_DEFAULT = Origin("default")


class Value(msgspec.Struct, frozen=True):
    """A typed value and where it is from."""

    value: Any
    origin: Origin


class Row(msgspec.Struct, frozen=True):
    """One line of `config show`: secrets hidden."""

    key: str
    value: Any
    origin: str


class Loaded(msgspec.Struct, Generic[Settings], frozen=True):
    """The settings, the origin of each key, and what a person should be told once at start."""

    settings: Settings
    values: dict[str, Value]
    notes: list[str]

    def origin(self, key: str) -> Origin:
        return self.values[key].origin

    def rows(self) -> list[Row]:
        return [Row(key, plain(item.value), str(item.origin)) for key, item in self.values.items()]

    def overrides(self) -> list[str]:
        """Every setting that the environment decided, for the log at start."""
        return [
            f"{item.origin.detail} sets {key} = {plain(item.value)}"
            for key, item in self.values.items()
            if item.origin.source == "environment"
        ]


def load(
    schema: type[Settings],
    *,
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    files: Sequence[Path] = (),
    aliases: Mapping[str, str] | None = None,
    live: bool = False,
) -> Loaded[Settings]:
    """Read, check and type everything.

    Args:
        flags: command line values by dotted key, None where not given.
        files: later ones win.
        aliases: flat environment names by the key they set.

    Raises:
        ConfigError: every fault found, not only the first.
    """
    known = {leaf.key: leaf for leaf in leaves(schema)}
    environment, names = environment or {}, environment_names(known, aliases or {})
    stray = [name for name in names.values() if name not in known]
    if stray:
        raise ConfigError([f"aliases: expected keys of the settings, found {', '.join(stray)}"])
    given = [
        *(item for path in files for item in from_file(path, known)),
        *from_environment(environment, known, names),
        *from_flags(flags or {}),
    ]
    faults = [*_unknown(given, known), *_unknown_variables(environment, names, known)]
    typed, type_faults = _typed([item for item in given if item.key in known], known)
    values, notes, limit_faults = _decided(typed, known, live=live)
    faults += type_faults + limit_faults
    faults += _missing(known, {item.key for item in given}, names)
    if faults:
        raise ConfigError(faults)
    return Loaded(_build(schema, values), values, notes)


def plain(value: Any) -> Any:
    """A value as JSON holds it, with every secret hidden: for the journal, logs and `config show`."""
    return msgspec.to_builtins(value, enc_hook=_hide, str_keys=True)


def _hide(value: object) -> object:
    if isinstance(value, Secret):
        return HIDDEN
    if isinstance(value, Seconds):
        return float(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"expected a setting with a plain form, found {type(value).__name__}")


# --- faults ---


def _unknown(given: Iterable[Given], known: Mapping[str, Leaf]) -> list[str]:
    return [
        f"{item.key}: expected a known setting, found none of this name ({item.origin});"
        f" {_suggestion(item.key, known)}"
        for item in given
        if item.key not in known
    ]


def _unknown_variables(
    environment: Mapping[str, str], names: Mapping[str, str], known: Mapping[str, Leaf]
) -> list[str]:
    accepted = {*names, *(name + FILE_SUFFIX for name, key in names.items() if known[key].is_secret)}
    return [
        f"{name}: expected a known variable, found none of this name (environment);"
        f" {_suggestion(name, accepted)}"
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in accepted
    ]


def _suggestion(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if not close:
        by_last = {key.rsplit(".", 1)[-1]: key for key in names}
        close = [by_last[last] for last in difflib.get_close_matches(name.rsplit(".", 1)[-1], by_last, n=1)]
    return f"did you mean {close[0]}?" if close else "`atomizer config show` lists those that exist"


def _missing(known: Mapping[str, Leaf], stated: set[str], names: Mapping[str, str]) -> list[str]:
    return [
        f"{leaf.key}: expected {type_name(leaf)}, found nothing; set it in the {_places(leaf, names)}"
        for leaf in known.values()
        if leaf.required and leaf.key not in stated
    ]


def _places(leaf: Leaf, names: Mapping[str, str]) -> str:
    variables = [name for name, key in names.items() if key == leaf.key]
    name = variables[-1]  # an alias where there is one
    return f"environment as {name} or {name}{FILE_SUFFIX}" if leaf.is_secret else f"file or as {name}"


def _typed(given: Iterable[Given], known: Mapping[str, Leaf]) -> tuple[dict[str, list[Value]], list[str]]:
    typed: dict[str, list[Value]] = {}
    faults: list[str] = []
    for item in given:
        leaf = known[item.key]
        if leaf.is_secret and item.origin.source != "environment":
            faults.append(
                f"{item.key}: expected this secret in the environment, in a file that a *{FILE_SUFFIX}"
                f" variable names or as a systemd credential, found it in a {item.origin};"
                " move it and replace the key"
            )
            continue
        try:
            value = _converted(leaf, item)
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
            found = "a value not shown" if leaf.is_secret else repr(item.value)
            faults.append(
                f"{item.key}: expected {type_name(leaf)}, found {found} ({item.origin}: {error}); correct it"
            )
            continue
        typed.setdefault(item.key, []).append(Value(value, item.origin))
    return typed, faults


def _converted(leaf: Leaf, item: Given) -> Any:
    if leaf.wants_text and item.written is not None and item.value is not None:
        return schemas.convert(leaf, item.written, text=True)
    return schemas.convert(leaf, item.value, text=item.text)


# --- which value counts ---


def _decided(
    typed: Mapping[str, list[Value]], known: Mapping[str, Leaf], *, live: bool
) -> tuple[dict[str, Value], list[str], list[str]]:
    values: dict[str, Value] = {}
    notes: list[str] = []
    faults: list[str] = []
    for key, leaf in known.items():
        stated = typed.get(key, [])
        if not stated:
            values[key] = Value(leaf.default, _DEFAULT)
            continue
        values[key] = stated[-1]
        if not leaf.tightest:
            continue
        values[key] = tightest = _tightest(stated, leaf)
        looser = [item for item in stated if item.value != tightest.value]
        if live and tightest.origin.source == "file":
            faults += [
                f"{key}: expected the environment not to loosen a limit in live, found {item.origin.detail} ="
                f" {item.value} against {tightest.value} ({tightest.origin}); unset it"
                for item in looser
                if item.origin.source == "environment"
            ]
        notes += [
            f"{key} = {tightest.value} ({tightest.origin}) over the looser {item.value} ({item.origin})"
            for item in looser
        ]
    return values, notes, faults


def _tightest(stated: Sequence[Value], leaf: Leaf) -> Value:
    """The smallest (or largest) of what was said; a later source wins among equals, None is no limit."""
    limits = [item for item in reversed(stated) if item.value is not None]
    if not limits:
        return stated[-1]
    choose = min if leaf.tightest == "smallest" else max
    return choose(limits, key=lambda item: item.value)


def _build(schema: type[Settings], values: Mapping[str, Value], prefix: str = "") -> Settings:
    nested = dict(sections(schema))
    parts: dict[str, Any] = {}
    for field in msgspec.structs.fields(schema):
        key = prefix + field.encode_name
        kind = nested.get(field.name)
        parts[field.name] = _build(kind, values, key + ".") if kind else values[key].value
    try:
        return schema(**parts)
    except ValueError as error:
        raise ConfigError([f"{prefix.rstrip('.') or 'settings'}: {error}"]) from error

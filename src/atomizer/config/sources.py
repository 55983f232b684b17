"""Where values come from: each source becomes a list of (key, raw value, origin)."""

from __future__ import annotations

import configparser
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from atomizer.config.errors import ConfigError
from atomizer.config.schema import Leaf

PREFIX = "ATOMIZER_"
FILE_SUFFIX = "_FILE"
CREDENTIALS = "CREDENTIALS_DIRECTORY"


class Origin(msgspec.Struct, frozen=True):
    """Which source a value is from (`default file environment flag`) and where exactly."""

    source: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.source} {self.detail}".strip()


class Given(msgspec.Struct, frozen=True):
    """A value as a source states it. `text`: the source has only text, so types are read leniently.

    `written` is a YAML scalar as it stands in the file, for settings that are text or decimals.
    """

    key: str
    value: Any
    origin: Origin
    text: bool
    written: str | None = None


def from_flags(flags: Mapping[str, Any]) -> Iterator[Given]:
    """Command line values by key; None means the flag was not used."""
    for key, value in flags.items():
        if value is not None:
            yield Given(key, value, Origin("flag"), text=True)


def from_file(path: Path, known: Container[str]) -> Iterator[Given]:
    """A YAML file, or an INI file when its name ends in `.ini`.

    Raises:
        ConfigError: unreadable, not of that form, or a key twice.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: expected a readable configuration file, found: {error}"]) from error
    return _from_ini(path, content) if path.suffix == ".ini" else _from_yaml(path, content, known)


def _from_ini(path: Path, content: str) -> Iterator[Given]:
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # keys keep their case
    try:
        parser.read_string(content, source=str(path))
    except configparser.Error as error:
        raise ConfigError([f"{path}: expected an INI file, found {_ini_fault(error)}"]) from None
    for section in parser.sections():
        for key, value in parser.items(section):
            yield Given(f"{section}.{key}", value, Origin("file", f"{path} [{section}]"), text=True)


def _ini_fault(error: configparser.Error) -> str:
    """Kind and line of a fault, without the line itself: it may hold a secret."""
    number = getattr(error, "lineno", None) or next((at for at, _ in getattr(error, "errors", [])), None)
    return f"{type(error).__name__} in line {number}"


def _from_yaml(path: Path, content: str, known: Container[str]) -> Iterator[Given]:
    import yaml  # only where a file is read: `atomizer --help` must not load it

    loader = yaml.SafeLoader(content)
    try:
        root = loader.get_single_node()
        if root is None:
            return
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError([f"{path}: expected `key: value` lines, found none"])
        yield from _walk(path, loader, root, "", known)
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        where = f"{path} line {mark.line + 1}" if mark else str(path)
        raise ConfigError([f"{where}: expected YAML, found: {problem or 'unreadable text'}"]) from None
    finally:
        loader.dispose()


def _walk(path: Path, loader: Any, mapping: Any, prefix: str, known: Container[str]) -> Iterator[Given]:
    seen: set[str] = set()
    for key_node, node in mapping.value:
        key = prefix + str(key_node.value)
        where = f"{path} line {key_node.start_mark.line + 1}"
        if key in seen:
            raise ConfigError([f"{where}: expected {key} once, found it twice; remove one"])
        seen.add(key)
        if node.id == "mapping" and key not in known:
            yield from _walk(path, loader, node, key + ".", known)
            continue
        written = node.value if node.id == "scalar" else None
        value = loader.construct_object(node, deep=True)
        yield Given(key, value, Origin("file", where), text=False, written=written)


def environment_names(known: Mapping[str, Leaf], aliases: Mapping[str, str]) -> dict[str, str]:
    """Every environment variable that sets something: name -> key."""
    names = {PREFIX + key.upper().replace(".", "__"): key for key in known}
    return {**names, **aliases}


def from_environment(
    environment: Mapping[str, str], known: Mapping[str, Leaf], names: Mapping[str, str]
) -> Iterator[Given]:
    """Values from variables, from files that `*_FILE` variables name, and from systemd credentials.

    Raises:
        ConfigError: two variables for one setting, or a secret's file that cannot be read.
    """
    stated: dict[str, Given] = {}
    for name, key in names.items():
        for given in _stated(environment, known[key], name, key):
            before = stated.get(key)
            if before is not None and before.value != given.value:
                fault = (
                    f"{key}: expected one source in the environment, found {before.origin.detail} and"
                    f" {given.origin.detail} with different values; unset one"
                )
                raise ConfigError([fault])
            stated[key] = before or given
    for name, key in names.items():
        if known[key].is_secret and key not in stated:
            credential = _credential(environment, name, key)
            if credential is not None:
                stated[key] = credential
    yield from stated.values()


def _stated(environment: Mapping[str, str], leaf: Leaf, name: str, key: str) -> Iterator[Given]:
    if name in environment:
        yield Given(key, environment[name], Origin("environment", name), text=True)
    file_name = name + FILE_SUFFIX
    if leaf.is_secret and file_name in environment:
        path = Path(environment[file_name])
        yield Given(key, _secret_text(path, file_name), Origin("environment", file_name), text=True)


def _credential(environment: Mapping[str, str], name: str, key: str) -> Given | None:
    directory = environment.get(CREDENTIALS)
    if not directory:
        return None
    for candidate in (name, name.lower(), key):
        path = Path(directory) / candidate
        if path.is_file():
            origin = Origin("environment", f"{CREDENTIALS}/{candidate}")
            return Given(key, _secret_text(path, CREDENTIALS), origin, text=True)
    return None


def _secret_text(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigError(
            [f"{name}: expected a readable file at {path}, found: {reason}; check path and permissions"]
        ) from None

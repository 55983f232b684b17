"""No way of looking at the settings shows a secret, and every way of giving one works."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import msgspec
import pytest

from atomizer.config.errors import ConfigError
from atomizer.config.load import Loaded, load, plain
from atomizer.config.secret import Secret

HUSH = "hush-3f1c"
BASE = {"ATOMIZER_NETWORK": "sim"}


def secret_of(loaded: Loaded[msgspec.Struct]) -> str:
    value = loaded.values["venue.api_secret"].value
    assert isinstance(value, Secret)
    return value.reveal()


def test_no_text_form_shows_it() -> None:
    secret = Secret(HUSH)
    forms = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>40}",
        repr([secret]),
        str({1: secret}),
    ]
    assert not any(HUSH in form for form in forms)


def test_it_cannot_be_serialised() -> None:
    secret = Secret(HUSH)
    for write in (pickle.dumps, copy.deepcopy, json.dumps, msgspec.json.encode):
        with pytest.raises(TypeError) as caught:
            write(secret)
        assert HUSH not in str(caught.value)


def test_equality_is_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_from_the_environment(schema: type[msgspec.Struct], aliases: dict[str, str]) -> None:
    loaded = load(schema, environment=BASE | {"DERIBIT_API_SECRET": HUSH}, aliases=aliases)
    assert secret_of(loaded) == HUSH


@pytest.mark.parametrize("name", ["DERIBIT_API_SECRET_FILE", "ATOMIZER_VENUE__API_SECRET_FILE"])
def test_from_a_file_named_by_the_environment(
    schema: type[msgspec.Struct], aliases: dict[str, str], tmp_path: Path, name: str
) -> None:
    (tmp_path / "key").write_text(HUSH + "\n")
    loaded = load(schema, environment=BASE | {name: str(tmp_path / "key")}, aliases=aliases)
    assert secret_of(loaded) == HUSH
    assert str(loaded.origin("venue.api_secret")) == f"environment {name}"


@pytest.mark.parametrize("name", ["DERIBIT_API_SECRET", "deribit_api_secret", "venue.api_secret"])
def test_from_systemd_credentials(
    schema: type[msgspec.Struct], aliases: dict[str, str], tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text(HUSH)
    environment = BASE | {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    loaded = load(schema, environment=environment, aliases=aliases)
    assert secret_of(loaded) == HUSH


def test_a_variable_is_over_a_credential(
    schema: type[msgspec.Struct], aliases: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "DERIBIT_API_SECRET").write_text("other")
    environment = BASE | {"CREDENTIALS_DIRECTORY": str(tmp_path), "DERIBIT_API_SECRET": HUSH}
    assert secret_of(load(schema, environment=environment, aliases=aliases)) == HUSH


def test_a_missing_secret_file_is_named(
    schema: type[msgspec.Struct], aliases: dict[str, str], tmp_path: Path
) -> None:
    environment = BASE | {"DERIBIT_API_SECRET_FILE": str(tmp_path / "none")}
    with pytest.raises(ConfigError, match="DERIBIT_API_SECRET_FILE: expected a readable file"):
        load(schema, environment=environment, aliases=aliases)


def test_a_secret_in_a_file_or_flag_is_refused_unseen(
    schema: type[msgspec.Struct], aliases: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"venue: {{api_secret: {HUSH}}}")
    for options in ({"files": [path]}, {"flags": {"venue.api_secret": HUSH}}):
        with pytest.raises(ConfigError, match="expected this secret in the environment") as caught:
            load(schema, environment=BASE, aliases=aliases, **options)  # type: ignore[arg-type]
        assert HUSH not in str(caught.value)


def test_broken_files_are_not_quoted(schema: type[msgspec.Struct], tmp_path: Path) -> None:
    for name, content in (("a.yaml", f"api_secret: '{HUSH}\n"), ("a.ini", f"api_secret = {HUSH}\n")):
        (tmp_path / name).write_text(content)
        with pytest.raises(ConfigError) as caught:
            load(schema, environment=BASE, files=[tmp_path / name])
        assert HUSH not in str(caught.value)


def test_no_view_of_loaded_settings_shows_it(schema: type[msgspec.Struct], aliases: dict[str, str]) -> None:
    loaded = load(schema, environment=BASE | {"DERIBIT_API_SECRET": HUSH}, aliases=aliases)
    views = [repr(loaded), str(loaded.rows()), str(loaded.overrides()), str(plain(loaded.settings))]
    assert not any(HUSH in view for view in views)

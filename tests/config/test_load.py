from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from atomizer.config.errors import ConfigError
from atomizer.config.load import Loaded, load, plain
from atomizer.config.schema import Seconds

Load = Callable[..., Loaded[Any]]


@pytest.fixture
def loaded(schema: type[msgspec.Struct], aliases: dict[str, str], tmp_path: Path) -> Load:
    """Loads the small tree; `yaml` and `ini` are contents of files."""

    def run(
        *, yaml: str | None = None, ini: str | None = None, network: bool = True, **options: Any
    ) -> Loaded[Any]:
        files = []
        if yaml is not None:
            files.append(tmp_path / "config.yaml")
            files[-1].write_text(yaml)
        if ini is not None:
            files.append(tmp_path / "role.ini")
            files[-1].write_text(ini)
        environment = {"ATOMIZER_NETWORK": "sim"} if network else {}
        environment |= options.pop("environment", {})
        return load(schema, files=files, aliases=aliases, environment=environment, **options)

    return run


def faults(loaded: Load, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(**options)
    return str(caught.value)


# --- precedence, one step at a time ---


def test_a_default_counts_when_nobody_says_otherwise(loaded: Load) -> None:
    result = loaded()
    assert result.settings.venue.name == "deribit"
    assert str(result.origin("venue.name")) == "default"


def test_a_file_is_over_the_default_and_names_its_line(loaded: Load, tmp_path: Path) -> None:
    result = loaded(yaml="risk: {}\nvenue:\n  name: derive\n")
    assert result.settings.venue.name == "derive"
    assert str(result.origin("venue.name")) == f"file {tmp_path}/config.yaml line 3"


def test_a_later_file_is_over_an_earlier_one(loaded: Load) -> None:
    result = loaded(yaml="venue: {name: one}", ini="[venue]\nname = two\n")
    assert result.settings.venue.name == "two"


def test_the_environment_is_over_the_file(loaded: Load) -> None:
    result = loaded(yaml="venue: {name: file}", environment={"ATOMIZER_VENUE__NAME": "environment"})
    assert result.settings.venue.name == "environment"
    assert str(result.origin("venue.name")) == "environment ATOMIZER_VENUE__NAME"


def test_a_flag_is_over_the_environment(loaded: Load) -> None:
    result = loaded(environment={"ATOMIZER_VENUE__NAME": "environment"}, flags={"venue.name": "flag"})
    assert result.settings.venue.name == "flag"
    assert str(result.origin("venue.name")) == "flag"


def test_a_flag_that_was_not_used_says_nothing(loaded: Load) -> None:
    assert loaded(flags={"venue.name": None}).settings.venue.name == "deribit"


def test_a_flat_name_sets_its_key(loaded: Load) -> None:
    result = loaded(environment={"DERIBIT_API_KEY": "abc", "RFQ_ASSET_ADDRESSES": "0x1, 0x2"})
    assert result.settings.venue.api_key == "abc"
    assert result.settings.tokens == ("0x1", "0x2")


def test_two_names_of_one_key_must_agree(loaded: Load) -> None:
    both = {"DERIBIT_API_KEY": "a", "ATOMIZER_VENUE__API_KEY": "a"}
    assert loaded(environment=both).settings.venue.api_key == "a"
    text = faults(loaded, environment=both | {"DERIBIT_API_KEY": "b"})
    assert "found ATOMIZER_VENUE__API_KEY and DERIBIT_API_KEY with different values; unset one" in text


def test_overrides_by_the_environment_are_listed(loaded: Load) -> None:
    result = loaded(environment={"MAX_POSITION_DELTA": "5", "DERIBIT_API_SECRET": "hush"})
    assert result.overrides() == [
        "ATOMIZER_NETWORK sets network = sim",
        "DERIBIT_API_SECRET sets venue.api_secret = ********",
        "MAX_POSITION_DELTA sets risk.max_delta = 5.0",
    ]


# --- types ---


@pytest.mark.parametrize(
    ("word", "value"),
    [("true", True), ("false", False), ("1", True), ("0", False), ("Yes", True), ("off", False)],
)
def test_words_for_true_and_false(loaded: Load, word: str, value: bool) -> None:
    assert loaded(environment={"EXCHANGE_TEST_MODE": word}).settings.venue.test_mode is value


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("1d", 86400), ("7", 7)]
)
def test_times_have_units(loaded: Load, text: str, seconds: float) -> None:
    for options in ({"yaml": f"risk: {{check_interval: {text}}}"}, {"flags": {"risk.check_interval": text}}):
        value = loaded(**options).settings.risk.check_interval
        assert isinstance(value, Seconds)
        assert math.isclose(value, seconds)


def test_decimals_of_a_file_are_read_as_written(loaded: Load) -> None:
    result = loaded(yaml="risk: {min_edge: 0.10000000000000000000001}")
    assert result.settings.risk.min_edge == Decimal("0.10000000000000000000001")


def test_an_unquoted_address_stays_text(loaded: Load) -> None:
    result = loaded(yaml="venue: {name: 0x7b79995e5f793A07Bc00c21412e50Ecae098E7f9}")
    assert result.settings.venue.name == "0x7b79995e5f793A07Bc00c21412e50Ecae098E7f9"


def test_lists_of_structs_and_plain_mappings_load(loaded: Load) -> None:
    result = loaded(yaml="lines:\n  - {underlying: ETH, strikes: [2800, 3000]}\nmapping: {a.b: c, d: e}\n")
    assert result.settings.lines[0].strikes == [2800, 3000]
    assert result.settings.mapping == {"a.b": "c", "d": "e"}


def test_an_ini_file_of_a_process_role_loads(loaded: Load) -> None:
    result = loaded(ini="[risk]\nmax_delta = 2.5\ncheck_interval = 10s\n[venue]\ntest_mode = no\n")
    assert result.settings.risk.max_delta == 2.5
    assert result.settings.venue.test_mode is False


# --- faults ---


def test_an_unknown_key_of_a_file_has_a_suggestion(loaded: Load) -> None:
    text = faults(loaded, yaml="risk:\n  max_dleta: 5\n")
    assert "risk.max_dleta: expected a known setting" in text
    assert "line 2" in text
    assert "did you mean risk.max_delta?" in text


def test_a_key_in_the_wrong_section_is_found_by_its_last_word(loaded: Load) -> None:
    assert "did you mean venue.api_key?" in faults(loaded, yaml="somewhere: {else: {api_key: x}}")


def test_an_unknown_variable_of_ours_has_a_suggestion(loaded: Load) -> None:
    text = faults(loaded, environment={"ATOMIZER_RISK__MAX_DLETA": "5"})
    assert "ATOMIZER_RISK__MAX_DLETA" in text
    assert "did you mean ATOMIZER_RISK__MAX_DELTA?" in text


def test_variables_of_others_are_left_alone(loaded: Load) -> None:
    assert loaded(environment={"PATH": "/bin", "HOME": "/"}).settings.network == "sim"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"yaml": "risk: {max_delta: abc}"}, "risk.max_delta: expected a number, found 'abc'"),
        ({"yaml": "risk: {max_delta: '5'}"}, "risk.max_delta: expected a number, found '5'"),
        ({"yaml": "risk: {max_delta: -1}"}, "Expected `float` > 0"),
        ({"yaml": "venue: {test_mode: 3}"}, "venue.test_mode: expected true or false, found 3"),
        ({"yaml": "risk: {check_interval: soon}"}, "expected a time such as 30s, found 'soon'"),
        ({"yaml": "tokens: 5"}, "tokens: expected a list, found 5"),
        ({"environment": {"MAX_POSITION_DELTA": "ten"}}, "found 'ten' (environment MAX_POSITION_DELTA"),
        ({"yaml": "risk: 5"}, "risk: expected a known setting"),
        ({"yaml": "- a\n- b"}, "expected `key: value` lines"),
        ({"yaml": "venue: {name: a\n"}, "expected YAML, found"),
        ({"yaml": "venue:\n  name: a\n  name: b\n"}, "line 3: expected venue.name once, found it twice"),
        ({"ini": "name = 5\n"}, "expected an INI file, found MissingSectionHeaderError in line 1"),
        ({"yaml": "risk: {max_loss: 1}"}, "risk: expected max_loss above max_delta, found 1.0"),
    ],
)
def test_faults_say_what_was_expected_and_found(loaded: Load, options: dict[str, Any], expected: str) -> None:
    assert expected in faults(loaded, **options)


def test_a_missing_setting_says_where_it_can_be_set(loaded: Load) -> None:
    text = faults(loaded, network=False)
    assert text == "network: expected text, found nothing; set it in the file or as ATOMIZER_NETWORK"


def test_a_missing_file_is_named(schema: type[msgspec.Struct], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: expected a readable configuration file"):
        load(schema, files=[tmp_path / "none.yaml"])


def test_every_fault_is_reported_at_once(loaded: Load) -> None:
    text = faults(loaded, yaml="a: 1\nrisk: {max_delta: x}\n", network=False)
    assert len(text.splitlines()) == 3


def test_an_alias_of_a_key_that_does_not_exist_is_found(schema: type[msgspec.Struct]) -> None:
    with pytest.raises(ConfigError, match=r"aliases: .*found nowhere\.at_all"):
        load(schema, aliases={"X": "nowhere.at_all"})


# --- limits: the tightest wins ---


@pytest.mark.parametrize(("file", "environment", "flag"), [(5, 10, 20), (10, 5, 20), (20, 10, 5), (5, 5, 9)])
def test_the_smallest_limit_wins_whatever_its_source(
    loaded: Load, file: float, environment: float, flag: float
) -> None:
    result = loaded(
        yaml=f"risk: {{max_delta: {file}}}",
        environment={"MAX_POSITION_DELTA": str(environment)},
        flags={"risk.max_delta": flag},
    )
    assert result.settings.risk.max_delta == 5.0
    assert all("over the looser" in note for note in result.notes)
    assert result.notes


def test_a_floor_is_tightest_where_it_is_largest(loaded: Load) -> None:
    result = loaded(yaml="risk: {min_edge: 2}", flags={"risk.min_edge": "1"})
    assert result.settings.risk.min_edge == 2


def test_a_file_may_loosen_the_default(loaded: Load) -> None:
    result = loaded(yaml="risk: {max_delta: 50}")
    assert result.settings.risk.max_delta == 50
    assert result.notes == []


def test_no_limit_is_the_loosest(loaded: Load) -> None:
    result = loaded(yaml="risk: {max_loss: 100}", environment={"ATOMIZER_RISK__MAX_LOSS": ""})
    assert result.settings.risk.max_loss == 100


def test_in_live_the_environment_cannot_loosen_the_file(loaded: Load) -> None:
    options = {"yaml": "risk: {max_delta: 5}", "environment": {"MAX_POSITION_DELTA": "6"}}
    assert loaded(**options).settings.risk.max_delta == 5
    text = faults(loaded, **options, live=True)
    assert "risk.max_delta: expected the environment not to loosen a limit in live" in text
    assert "MAX_POSITION_DELTA = 6.0 against 5.0" in text
    options["environment"] = {"MAX_POSITION_DELTA": "4"}
    assert loaded(**options, live=True).settings.risk.max_delta == 4


# --- what is shown ---


def test_rows_name_every_key_with_its_origin(loaded: Load) -> None:
    rows = {row.key: row for row in loaded(environment={"MAX_POSITION_DELTA": "5"}).rows()}
    assert rows["risk.max_delta"].value == 5.0
    assert rows["risk.max_delta"].origin == "environment MAX_POSITION_DELTA"
    assert rows["risk.check_interval"].value == 30.0
    assert rows["mapping"].origin == "default"


def test_settings_have_a_plain_form_for_the_journal(loaded: Load) -> None:
    form = plain(loaded(environment={"DERIBIT_API_SECRET": "hush"}).settings)
    assert form["venue"]["api_secret"] == "********"
    assert form["risk"]["min_edge"] == "0.5"
    assert form["risk"]["check_interval"] == 30.0
    assert b"hush" not in msgspec.json.encode(form)

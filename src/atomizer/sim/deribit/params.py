"""Reading request parameters: JSON values by socket, their text by query string."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from atomizer.sim.deribit.errors import invalid_params

LARGEST, MOST_PLACES = 10**15, 10
TRUE, FALSE = ("true", "True", "1"), ("false", "False", "0")


class Params:
    """Typed access to one request's parameters; null counts as absent, unknown keys are ignored."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def has(self, name: str) -> bool:
        return self.values.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """A string; required when there is no default."""
        value = self.values.get(name)
        if value is None:
            if default is None:
                raise invalid_params(name, "value required")
            return default
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise invalid_params(name, "must be a string")

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self.text(name, default)
        if value not in allowed:
            raise invalid_params(name, f"must be one of {', '.join(allowed)}")
        return value

    def decimal(self, name: str) -> Decimal | None:
        """A finite number, None when absent."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise invalid_params(name, "must be a number")
        try:
            number = Decimal(str(value))
        except (InvalidOperation, ValueError):
            raise invalid_params(name, "must be a number") from None
        if not number.is_finite() or abs(number) >= LARGEST or number != round(number, MOST_PLACES):
            raise invalid_params(name, f"must be below {LARGEST} with at most {MOST_PLACES} decimals")
        return number

    def integer(self, name: str, default: int | None = None) -> int:
        number = self.decimal(name)
        if number is None:
            if default is None:
                raise invalid_params(name, "value required")
            return default
        if number != number.to_integral_value():
            raise invalid_params(name, "must be an integer")
        return int(number)

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool):
            return value
        if value in TRUE:
            return True
        if value in FALSE:
            return False
        raise invalid_params(name, "must be a boolean")

    def object(self, name: str) -> Params:
        """An object of parameters."""
        value = self.values.get(name)
        if not isinstance(value, dict):
            raise invalid_params(name, "must be an object")
        return Params(value)

    def objects(self, name: str) -> list[Params]:
        """A list of objects, as JSON or as JSON text."""
        value = self._json(name)
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise invalid_params(name, "must be an array of objects")
        return [Params(one) for one in value]

    def texts(self, name: str) -> list[str]:
        """A list of strings, as JSON or as JSON text."""
        value = self._json(name)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise invalid_params(name, "must be an array of strings")
        return value

    def _json(self, name: str) -> Any:
        """A value that a query string writes as JSON text."""
        value = self.values.get(name)
        if isinstance(value, str):
            try:
                return json.loads(value)
            except ValueError:
                raise invalid_params(name, "must be JSON") from None
        return value

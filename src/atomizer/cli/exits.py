"""How the program ends, in one place: exit codes and the errors that lead to them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum


class Exit(IntEnum):
    """Documented exit codes of every command."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    CONFIG = 3
    NETWORK = 4
    RISK = 5
    INTERRUPTED = 130


# By dotted name, so that asking for help imports none of them. Errors of the package that are not listed
# end with FAILURE; a subclass ends as its base does.
BY_ERROR: dict[str, Exit] = {
    "atomizer.config.errors.ConfigError": Exit.CONFIG,
    "atomizer.net.transport.TransportError": Exit.NETWORK,
    "atomizer.runtime.control.ControlError": Exit.NETWORK,
    "atomizer.runtime.control.RefusedError": Exit.FAILURE,
    "atomizer.runtime.control.RiskRefusedError": Exit.RISK,
    "atomizer.desk.errors.SweepError": Exit.NETWORK,
}
_PACKAGE = "atomizer."


def code_of(error: BaseException) -> Exit | None:
    """The exit code of one of our own errors; None for anything else, which is a fault in the program."""
    for kind in type(error).__mro__:
        known = BY_ERROR.get(f"{kind.__module__}.{kind.__qualname__}")
        if known is not None:
            return known
    return Exit.FAILURE if type(error).__module__.startswith(_PACKAGE) else None


def single_errors(error: BaseException) -> Iterator[BaseException]:
    """The errors inside nested groups (a task group raises those), or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from single_errors(inner)
    else:
        yield error

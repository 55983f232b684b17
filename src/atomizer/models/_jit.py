"""The one way a numba kernel is declared.

Explicit signatures make importing a module compile its kernels or load them from numba's cache; a call
with other types then raises instead of compiling while trading. No fastmath, no parallel: the same inputs
give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def direct(compiled: Callable[P, R]) -> Callable[P, R]:
    """The machine code of a kernel with one signature, for a caller in Python that calls it all the time.

    numba looks for the signature that fits at each call, which costs as much again as unpacking the
    arguments. Here they must fit: of an array only that it is one and the size of its items is looked at, so
    this is for arrays that the caller made once and keeps. Other kernels call the kernel itself.
    """
    (found,) = cast("Any", compiled).overloads.values()
    return cast("Callable[P, R]", found.entry_point)


def kernel(*signatures: str, inline: bool = False) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Compile for these numba signatures only, cached on disk, without the GIL.

    Kernels that call each other stay in one file: the disk cache does not see edits in another one.
    `inline` copies the body into each caller (numba's `inline="always"`).
    """

    def compile_now(function: Callable[P, R]) -> Callable[P, R]:
        compiled = njit(
            list(signatures),
            cache=True,
            nogil=True,
            error_model="numpy",
            inline="always" if inline else "never",
        )(function)
        return cast("Callable[P, R]", compiled)

    return compile_now

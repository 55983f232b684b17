"""Kernels called directly give what they give through numba, and take nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from atomizer.engine import kernels
from atomizer.models._jit import direct, kernel
from atomizer.models.listed_kernels import smile_vol


@kernel("f8(f8)", "i8(i8)")
def twice(value: Any) -> Any:
    return value + value


def test_the_same_result() -> None:
    strikes, vols = np.linspace(3000.0, 5000.0, 9), np.linspace(0.7, 0.5, 9)
    for strike in (3000.0, 3333.3, 4999.0, 6000.0):
        ours, numbas = (
            direct(smile_vol)(strike, 4000.0, strikes, vols),
            smile_vol(strike, 4000.0, strikes, vols),
        )
        assert ours == numbas or (np.isnan(ours) and np.isnan(numbas))


@pytest.mark.parametrize("columns", [np.zeros((10, 4), np.int32), "x", None, [[0] * 4] * 10])
def test_what_is_no_such_array_is_refused(columns: Any) -> None:
    with pytest.raises(TypeError):
        kernels.planned(0, 0, columns)


def test_a_kernel_of_several_signatures_has_no_direct_form() -> None:
    with pytest.raises(ValueError, match="too many values"):
        direct(twice)

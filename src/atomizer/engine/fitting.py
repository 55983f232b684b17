"""Refits surfaces in the background: asks with copies of the quotes, takes what comes back in order.

A fit that comes late is as old as its quotes, one that was overtaken is dropped, one that never comes is
asked for again; until then the slice ages and stops being quoted off. The job itself is a pure function of
its inputs, which are bytes of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from atomizer.domain.events import JobDone
from atomizer.engine.market import NEVER
from atomizer.engine.pricing import YEAR_NS
from atomizer.engine.settings import SurfaceSettings
from atomizer.engine.surface import Surface
from atomizer.models.listed_kernels import ASK_VOLS, BID_VOLS, STRIKES, VOLS
from atomizer.models.surface_fit import COLUMNS, fit_surface_into

FIT_SURFACE = "fit_surface"
MS = 1_000_000
# A job not back after this is asked for again.
PATIENCE_NS = 5_000 * MS


class Fitting:
    """When to refit which surface, and what to make of the answers."""

    def __init__(self, surfaces: Mapping[str, Surface], settings: SurfaceSettings) -> None:
        self._surfaces = surfaces
        self._every_ns = settings.refit_ms * MS
        self._due_ns = dict.fromkeys(surfaces, 0)
        self._asked: dict[int, tuple[str, int]] = {}
        self._taken: dict[str, int] = {}
        self.next_ns = 0
        self.failed = self.dropped = 0

    def ask(self, now_ns: int, run_job: Callable[[str, Any], int]) -> None:
        """Ask for every refit that is due and has news."""
        for name, surface in self._surfaces.items():
            if surface.changed and now_ns >= self._due_ns[name]:
                inputs = fit_inputs(surface, now_ns)
                if inputs is None:
                    continue
                surface.changed = False
                self._asked[run_job(FIT_SURFACE, inputs)] = (name, surface.epoch)
                self._due_ns[name] = now_ns + PATIENCE_NS
        self._look_again()

    def heard(self, name: str) -> None:
        """A surface learned something: it may be refitted when its time has come."""
        self.next_ns = min(self.next_ns, self._due_ns[name])

    def _look_again(self) -> None:
        """A surface without news waits for some."""
        due = (self._due_ns[name] for name, surface in self._surfaces.items() if surface.changed)
        self.next_ns = min(due, default=NEVER)

    def done(self, event: JobDone, now_ns: int) -> None:
        """Take a result, unless a later one was taken before or the job failed."""
        name, epoch = self._asked.pop(event.job_id, ("", 0))
        if not name:
            return
        if event.job_id < self._taken.get(name, 0):
            self.dropped += 1
            return
        self._taken[name] = event.job_id
        self._due_ns[name] = max(now_ns, event.as_of_ns + self._every_ns)
        self._look_again()
        if event.error or not isinstance(event.result, dict):
            self.failed += 1
            return
        surface = self._surfaces[name]
        if epoch != surface.epoch:
            self.dropped += 1
            return
        for expiry_ns, row in zip(event.result["expiries"], event.result["rows"], strict=True):
            found = surface.slices.get(expiry_ns)
            if found is not None:
                found.take(row, (expiry_ns - event.as_of_ns) / YEAR_NS, event.as_of_ns)


def fit_inputs(surface: Surface, now_ns: int) -> dict[str, Any] | None:
    """Copies of what a fit needs; None while no expiry has a forward and quotes."""
    chosen = [
        found
        for expiry in surface.expiries
        if expiry > now_ns and (found := surface.slices[expiry]).live and found.forward > 0.0
    ]
    if not chosen:
        return None
    previous = np.full((len(chosen), 5), np.nan)
    for row, found in enumerate(chosen):
        if found.fit is not None and found.fit.b > 0.0:
            previous[row] = found.fit[:5]
    starts = np.cumsum([0, *(len(found.listed) for found in chosen)], dtype=np.int64)
    return {
        "expiries": [found.expiry_ns for found in chosen],
        "starts": starts.tobytes(),
        "strikes": np.concatenate([found.quotes[STRIKES] for found in chosen]).tobytes(),
        "bid_vols": np.concatenate([found.quotes[BID_VOLS] for found in chosen]).tobytes(),
        "ask_vols": np.concatenate([found.quotes[ASK_VOLS] for found in chosen]).tobytes(),
        "vols": np.concatenate([found.quotes[VOLS] for found in chosen]).tobytes(),
        "forwards": np.array([found.forward for found in chosen]).tobytes(),
        "years": np.array([(found.expiry_ns - now_ns) / YEAR_NS for found in chosen]).tobytes(),
        "previous": previous.tobytes(),
        "beyond": surface.settings.beyond_k,
    }


def fit_surface(inputs: dict[str, Any]) -> dict[str, Any]:
    """The job: expiries and a row of `surface_fit.COLUMNS` for each, as plain values."""
    forwards = _floats(inputs["forwards"])
    out = np.empty((forwards.size, len(COLUMNS)))
    fit_surface_into(
        _floats(inputs["strikes"]),
        np.frombuffer(inputs["starts"], dtype=np.int64).copy(),
        _floats(inputs["bid_vols"]),
        _floats(inputs["ask_vols"]),
        _floats(inputs["vols"]),
        forwards,
        _floats(inputs["years"]),
        _floats(inputs["previous"]).reshape(-1, 5),
        inputs["beyond"],
        out,
    )
    return {"expiries": inputs["expiries"], "rows": out.tolist()}


def _floats(data: bytes) -> Any:
    return np.frombuffer(data, dtype=np.float64).copy()


# The functions a worker runs, by the name a `RunJob` carries.
JOBS: dict[str, Callable[[Any], Any]] = {FIT_SURFACE: fit_surface}

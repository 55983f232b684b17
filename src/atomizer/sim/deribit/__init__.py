"""A simulated Deribit, written from its protocol page and checked by clients that know nothing of it."""

from atomizer.sim.deribit.settings import Credential, DeribitTwinSettings
from atomizer.sim.deribit.twin import DeribitTwin

__all__ = ["Credential", "DeribitTwin", "DeribitTwinSettings"]

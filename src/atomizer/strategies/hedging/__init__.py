"""Hedging an underlying: one hedger per underlying, split by what it decides."""

from atomizer.strategies.hedging.hedger import Hedger
from atomizer.strategies.hedging.settings import HedgerSettings

__all__ = ["Hedger", "HedgerSettings"]

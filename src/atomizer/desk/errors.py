"""What the desk can answer instead of an answer."""

from __future__ import annotations


class NotInJournalError(Exception):
    """Nothing in the journal has this id."""


class SweepError(Exception):
    """A venue could not be swept: our orders there may still rest."""

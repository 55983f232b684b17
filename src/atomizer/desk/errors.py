"""What the desk can answer instead of an answer."""

from __future__ import annotations


class NotInJournalError(Exception):
    """Nothing in the journal has this id."""


class KillError(Exception):
    """The kill switch could not do or could not know all of it; each line is one thing left to do."""


class SweepError(Exception):
    """A venue could not be swept: our orders there may still rest."""

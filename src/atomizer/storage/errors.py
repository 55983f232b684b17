"""What can go wrong with what must survive.

JournalError
+-- JournalLockedError      another process holds the directory
+-- JournalDamagedError     a line is not what was written
+-- RecordError             a record cannot be written or read by this version
+-- JournalFullError        the disk is full; only hedges, cancels and facts about money are taken
+-- JournalDeadError        not even the reserve works; only cancels may go
TapeError                   a tape cannot be written or read without loss
"""

from __future__ import annotations


class JournalError(Exception):
    """The journal cannot do what was asked."""


class JournalLockedError(JournalError):
    """Another process has this data directory."""


class JournalDamagedError(JournalError):
    """A journal does not say what was written to it: edited, cut or incomplete."""


class RecordError(JournalError):
    """A record that cannot be written exactly, or that this version does not know."""


class JournalFullError(JournalError):
    """The disk is full and the record is not essential; it was not written, so do not send it."""


class JournalDeadError(JournalError):
    """Neither disk nor reserve takes records; nothing but cancels may be sent."""


class TapeError(Exception):
    """A tape that would lose something, or that is not whole."""

"""Golden numbers checked against the package.

A vector file is JSON. Its shape says which checker reads it, so a new file of a known schema
needs no new code; a case kind that a checker does not know is a failure, never a skip.
"""

from atomizer.testing.vectors.runner import CaseResult, check_file

__all__ = ["CaseResult", "check_file"]

"""Loads the settings for commands: flags, environment, files, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atomizer.config.load import Loaded, load
from atomizer.runtime.settings import ALIASES, Settings, check


def configured(
    files: Sequence[Path] = (), flags: Mapping[str, Any] | None = None, *, live: bool = False
) -> Loaded[Settings]:
    """The settings of this process.

    Raises:
        ConfigError: anything wrong with them, rules between sections included.
    """
    loaded = load(Settings, flags=flags, environment=os.environ, files=files, aliases=ALIASES, live=live)
    check(loaded.settings)
    return loaded

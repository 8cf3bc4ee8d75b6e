"""The settings that flags and variables give, for tests."""

from collections.abc import Mapping, Sequence

from agent.settings.config import StudyConfig
from agent.settings.sources import load_config


def settings_of(flags: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> StudyConfig:
    return load_config(flags, environ or {})[0]

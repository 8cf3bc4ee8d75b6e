"""A table that stands in for trainings: policies, their results in full and after the short length."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from agent.simulating.pool import Pool
from evaluators.tables import About, Table, files_of, read_about, read_table
from tools.datasets.types import Modality
from tools.errors import ConfigurationError, DataError
from tools.policy.policy import Policy
from tools.policy.validate import check_policy

_MOST_OPERATIONS = 100


@dataclass(frozen=True, eq=False)
class Trained:
    """Entries that are there for every length that is used."""

    full: Table
    short: Table | None
    """The same entries and seeds."""
    policies: Sequence[Policy]
    about: About

    @cached_property
    def pool(self) -> Pool:
        """The entries as points."""
        return Pool(self.policies)

    @property
    def modality(self) -> Modality:
        """Kind of images."""
        return self.about.modality

    @property
    def grey(self) -> bool:
        """Whether they have no colour."""
        return self.about.grey

    @property
    def share(self) -> float:
        """What the short length takes of a full training (0..1)."""
        assert self.short is not None
        return self.short.epochs / self.full.epochs

    def validation(self, entry: int, seeds: Sequence[int]) -> tuple[dict[int, float], dict[int, float]]:
        """Seed → accuracy, seed → log loss, in full."""
        return _validation(self.full, entry, seeds)

    def short_validation(self, entry: int, seeds: Sequence[int]) -> tuple[dict[int, float], dict[int, float]]:
        """Seed → accuracy, seed → log loss, after the short length."""
        assert self.short is not None
        return _validation(self.short, entry, seeds)


def _validation(table: Table, entry: int, seeds: Sequence[int]) -> tuple[dict[int, float], dict[int, float]]:
    scores, losses = table.validation.scores[entry], table.validation.losses[entry]
    return {at: float(scores[at]) for at in seeds}, {at: float(losses[at]) for at in seeds}


def read_trained(
    path: Path,
    default: str | None = None,
    epochs: int | None = None,
    short: int | None = None,
    needs_short: bool = False,
    modality: Modality | None = None,
) -> Trained:
    """Read a table for arms.

    Args:
        path: as `read_table` takes it.
        default: name of the entry of the default policy.
        epochs: length of a full training; the longest where None.
        short: the short length; the shortest where None.
        needs_short: whether an arm trains for the short length: entries that lack it are left out.
        modality: kind of images, where NAME.about.json does not say it.

    Raises:
        DataError: a file is malformed, or a policy is none of the catalogue.
        ConfigurationError: there is no short length.
    """
    full = read_table(path, default, epochs)
    lines, written = files_of(path)
    brief = None
    if needs_short:
        brief = _short_of(path, default, full, short)
        names = [name for name in full.names if name in set(brief.names)]
        full = full.only([full.names.index(name) for name in names])
        brief = brief.only([brief.names.index(name) for name in names])
    policies = [
        _policy(policy, name, written) for policy, name in zip(full.policies, full.names, strict=True)
    ]
    about = read_about(lines)
    return Trained(full, brief, policies, about if modality is None else replace(about, modality=modality))


def _short_of(path: Path, default: str | None, full: Table, short: int | None) -> Table:
    shorter = [length for length in full.lengths if length < full.epochs]
    if short is not None and short not in shorter:
        listed = ", ".join(map(str, shorter)) or "none that is shorter"
        raise ConfigurationError(f"--short-epochs {short}: of {full.epochs} epochs, the table has {listed}")
    if not shorter:
        raise ConfigurationError(
            f"--arms: +short needs trainings that are shorter than {full.epochs} epochs, and the table has none; leave "
            "out the arms with +short"
        )
    brief = read_table(path, default, min(shorter) if short is None else short)
    if list(brief.seeds) != list(full.seeds):
        raise DataError(
            f"{path}: under {brief.epochs} epochs the default has the seeds {list(brief.seeds)}, under {full.epochs} "
            f"{list(full.seeds)}: +short needs the same"
        )
    return brief


def _policy(written: object, name: str, file: Path) -> Policy:
    try:
        policy = Policy.model_validate(written)
    except ValidationError as error:
        raise DataError(
            f"{file}: the policy of {name!r} is malformed ({error.errors()[0]['msg']}); see docs/tables.md"
        ) from error
    if problems := check_policy(policy, 0, _MOST_OPERATIONS):
        raise DataError(f"{file}: the policy of {name!r}: {'; '.join(problems)}")
    return policy

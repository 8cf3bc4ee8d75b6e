"""What a race came to, as it is published: numbers only, and the sentence that is quoted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from evaluators.race.contrasts import Contrast
from evaluators.race.forecasts import ForecastScore
from evaluators.race.power import WANTED, Noise
from evaluators.statistics import Interval, bounds
from evaluators.wording import in_groups, signed
from tools.policy.named import DEFAULT


@dataclass(frozen=True)
class Step:
    """One candidate of a search: what it took up to here, and the best so far."""

    trials: int
    samples: int
    """Training images."""
    best: float
    """Mean gain over the default policy on validation (-1..1) of the best candidate so far; 0 where that is the
    default."""


@dataclass(frozen=True)
class SearchResult:
    """One search: a repeat of an arm. Gains are mean paired differences to the default policy (-1..1)."""

    repeat: int
    study: str
    winner: str
    line: str
    recommended: str
    selected: float | None
    """Of the winner on validation, under the seeds that chose it."""
    fresh: float | None
    """On validation, under the fresh seeds."""
    test: float | None
    steps: tuple[Step, ...]
    stopped: str = ""
    failed: int = 0
    seconds: float = field(default=0.0, compare=False)
    llm_calls: int = 0
    tokens: int = 0
    dollars: float = 0.0


@dataclass(frozen=True)
class ArmResult:
    """One arm on the test set, in the metric of the race (0..1; kappa -1..1)."""

    name: str
    lines: tuple[str, ...]
    """Its policy in one line; of a search, the winner of each repeat."""
    test: Interval | None
    """Over the fresh seeds; of a search, the mean over its repeats under each."""
    by_seed: Mapping[int, float]
    over_default: Contrast | None = None
    over_none: Contrast | None = None
    searches: tuple[SearchResult, ...] = ()


@dataclass(frozen=True)
class RaceResult:
    """Everything that the report says."""

    name: str
    title: str
    facts: tuple[tuple[str, str], ...]
    measure: str
    """The metric in words."""
    arms: tuple[ArmResult, ...]
    between: tuple[Contrast, ...]
    """The searching arms against each other."""
    forecasts: tuple[ForecastScore, ...]
    noise: Noise | None
    visible: float | None
    """The smallest gain over the default policy (0..1) that this race finds with a power of 80%, by its own noise."""
    seeds: int
    test_images: int
    image_size: int
    """Side in pixels."""
    classes: int
    budget: str
    """Of each search, in words."""
    notes: tuple[str, ...] = ()
    sentence: str = ""
    test_groups: int | None = None
    """Groups of the test images, each of which counts as one; None in races of earlier versions."""

    @property
    def comparisons(self) -> int:
        """Arms that are compared with the default policy, all of which share the 5%."""
        return sum(arm.over_default is not None and arm.name != "none" for arm in self.arms)

    @property
    def default_lines(self) -> set[str]:
        """The default policy, as an arm's `lines` say it; an arm with the same lines is the default policy."""
        return {line for arm in self.arms if arm.name == DEFAULT for line in arm.lines}


def read_result(text: str) -> RaceResult:
    """The result of a race, of its race.json.

    Raises:
        ValueError: it is damaged, or of a later version.
    """
    from pydantic import TypeAdapter
    from pydantic_core import from_json

    content = from_json(text)
    if not isinstance(content, dict) or content.pop("version", None) != 1:
        raise ValueError("it is not the result of a race of version 1")
    return TypeAdapter(RaceResult).validate_python(content)


def sentence_of(result: RaceResult) -> str:
    """The race in one sentence, for quoting."""
    known = [arm for arm in result.arms if arm.test is not None]
    raced = [arm for arm in known if arm.over_default is not None and arm.name != "none"]
    if not raced:
        return (
            "Nothing can be said: no arm besides the default policy finished a training under a fresh seed."
        )
    best = max(raced, key=lambda arm: arm.over_default.verdict.over_seeds.mean if arm.over_default else -1.0)
    contrast = best.over_default
    assert contrast is not None
    family = f"p = {contrast.adjusted:.2g} after Holm's correction over {_arms(result.comparisons)}"
    gain = (
        f"{signed(contrast.verdict.over_both.mean)} points of test {result.measure} over the default policy "
        f"(95% interval {bounds(contrast.verdict.over_both)}, {family})"
    )
    tested = f"{result.test_images} test images{in_groups(result.test_images, result.test_groups)}"
    conditions = f"{result.budget}, {result.seeds} paired fresh seeds and {tested}"
    if contrast.kind == "better":
        others = [arm.name for arm in raced if arm.over_default.kind == "better" and arm is not best]  # type: ignore[union-attr]
        also = f" Also better than the default: {', '.join(others)}." if others else ""
        return f"{best.name} is better than the default policy: {gain}, with {conditions}.{also}"
    seen = (
        f" A race like this one finds gains from {100 * result.visible:.1f} points on ({WANTED:.0%} power)."
        if result.visible is not None
        else ""
    )
    return (
        f"No arm is shown to be better than the default policy: the highest, {best.name}, has {gain}, with "
        f"{conditions}.{seen}"
    )


def _arms(count: int) -> str:
    return f"{count} arm{'' if count == 1 else 's'}"


def llm_lines(result: RaceResult, asking: Sequence[str]) -> list[str]:
    """A language model's arm minus the default policy, a line for each: its lead may be the default's alone."""
    lines, default = [], result.default_lines
    for arm in result.arms:
        contrast = arm.over_default
        if arm.name in asking and contrast is not None and set(arm.lines) == default:
            lines.append(
                f"{arm.name} ended with the default policy: its proposals were no better on validation"
            )
        elif arm.name in asking and contrast is not None:
            both = contrast.verdict.over_both
            shown = {"better": "better", "worse": "worse"}.get(contrast.kind, "not shown to differ")
            lines.append(
                f"{arm.name} minus the default policy on the test set: {signed(both.mean)} points ({bounds(both)}), "
                f"{shown} (p = {contrast.adjusted:.2g})"
            )
    return lines


def curve(steps: Sequence[Step]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(trials, training images, best gain so far in points) of one search, as steps."""
    return (
        np.array([step.trials for step in steps]),
        np.array([step.samples for step in steps]),
        100 * np.array([step.best for step in steps]),
    )

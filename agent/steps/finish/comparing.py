"""How the candidates of a finish compare on the test set, and the sentence that says what to use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.context import Context
from agent.memory.candidate import REFERENCE, Candidate
from agent.shifts import Shift
from agent.steps.finish.choosing import Choice
from agent.steps.finish.contenders import kind_of
from agent.steps.finish.testing import Fresh
from evaluators.learning import caution, learnt_on
from evaluators.length import times
from evaluators.report.answer import Against, Named, answer
from evaluators.report.comparison import Arm, Comparison, TestScores, Versus, compare, verdict_between
from evaluators.report.report import ShiftTable
from tools.policy.named import DEFAULT


@dataclass(frozen=True)
class Finish:
    """What the finish of a study came to."""

    choice: Choice
    fresh: Fresh
    why_stopped: str
    """Why the search ended."""
    earlier: str = ""
    """A sentence on the studies that opened the test set before; empty where none did."""
    scores: Mapping[str, TestScores] | None = None
    """None where the test set stayed sealed."""
    shifts: Sequence[ShiftTable] = ()


def compare_all(
    context: Context, finish: Finish, scores: Mapping[str, TestScores], groups: Sequence[str] | None
) -> list[Comparison]:
    """Every candidate of the finish, compared with no augmentation and the default; `groups` of the test images."""
    choice = finish.choice
    estimates = choice.recommendation.estimates if choice.recommendation else {}
    arms = [*choice.candidates, *choice.parts]
    return [
        compare(
            Arm(
                name=each.name,
                policy=each.proposal.in_one_line(),
                role=_role(choice, each),
                validation=choice.validation.get(each.name, {}),
                fresh_validation=finish.fresh.validation.get(each.name, {}),
                test=scores.get(each.name),
                recommended=choice.recommendation is not None and each == choice.recommended,
                estimate=estimates.get(each.name),
            ),
            None if each.name == REFERENCE else scores.get(REFERENCE),
            None if each.name == DEFAULT else scores.get(DEFAULT),
            _crossed(groups),
            context.config.search.metric,
        )
        for each in arms
    ]


def _role(choice: Choice, candidate: Candidate) -> str:
    if candidate in choice.parts:
        return "ablation"
    if candidate.number:
        return "proposal" if candidate == choice.proposal else "finalist"
    return "reference" if kind_of(candidate) == "none" else "baseline"


def named(candidate: Candidate) -> Named:
    """The candidate as a sentence names it."""
    made, epochs = candidate.proposal.model_copy(update={"length": 1}), candidate.epochs
    return Named(
        candidate.name if epochs is None else candidate.name.removesuffix(f", {times(epochs)}"),
        made.in_one_line(),
        candidate.number > 0,
        bool(made.policy),
        bool(made.backgrounds),
        epochs,
    )


def _crossed(groups: Sequence[str] | None) -> Sequence[str] | None:
    """The groups, or None where every image is its own."""
    return groups if groups and len(set(groups)) < len(groups) else None


def versus(finish: Finish, scores: Mapping[str, TestScores], groups: Sequence[str]) -> list[Versus]:
    """What is recommended against each baseline."""
    recommended = finish.choice.recommended
    if recommended.name not in scores:
        return []
    return [
        Versus(each.name, found)
        for each in finish.fresh.candidates
        if kind_of(each) in ("default", "baseline") and each.arm == "baseline" and each != recommended
        if each.name in scores
        if (found := verdict_between(scores[recommended.name], scores[each.name], _crossed(groups)))
    ]


def sentence_of(
    finish: Finish, scores: Mapping[str, TestScores], groups: Sequence[str], searched: bool, opened: bool
) -> str:
    """The first sentence of everything that is published."""
    choice = finish.choice
    recommended, proposal = choice.recommended, choice.proposal
    if choice.recommendation is None:
        return "No training finished, so that nothing can be recommended."

    def against(one: Candidate, other: Candidate | None, whose: Candidate | None) -> Against | None:
        if other is None or whose is None or one == other:
            return None
        both = one.name in scores and other.name in scores
        found = verdict_between(scores[one.name], scores[other.name], _crossed(groups)) if both else None
        return Against(named(whose), found)

    text = answer(
        named(recommended),
        against(recommended, choice.candidates[0], choice.candidates[0]),
        against(recommended, choice.rival, choice.rival),
        against(proposal, recommended, proposal) if proposal else None,
        searched,
        caution_of(choice.unlearnt, scores, groups),
    )
    return text if opened else f"{text} The test set stays sealed."


def caution_of(unlearnt: str, scores: Mapping[str, TestScores], groups: Sequence[str]) -> str:
    """What comes before the sentence where validation does not show that anything was learnt, else ''.

    Args:
        unlearnt: as in `Choice`.
        scores: name → test scores, which may show that something was; none where the test set stayed sealed.
        groups: of the test images.
    """
    arms = [each for each in scores.values() if each.labels is not None and each.labels.ndim == 1]
    if not unlearnt or not arms or arms[0].labels is None:
        return caution(unlearnt, 0)
    seeds = sorted(set.intersection(*(set(each.correct) for each in arms)))
    correct = {seed: np.mean([each.correct[seed] for each in arms], axis=0) for seed in seeds}
    learnt = learnt_on(correct, arms[0].labels, _crossed(groups))
    return caution(unlearnt, len(arms[0].labels) if learnt else 0)


def shift_table(
    context: Context, shift: Shift, finish: Finish, earlier: str, scores: Mapping[str, TestScores]
) -> ShiftTable:
    """The comparison on a shifted set, as a section of the report; `earlier` as in `Finish`."""
    test = shift.data.open_test()
    tested = [c for c in compare_all(context, finish, scores, test.groups) if c.name in scores]
    return ShiftTable(
        shift.name,
        shift.data.card.title,
        len(test),
        (*shift.cautions, *([earlier] if earlier else [])),
        tested,
        sentence_of(finish, scores, test.groups, searched=False, opened=True),
    )

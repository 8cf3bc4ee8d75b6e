"""The ladder that costs no training: what a proposal must pass before it is trained. Nothing is repaired here."""

import math
from collections.abc import Sequence
from typing import Any

from agent.memory.history import Backgrounds, IterationRecord
from agent.memory.proposal import LENGTHS, Proposal
from agent.proposers.drawn_prompts import subject_moves
from agent.settings.config import SearchConfig
from tools.aga.captions.prompt_sets import vet_prompts
from tools.datasets.types import Card
from tools.policy.safety import lint
from tools.policy.validate import check_policy
from tools.training.config import ASKS_MODEL
from tools.training.metrics import metric_title

HYPOTHESIS_LIMIT = 3000
"""Characters; a tag in MLflow holds little more."""


def refuse_all(
    proposals: Sequence[Proposal], tried: Sequence[IterationRecord], **rules: Any
) -> tuple[list[str], list[str]]:
    """As `refuse`, of all proposals of an iteration. With several, each text says which it is about; no two may be the
    same."""
    reasons, warnings = [], []
    for place, proposal in enumerate(proposals, start=1):
        found, told = refuse(proposal, tried=tried, **rules)
        twins = [
            n
            for n, other in enumerate(proposals[: place - 1], start=1)
            if other.identity == proposal.identity
        ]
        found += [f"this is the same policy as proposal {twin}: propose one that differs." for twin in twins]
        about = about_one(place, len(proposals))
        reasons += [about + reason for reason in found]
        warnings += [about + warning for warning in told]
    return reasons, warnings


def about_one(place: int, count: int) -> str:
    """How a reason or a warning about proposal `place` (from 1) of `count` begins."""
    return f"proposal {place}: " if count > 1 else ""


def refuse(
    proposal: Proposal,
    search: SearchConfig,
    card: Card,
    tried: Sequence[IterationRecord],
    trusted: bool = False,
    backgrounds: Backgrounds = "off",
    grey: bool = False,
    longer: bool = False,
) -> tuple[list[str], list[str]]:
    """(reasons to refuse the proposal, warnings about it); no reason means that it may be trained.

    Args:
        proposal: what the arm answered.
        search: for the number of operations that is allowed, and whether whole policies are.
        card: for the label-safety lint.
        tried: everything trained before in this study.
        trusted: for the fixed baselines of the literature, which are single whole policies by design: neither the
            number of operations nor the label-safety lint refuses them.
        backgrounds: whether the proposal may, or must, have background prompts.
        grey: whether the images are grey, so that operations on colour do nothing.
        longer: whether it may ask for a longer training than the study's.
    """
    reasons = []
    if len(proposal.hypothesis) > HYPOTHESIS_LIMIT:
        reasons.append(
            f"hypothesis: {len(proposal.hypothesis)} characters; say it in one or two sentences, "
            f"in at most {HYPOTHESIS_LIMIT}."
        )
    if not math.isfinite(proposal.expected_gain):
        reasons.append(
            f"expected_gain: {proposal.expected_gain} is not a finite number; give points (hundredths of the metric), "
            "such as 1.5."
        )
    if proposal.length not in (LENGTHS if longer else (1,)):
        allowed = "1, 2 or 4" if longer else "1: this study trains every proposal for the same length"
        reasons.append(f"length: {proposal.length}; give {allowed}.")
    low, high = (1, 1) if trusted else search.operation_range
    policy = proposal.as_policy()
    if card.several_labels and any(each.name == ASKS_MODEL for each in policy.every_operation):
        reasons.append(
            f"{ASKS_MODEL}: the score of an image is defined for one label each; take another operation."
        )
    whole = trusted or search.whole_policies == "on"
    reasons += check_policy(policy, low, high, whole, grey and not trusted, own=trusted)
    if not trusted:
        reasons += _check_backgrounds(proposal, card, backgrounds)
    if reasons:  # what follows needs a valid policy
        return reasons, []
    for record in tried:
        if record.proposal.identity == proposal.identity:
            score = "failed" if record.mean is None else f"{record.mean:.4f}"
            reasons.append(
                f"this policy was tried before, as {record.name} (validation {metric_title(search.metric)} {score}): "
                f"{proposal.in_one_line()}. Propose one that differs."
            )
    warnings = []
    for finding in lint(policy, card):
        if finding.severity == "reject" and not trusted:
            reasons.append(f"{finding.operation}: {finding.reason}")
        else:
            warnings.append(f"{finding.operation}: {finding.reason}")
    for prompts in proposal.backgrounds:
        for finding in lint(subject_moves(prompts), card):
            text = f"backgrounds: the subject must not be moved like this ({finding.operation}): {finding.reason}"
            (reasons if finding.severity == "reject" else warnings).append(text)
    return reasons, warnings


def _check_backgrounds(proposal: Proposal, card: Card, wanted: Backgrounds) -> list[str]:
    sets = proposal.backgrounds
    if wanted == "off":
        return ["backgrounds: this study makes none; leave the list empty."] if sets else []
    if len(sets) > 1:
        return [f"backgrounds: {len(sets)} sets of prompts; a proposal has one at most."]
    if not sets:
        return (
            ["backgrounds: every proposal of this study needs one set of prompts."]
            if wanted == "always"
            else []
        )
    return [f"backgrounds: {reason}" for reason in vet_prompts(sets[0], card.classes)]

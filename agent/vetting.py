"""The ladder that costs no training: what a proposal must pass before it is trained. Nothing is ever repaired here."""

import math
from collections.abc import Sequence

from agent.config import SearchConfig
from agent.history import IterationRecord
from agent.proposal import Proposal
from tools.datasets.types import Card
from tools.policy.canonical import canonical_json, one_line
from tools.policy.safety import lint
from tools.policy.validate import check_policy

HYPOTHESIS_LIMIT = 3000
"""Characters; a tag in MLflow holds little more."""


def refuse(
    proposal: Proposal,
    search: SearchConfig,
    card: Card,
    tried: Sequence[IterationRecord],
    trusted: bool = False,
) -> tuple[list[str], list[str]]:
    """(reasons to refuse the proposal, warnings about it); no reason means that it may be trained.

    Args:
        proposal: what the arm answered.
        search: for the number of operations that is allowed.
        card: for the label-safety lint.
        tried: everything trained before in this study.
        trusted: for the fixed baselines of the literature, which are single whole policies by design: neither the
            number of operations nor the label-safety lint refuses them.
    """
    reasons = []
    if len(proposal.hypothesis) > HYPOTHESIS_LIMIT:
        reasons.append(
            f"hypothesis: {len(proposal.hypothesis)} characters; say it in one or two sentences, "
            f"in at most {HYPOTHESIS_LIMIT}."
        )
    if not math.isfinite(proposal.expected_gain):
        reasons.append(
            f"expected_gain: {proposal.expected_gain} is not a finite number; give accuracy points, such as 1.5."
        )
    low, high = (1, 1) if trusted else search.operation_range
    policy = proposal.as_policy()
    reasons += check_policy(policy, low, high)
    if reasons:  # what follows needs a valid policy
        return reasons, []
    canonical = canonical_json(policy)
    for record in tried:
        if canonical_json(record.proposal.as_policy()) == canonical:
            score = "failed" if record.mean is None else f"{record.mean:.4f}"
            reasons.append(
                f"this policy was tried before, as {record.name} (validation accuracy {score}): "
                f"{one_line(policy)}. Propose one that differs."
            )
    warnings = []
    for finding in lint(policy, card):
        if finding.severity == "reject" and not trusted:
            reasons.append(f"{finding.operation}: {finding.reason}")
        else:
            warnings.append(f"{finding.operation}: {finding.reason}")
    return reasons, warnings

"""Which operations may destroy what decides the label, by kind of image, by the rules in `safety.yaml`.

`reject` is for operations that make images that cannot exist or that belong to another class; `warn` for those that
may. A whole policy only gets warnings, since it does the same to a small share of the images.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from tools.datasets.types import Card, Modality
from tools.files import read_yaml
from tools.policy.catalogue import CATALOGUE
from tools.policy.own import is_own
from tools.policy.policy import Operation, Policy

Severity = Literal["reject", "warn"]

_KINDS = frozenset(get_args(Modality))


@dataclass(frozen=True)
class SafetyFinding:
    """What is dangerous about one operation of a policy, and why."""

    severity: Severity
    operation: str
    reason: str


@dataclass(frozen=True)
class Rule:
    """Applies to operations of a name or trait, and only beyond a limit where there is one."""

    modalities: frozenset[str]
    target: str
    """An operation of the catalogue, or a trait."""
    severity: Severity
    reason: str
    parameter: str | None = None
    """Which the limits are for; operations without it are not affected."""
    above: float = float("inf")
    below: float = float("-inf")

    def matches(self, modality: Modality, operation: Operation) -> bool:
        """Whether the rule applies to this operation on images of this kind."""
        if modality not in self.modalities:
            return False
        if self.target != operation.name and self.target not in CATALOGUE[operation.name].traits:
            return False
        if self.parameter is None:
            return True
        values = [item.value for item in operation.parameters if item.name == self.parameter]
        return any(value > self.above or value < self.below for value in values)


@lru_cache(maxsize=1)
def safety_rules() -> tuple[Rule, ...]:
    """The rules of `safety.yaml`, in its order."""
    rows = read_yaml(Path(__file__).with_name("safety.yaml"))
    return tuple(
        Rule(
            **{
                **row,
                "modalities": _KINDS if row["modalities"] == "all" else frozenset(row["modalities"].split()),
            }
        )
        for row in rows
    )


def lint(policy: Policy, card: Card) -> list[SafetyFinding]:
    """What endangers the labels, in the order of the policy, all its phases; a rejected operation gets no warnings.

    Args:
        policy: a valid policy (see `check_policy`).
        card: of the data set; its `modality` selects the rules.

    Raises:
        KeyError: an operation is not in the catalogue.
    """
    findings: list[SafetyFinding] = []
    for operation in policy.every_operation:
        found = _findings(operation, card.modality)
        rejected = [finding for finding in found if finding.severity == "reject"]
        findings += rejected or found
    return list(dict.fromkeys(findings))


def _findings(operation: Operation, modality: Modality) -> list[SafetyFinding]:
    if is_own(operation.name):  # nothing is known of it
        return []
    whole = CATALOGUE[operation.name].whole_policy
    return [
        SafetyFinding(
            severity="warn" if whole else rule.severity,
            operation=operation.name,
            reason=_reason(rule, modality, whole and rule.target != operation.name),
        )
        for rule in safety_rules()
        if rule.matches(modality, operation)
    ]


def _reason(rule: Rule, modality: Modality, contained: bool) -> str:
    limit = ""
    if rule.parameter is not None:
        most, least = rule.above != float("inf"), rule.below != float("-inf")
        limit = f" ({rule.parameter} above {rule.above:g})" if most else ""
        limit += f" ({rule.parameter} below {rule.below:g})" if least else ""
    where = "" if rule.modalities == _KINDS else f"{modality}: "
    part = f"among its operations, {rule.target}: " if contained else ""
    return f"{where}{part}{rule.reason}{limit}"

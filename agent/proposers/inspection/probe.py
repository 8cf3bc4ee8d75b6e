"""The tool `probe_policy`: what the cheap measure says of a policy, where it is known to rank like full trainings."""

from agent.memory.history import History
from agent.memory.look_ups import Instruments
from agent.proposers.inspection import ToolResult
from prompts import render
from tools.policy.policy import Policy
from tools.policy.safety import lint
from tools.policy.validate import check_policy
from tools.training.metrics import metric_title


def probe(history: History, instruments: Instruments, policy: Policy) -> ToolResult:
    """Its gain over the default policy, or why it would be refused, which costs nothing.

    Raises:
        NotNow: it could not be measured.
    """
    low, high = history.minimum_operations, history.maximum_operations
    problems = check_policy(policy, low, high, history.whole_policies, history.grey)
    if not problems:
        findings = [found for found in lint(policy, history.card) if found.severity == "reject"]
        problems = [f"{found.operation}: {found.reason}" for found in findings]
    if problems:
        return ToolResult(render("preview", problems=problems))
    return ToolResult(render("probe", probed=instruments.probe(policy), metric=metric_title(history.metric)))

"""What the study's own run says of its iterations in MLflow."""

from dataclasses import replace

from agent.reports.series import iteration_series
from tests.agent.proposers.arms import operation, proposal, record


def test_of_several_proposals_the_one_that_went_on_is_the_iterations_point() -> None:
    policy = proposal(operation("rotate", degrees=10), operation("jpeg", quality=50))
    behind = replace(record(3, policy, 0.5, name="iteration 3.1"), stopped="stopped after one seed")
    best = record(3, policy, 0.8, name="iteration 3.2")
    assert iteration_series([behind, best], 3, "accuracy")["iteration_validation_accuracy"] == 0.8
    assert iteration_series([behind], 3, "accuracy")["iteration_validation_accuracy"] == 0.5
    assert iteration_series([best], 4, "accuracy") == {}

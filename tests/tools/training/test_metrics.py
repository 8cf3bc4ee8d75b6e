import pytest

from tools.training.metrics import METRICS, metric_title
from tools.training.types import Scores

SCORES = Scores(0.4, 0.75, 0.7, 0.72, 0.6, (0.5, None), ((1, 1), (0, 2)), 0.9, 0.8)


@pytest.mark.parametrize(("metric", "value"), zip(METRICS, [0.75, 0.7, 0.72, 0.9, 0.6, 0.8], strict=True))
def test_every_metric_is_read_from_the_scores(metric, value):
    assert SCORES.of(metric) == value
    assert metric_title(metric)


def test_a_metric_that_is_not_defined_has_no_value():
    scores = Scores(0.4, 0.75, 0.7, 0.72, None, (0.5, None), ((1, 1), (0, 2)))
    assert scores.of("kappa") is None
    assert scores.of("auroc") is None

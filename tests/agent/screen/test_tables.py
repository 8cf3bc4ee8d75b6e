"""Figures in words, and tables of candidates and results, on a terminal and in a file."""

from dataclasses import replace

import pytest

from agent.screen.tables import class_table, compared, verdict
from agent.screen.terminal import FinalRow
from evaluators import wording
from evaluators.statistics import Interval
from tests.agent.screen.screens import FINAL, LONG, RECORDS, SENTENCE, Screen, operation, record, tried
from tools.datasets.types import Split


class TestFigures:
    @pytest.mark.parametrize(
        ("value", "spread", "text"),
        [
            (0.934, None, "93.4%"),
            (0.93449, 0.0049, "93.4% ± 0.5"),
            (1.0, 0.0, "100.0% ± 0.0"),
            (None, None, "–"),
        ],
    )
    def test_accuracies_are_percent_with_one_decimal(self, value, spread, text: str) -> None:
        assert wording.percent(value, spread) == text

    @pytest.mark.parametrize(
        ("gain", "interval", "text"),
        [
            (0.012, (-0.003, 0.027), "+1.2 [−0.3, +2.7]"),
            (-0.012, None, "−1.2"),
            (0.0, (-0.0001, 0.0001), "+0.0 [+0.0, +0.0]"),
            (None, None, "–"),
        ],
    )
    def test_gains_are_points_with_sign_and_interval(self, gain, interval, text: str) -> None:
        assert wording.gain(gain, interval) == text

    def test_a_candidate_is_judged_by_the_default_in_graded_words(self) -> None:
        judged = [tried(0, "no augmentation", 0.80, "reference"), tried(0, "default", 0.82, "baseline")]
        judged += [tried(1, "iteration 1", 0.90), tried(2, "iteration 2", 0.82), tried(3, "iteration 3", 0.7)]
        failed = record(4, "iteration 4", LONG, None)
        words = [verdict(each, judged) for each in (*judged, failed)]
        assert words[0] == "reference"
        assert words[2:] == [
            "almost certainly better",
            "as likely better as worse",
            "almost certainly worse",
            "not trained",
        ]
        assert compared(judged[2], judged).startswith(
            ", +8.0 points over the default (almost certainly better)"
        )
        assert "no augmentation (almost certainly better)" in compared(judged[2], judged)
        # Without the default policy, no augmentation is what must be beaten.
        assert verdict(judged[2], [judged[0], *judged[2:]]) == "almost certainly better"

    def test_of_many_classes_the_first_are_counted_one_by_one(self) -> None:
        counts: dict[Split, dict[str, int]] = {"train": {f"class {number}": 2 for number in range(50)}}
        table = class_table(counts)
        assert [str(cell) for cell in table.columns[0].cells][-2:] == ["… 10 more classes", "all"]
        assert [str(cell) for cell in table.columns[1].cells][-3:] == ["2", "20", "100"]


class TestResult:
    def test_the_final_table_holds_means_and_intervals(self) -> None:
        screen = Screen(pages=True)
        screen.terminal.final(FINAL, SENTENCE, [("report", "runs/report.md")])
        assert "iteration 1 (recommended)" in screen.text
        assert "[92.0, 95.0]" in screen.text
        assert "[−0.5, +4.5]" in screen.text

    def test_what_was_not_measured_is_a_dash(self) -> None:
        screen = Screen(pages=True)
        screen.terminal.final(FINAL[2:], SENTENCE, [])
        line = next(line for line in screen.lines if "finalist" in line)
        assert line.split()[-3:] == ["92.0%", "–", "–"]

    def test_without_an_interval_the_values_are_shown(self) -> None:
        two, same = Interval(0.91, None, None, 2, (0.9, 0.92)), Interval(0.5, None, None, 5, (0.5,) * 5)
        screen = Screen(pages=True)
        screen.terminal.final(
            [FinalRow("iteration 1", "hue(p=1)", "recommended", two, same, two)], SENTENCE, []
        )
        for values in ("(90.0, 92.0)", "(50.0, 50.0, 50.0, …)", "(+90.0, +92.0)"):
            assert values in screen.text


def test_a_candidate_that_a_limit_left_out_has_not_failed():
    left_out = record(0, "rand_augment", [operation("rand_augment")], None, arm="baseline")
    failed = replace(left_out, generated="failed: no subject was found")
    assert compared(left_out, RECORDS) == ", not trained"
    assert compared(failed, RECORDS) == ", failed"
    assert verdict(failed, RECORDS) == "failed"

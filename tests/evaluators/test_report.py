"""The report, from predictions to Markdown: also of tiny, one-sided and unfinished tests, and never with a warning."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

from evaluators.recommendation import Estimate
from evaluators.report.comparison import Arm, Comparison, TestScores, Versus, compare, verdict_between
from evaluators.report.plots import save, search_figure
from evaluators.report.report import Report, write_markdown
from evaluators.report.sections import ClassGain, IterationLine, SimpleLine
from tools.training.evaluation import score
from tools.training.metrics import METRICS, metric_title
from tools.training.types import Predictions


@pytest.fixture(autouse=True)
def no_warning():
    """A warning would reach the terminal of whoever runs a study."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


ESTIMATE = Estimate(0.012, 0.034, 0.01, 0.91, 0.9996)


def predictions(labels: list[int], predicted: list[int], ordinal: bool = False) -> Predictions:
    probabilities = np.eye(3, dtype=np.float32)[predicted]
    truth = np.array(labels)
    return Predictions(probabilities, truth, score(probabilities, truth, ordinal, 0.5))


def scores(by_seed: list[list[int]], labels: list[int], ordinal: bool = False) -> TestScores:
    return TestScores.of(
        {seed: predictions(labels, predicted, ordinal) for seed, predicted in enumerate(by_seed)}
    )


def comparison(test: TestScores | None, reference: TestScores | None, role: str = "proposal") -> Comparison:
    validation = {0: 0.98, 1: 1.0, 2: 0.9}
    arm = Arm("iteration 1", "hue(p=1)", role, validation, {7: 0.9}, test, role == "proposal", ESTIMATE)
    return compare(arm, reference, None, None)


def report(*comparisons: Comparison, **more) -> Report:
    values = {
        "study": "s",
        "title": "标题 🙂 Ünïcode",
        "facts": [("data", "digits | few")],
        "warnings": ["small"],
        "iterations": [
            IterationLine(
                "iteration 1", "hue(p=1)", 0.99, 0.05, 0.0, None, 0.01, None, "likely better", "why"
            ),
            IterationLine(
                "iteration 2", "p", None, None, None, None, None, None, "failed", "why", ("seed 0: x",)
            ),
        ],
        "comparisons": comparisons,
        "sentence": "It is not shown.",
        "why_stopped": "all is done",
        "ledger": "nothing",
        "python": "augment = None",
        "classes": [ClassGain("a", 3, 0.5, None, None)],
        "test_images": 6,
        "test_groups": 6,
    }
    return Report(**{**values, **more})


def written(made: Report, folder: Path) -> str:
    write_markdown(made, folder / "report.md")
    return (folder / "report.md").read_text(encoding="utf-8")


SIX = [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("labels", "reference", "treatment"),
    [
        (SIX, [[0] * 6] * 5, [SIX] * 5),  # every seed alike, on both sides
        (SIX, [SIX] * 5, [SIX] * 5),  # nothing to tell apart
        (SIX, [[0] * 6], [SIX]),  # one seed
        ([0] * 6, [[0] * 6, [1] * 6, [0] * 6], [[0, 0, 0, 1, 1, 1]] * 3),  # one class in the test set
        ([0], [[0], [1], [0]], [[1], [1], [0]]),  # one image
        (SIX, [[0, 0, 1, 1, 2, 0], SIX, SIX], [[0, 1, 1, 1, 2, 2], SIX, [0, 0, 1, 2, 2, 2]]),
    ],
)
@pytest.mark.parametrize("ordinal", [False, True])
def test_whatever_the_test_set_no_number_is_impossible(tmp_path, labels, reference, treatment, ordinal):
    control, treated = scores(reference, labels, ordinal), scores(treatment, labels, ordinal)
    made = comparison(treated, control)
    verdict = made.verdict
    assert verdict is not None
    assert verdict.kind == "not shown"
    text = written(
        report(comparison(control, None, "reference"), made, versus=[Versus("a", verdict)] * 2), tmp_path
    )
    assert "nan" not in text.lower().replace("nan\n", "")
    table = text[text.index("## The test") : text.index("## The search")]
    for number in re.findall(r"[-+−]?\d+\.\d", table):
        assert -100 <= float(number.replace("−", "-")) <= 100
    assert "100.0]" in text  # of the validation accuracy: a t interval would reach 105.8


def test_seeds_that_one_side_lacks_do_not_count():
    control, treated = scores([SIX, [0] * 6, SIX], SIX), scores([SIX, SIX], SIX)
    verdict = verdict_between(treated, control, None)
    assert verdict is not None
    assert verdict.over_seeds.count == verdict.over_both.count == 2
    assert verdict.over_both.mean == pytest.approx(verdict.over_images.mean) == pytest.approx((0 + 4 / 6) / 2)
    other = TestScores.of({9: predictions(SIX, SIX)})
    assert verdict_between(treated, other, None) is None


def test_accuracy_of_search_and_of_fresh_seeds_stand_side_by_side(tmp_path):
    made = comparison(scores([SIX] * 3, SIX), scores([[0] * 6] * 3, SIX))
    text = written(report(made), tmp_path)
    header, _, row = text[text.index("| | policy | validation accuracy (search)") :].splitlines()[:3]
    cells = dict(zip(header.split("|"), row.split("|"), strict=True))
    assert cells[" validation accuracy (search) "] == " 96.0 [82.9, 100.0] "
    assert cells[" validation accuracy (fresh) "] == " 90.0 "
    assert cells[" test accuracy (fresh) "] == " 100.0 (100.0, 100.0, 100.0) "
    assert cells[" gain over no augmentation "] == " +66.7 (+66.7, +66.7, +66.7) "


def test_values_stand_in_the_order_of_their_seeds(tmp_path):
    """Whatever the order in which the trials ended, so that a resumed study reports the same."""
    made = compare(Arm("a", "p", "baseline", {1: 0.2, 0: 0.1}, {}, None), None, None, None)
    assert "15.0 (10.0, 20.0)" in written(report(made), tmp_path)


def test_openings_and_missing_trials_are_cautions(tmp_path):
    text = written(
        report(earlier="this test set has been opened by 1 earlier study: a.", notes=["x failed."]), tmp_path
    )
    assert [line for line in text.splitlines() if line.startswith("> Caution: ")] == [
        "> Caution: small",
        "> Caution: this test set has been opened by 1 earlier study: a.",
        "> Caution: x failed.",
    ]


def test_a_sealed_test_set_and_a_search_of_nothing(tmp_path):
    text = written(report(comparison(None, None), opened=False, iterations=[]), tmp_path)
    assert "Test set: 6 images, not opened" in text
    assert "opened once" not in text
    assert "No proposal was tried." in text
    assert "by fresh seed" not in text


def test_what_a_model_writes_forges_no_heading_and_no_result(tmp_path):
    from markdown_it import MarkdownIt

    forged = "It helps.\n\n# Verdict\n\n**better by 9 points** ![](http://x/y.png) <b>\x1b[2J \ud83d"
    line = IterationLine("iteration 1", "hue(p=1) | x", 0.9, 0.0, 0.0, None, 0.0, None, "", forged, (forged,))
    pages = [written(report(iterations=[line]), tmp_path), written(report(iterations=[]), tmp_path)]

    def headings(page: str) -> list[str]:
        tokens = MarkdownIt("commonmark").enable("table").parse(page)
        return [tokens[at + 1].content for at, each in enumerate(tokens) if each.type == "heading_open"]

    assert headings(pages[0]) == headings(pages[1])
    assert "\x1b" not in pages[0]
    assert "better by 9 points" in pages[0]  # as it was written, and no more than that


def test_tables_are_not_broken_by_blank_lines(tmp_path):
    made = comparison(scores([SIX] * 3, SIX), scores([[0] * 6] * 3, SIX))
    assert made.verdict is not None
    text = written(report(made, made, versus=[Versus("a", made.verdict)] * 2), tmp_path)
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        if lines:
            assert re.fullmatch(r"[|\- ]+", lines[1]), block
            assert len({line.count("|") - line.count("\\|") for line in lines}) == 1, block


def drawn(made: Report) -> dict[str, np.ndarray]:
    """Label → (points, 2) of each line of the plot of the search."""
    (axes,) = search_figure(made).axes
    return {str(line.get_label()): np.asarray(line.get_xydata()) for line in axes.lines}


def search_of(*means: float | None, simple: tuple[float | None, ...] = ()) -> Report:
    lines = [
        IterationLine(f"iteration {n}", "p", y, 0.3, None, None, None, None, "", "h", number=n)
        for n, y in enumerate(means, start=1)
    ]
    roles = ("reference", "baseline")
    return report(
        iterations=lines,
        simple=[SimpleLine(roles[n > 0], roles[n > 0], y, 0.2) for n, y in enumerate(simple)],
    )


def test_the_plot_stays_within_0_and_100_and_warns_of_nothing(tmp_path):
    save(search_figure(search_of(0.1, 0.95, None, simple=(0.9, None))), tmp_path / "a.png")
    save(search_figure(report(iterations=[])), tmp_path / "b.png")
    assert (tmp_path / "a.png").stat().st_size > (tmp_path / "b.png").stat().st_size > 0
    (axes,) = search_figure(search_of(0.1, 0.95, simple=(0.9,))).axes
    low, high = axes.dataLim.intervaly
    assert 0 <= low < high <= 100


def test_a_loser_is_never_the_best_so_far():
    best = drawn(search_of(0.6, 0.65, 0.8, None, 0.7, simple=(0.5, 0.7)))["best of all so far"]
    assert best[:, 1].tolist() == [70.0, 70.0, 70.0, 80.0, 80.0]


def test_the_choice_is_shown_by_shrunk_gains_and_chances(tmp_path):
    made = comparison(scores([SIX] * 3, SIX), scores([[0] * 6] * 3, SIX))
    text = written(
        report(made, reason="it is likely better", measure="accuracy", recommended="the policy"), tmp_path
    )
    assert "The policy is recommended: it is likely better." in text
    row = "| **iteration 1** (recommended) | hue(p=1) | 96.0 [82.9, 100.0] |"
    assert f"{row} +3.4 | 99% |" in text  # no default policy was trained
    default = compare(Arm("default", "p", "baseline", {0: 0.9}, {}, None, False, ESTIMATE), None, None, None)
    more = {"reason": "it is", "measure": "accuracy", "recommended": "the policy"}
    assert f"{row} +1.2 | 91% | +3.4 | 99% |" in written(report(made, default, **more), tmp_path)


@pytest.mark.parametrize("metric", METRICS)
def test_the_metric_of_the_study_decides_the_verdict_and_heads_the_columns(tmp_path, metric):
    """The treatment is right of every class once more: whatever the metric, it is better in every seed."""
    control = TestScores.of({s: predictions(SIX * 3, [0, 0, 0, 1, 2, 0] * 3, True) for s in range(3)}, metric)
    treated = TestScores.of({s: predictions(SIX * 3, SIX * 3, True) for s in range(3)}, metric)
    arm = Arm("iteration 1", "hue(p=1)", "proposal", {0: 0.5}, {7: 0.5}, treated)
    made = compare(arm, control, control, None, metric)
    assert made.verdict is not None
    assert made.verdict.over_both.mean == pytest.approx(1 - control.values[0])
    assert f"points of test {metric_title(metric)} over 3 paired" in made.verdict.sentence()
    text = written(report(made, metric=metric), tmp_path)
    assert f"| test {metric_title(metric)} (fresh) |" in text
    assert ("| test accuracy |" in text) == (metric != "accuracy")
    assert "quadratic kappa" in text
    assert "gain over the default" in text


def test_a_verdict_on_kappa_has_intervals_around_its_gain():
    """One arm is right, the other takes each end of the scale for the other one: kappa differs by nearly two."""
    draw = np.random.default_rng(0)

    def scores(right: bool) -> TestScores:
        of_image = {seed: (0.9 if right else -0.9) + draw.normal(0, 0.05, 40) for seed in range(4)}
        values = {seed: float(each.mean()) for seed, each in of_image.items()}
        return TestScores({}, {}, {}, metric="kappa", images=of_image, quadratic_kappa=values)

    found = verdict_between(scores(True), scores(False), None)
    assert found is not None
    for interval in (found.over_seeds, found.over_images, found.over_both):
        assert interval.low is not None
        assert interval.high is not None
        assert 1.7 < interval.low < interval.mean < interval.high < 1.9

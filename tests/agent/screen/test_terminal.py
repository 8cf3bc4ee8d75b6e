"""What a person sees: live on a terminal, line by line elsewhere, the result alone when quiet."""

import io
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from agent.memory.history import IterationRecord, TrialRecord
from agent.memory.proposal import Proposal
from agent.screen.tables import class_table, compared, verdict
from agent.screen.terminal import FinalRow, Terminal
from evaluators import wording
from evaluators.statistics import Interval
from tools.datasets.types import Split
from tools.policy.policy import Operation
from tools.training.types import EpochReport, Scores, TrialEvent, TrialResult

HYPOTHESIS = (
    "Strokes differ in slant more than in thickness, so a small rotation should bring the training digits nearer to "
    "other hands without turning a six into a nine."
)


def operation(name: str, probability: float = 1.0, **parameters: float) -> Operation:
    listed = [{"name": key, "value": value} for key, value in parameters.items()]
    return Operation.model_validate({"name": name, "probability": probability, "parameters": listed})


def record(
    number: int,
    name: str,
    policy: list[Operation],
    mean: float | None,
    std: float | None = None,
    gain: float | None = None,
    interval: tuple[float, float] | None = None,
    within_noise: bool | None = None,
    arm: str = "llm",
) -> IterationRecord:
    proposal = Proposal(hypothesis=HYPOTHESIS, expected_gain=1.5, policy=policy)
    return IterationRecord(number, arm, name, proposal, (), mean, std, gain, interval, within_noise)


LONG = [
    operation("rotate", 0.6412, degrees=2.785),
    operation("gaussian_noise", 0.288, sigma=0.007858),
    operation("resized_crop", scale=0.8),
]
RECORDS = [
    record(0, "no augmentation", [], 0.912, 0.006, arm="reference"),
    record(
        0,
        "trivial_augment_wide",
        [operation("trivial_augment_wide")],
        0.93,
        0.004,
        0.018,
        (0.002, 0.034),
        False,
    ),
    record(1, "iteration 1", LONG, 0.934, 0.0049, 0.0123, (-0.003, 0.027), True),
    record(2, "iteration 2", [operation("invert")], None),
]


def tried(number: int, name: str, mean: float, arm: str = "llm") -> IterationRecord:
    """A candidate with three trials around a mean."""
    trials = tuple(
        TrialRecord(seed, "finished", mean + change)
        for seed, change in enumerate((-0.01, 0.0, 0.01) if number % 2 else (-0.008, -0.004, 0.012))
    )
    made = record(number, name, LONG, mean, 0.01, None if arm == "reference" else mean - 0.80, arm=arm)
    over = None if name == "default" else mean - 0.82
    return replace(made, trials=trials, gain_over_default=over)


POLICY = RECORDS[2].proposal.in_one_line()
SURE, UNSURE = Interval(0.934, 0.92, 0.95, 5), Interval(0.02, -0.005, 0.045, 5)
FINAL = [
    FinalRow(
        "no augmentation", "", "reference", Interval(0.91, 0.9, 0.92, 5), Interval(0.905, 0.89, 0.92, 5), None
    ),
    FinalRow("iteration 1", POLICY, "recommended", SURE, SURE, UNSURE),
    FinalRow("iteration 3", "hue(p=1)", "finalist", Interval(0.92, None, None, 1), None, None),
]
SENTENCE = (
    "The policy is within noise of no augmentation: +2.0 points [−0.5, +4.5] on the test set over 5 seeds."
)
STAMP = re.compile(r"^\d\d:\d\d:\d\d ")


class Screen:
    """A terminal that writes into memory."""

    def __init__(
        self, width: int = 80, *, live: bool = False, quiet: bool = False, pages: bool = False
    ) -> None:
        self._output, self._errors = io.StringIO(), io.StringIO()
        settings = {"width": width, "markup": False, "emoji": False, "highlight": False}
        output = Console(file=self._output, force_terminal=live, force_interactive=live, **settings)
        errors = Console(file=self._errors, **settings)
        self.terminal = Terminal(quiet, pages=pages, output=output, errors=errors)

    @property
    def raw(self) -> str:
        return self._output.getvalue()

    @property
    def errors(self) -> str:
        return self._errors.getvalue()

    @property
    def lines(self) -> list[str]:
        """What was written, without control codes."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.raw).replace("\r", "\n").splitlines()

    @property
    def text(self) -> str:
        """What was written, without control codes and as if lines did not end."""
        return " ".join(" ".join(self.lines).split())


def train(terminal: Terminal, name: str = "iteration 1") -> None:
    """Two trials of three epochs, of which one fails."""
    terminal.trials_begin(2, name)
    for seed in range(2):
        terminal.trial_event(TrialEvent(f"key{seed}", "started", "cpu"), f"{name} · seed {seed}")
    for epoch in range(1, 4):
        for seed in range(2):
            report = EpochReport(epoch, 3, 0.5, 0.6, 0.9, 0.9, 0.001, 1.0)
            terminal.trial_event(TrialEvent(f"key{seed}", "epoch", "cpu", report), f"{name} · seed {seed}")
    scores = Scores(0.3, 0.934, 0.93, 0.93, None, (), ())
    results = [
        TrialResult("key0", 0, "finished", scores, seconds=12.34),
        TrialResult(
            "key1", 1, "failed", seconds=3.2, failure="non_finite_loss", reason="the loss became nan"
        ),
    ]
    for seed, result in enumerate(results):
        terminal.trial_event(TrialEvent(f"key{seed}", "ended", "cpu", result=result), f"{name} · seed {seed}")
    terminal.trials_end()


def study(terminal: Terminal) -> None:
    """Everything that a study says."""
    terminal.opening("digits", [("arm", "tpe: no model is configured"), ("data", "Digits, 32 px")])
    terminal.warn(
        "digits of one hand may be in different splits, which makes every one of these numbers too good"
    )
    for done in range(0, 1301, 13):
        terminal.progress("decoding", done, 1300)
    terminal.note("the cache is new")
    terminal.proposal(1, 8, "llm", HYPOTHESIS, 1.5, POLICY)
    terminal.rejection(
        2, ["rotate: degrees 200 is above its highest, 180", "vertical_flip: a flipped 6 is a 9"]
    )
    train(terminal)
    terminal.iteration_table(RECORDS)
    terminal.ledger(
        "12 trials, 2m03s of training, 2m10s wall-clock, 3 LLM calls, 12,345 tokens, at least $0.0123"
    )
    terminal.final(FINAL, SENTENCE, [("report", "runs/studies/digits/report.md")])


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


class TestElsewhereThanOnATerminal:
    def test_the_first_line_says_which_arm_and_why(self) -> None:
        screen = Screen()
        study(screen.terminal)
        assert STAMP.sub("", screen.lines[0]) == "arm: tpe: no model is configured"

    def test_there_are_no_control_codes(self) -> None:
        screen = Screen()
        study(screen.terminal)
        assert "\x1b" not in screen.raw + screen.errors
        assert "\r" not in screen.raw

    def test_each_thing_is_one_line_with_its_time_however_long(self) -> None:
        screen = Screen()
        screen.terminal.proposal(1, 8, "llm", HYPOTHESIS, 1.5, POLICY)
        first, second = screen.lines
        assert STAMP.match(first)
        assert first.endswith(f"iteration 1 of 8 · llm: {POLICY}")
        assert second.endswith(f"{HYPOTHESIS} (expects +1.5 points)")

    def test_an_arm_that_forecasts_nothing_is_not_said_to_expect_nothing(self) -> None:
        for live in (True, False):
            screen = Screen(live=live)
            screen.terminal.proposal(1, 8, "random", HYPOTHESIS, 0.0, POLICY)
            assert HYPOTHESIS[:20] in screen.raw
            assert "expects" not in screen.raw

    def test_a_trial_is_one_line_at_its_end(self) -> None:
        screen = Screen()
        train(screen.terminal)
        assert [STAMP.sub("", line) for line in screen.lines] == [
            "iteration 1: 2 trials",
            "iteration 1 · seed 0: validation accuracy 93.4%, 12.3 s",
            "iteration 1 · seed 1: FAILED (non_finite_loss) after 3.2 s: the loss became nan",
        ]

    def test_a_preparation_of_seconds_is_no_line_and_a_long_one_a_line_now_and_then(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [0.0]
        monkeypatch.setattr("agent.screen.pace.time.monotonic", lambda: now[0])
        screen = Screen()
        for done in range(1001):
            now[0] += 0.009
            screen.terminal.progress("decoding", done, 1000)
        assert screen.lines == []
        for done in range(1001):
            now[0] += 0.024
            screen.terminal.progress("comparing", done, 1000)
        told = [STAMP.sub("", line) for line in screen.lines]
        assert told == ["comparing: 417 of 1,000", "comparing: 834 of 1,000", "comparing: 1,000 of 1,000"]

    def test_trials_tell_how_far_they_are_and_how_long_the_rest_takes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = [0.0]
        monkeypatch.setattr("agent.screen.pace.time.monotonic", lambda: now[0])
        screen = Screen()
        screen.terminal.trials_begin(4, "reference")
        for second in range(1, 13):
            now[0] = float(second)
            screen.terminal.trial_event(TrialEvent("a", "step", done=second / 10, epochs=3), "seed 0")
        told = [STAMP.sub("", line) for line in screen.lines]
        assert told == ["reference: 4 trials", "reference: 0 of 4 trials, 8%, 0:10 elapsed, 1:50 left"]

    def test_a_candidate_is_told_once(self) -> None:
        screen = Screen()
        screen.terminal.iteration_table(RECORDS[:3])
        screen.terminal.iteration_table(RECORDS)
        assert len(screen.lines) == len(RECORDS)
        assert STAMP.sub("", screen.lines[2]) == (
            "iteration 1: validation accuracy 93.4% ± 0.5, +1.2 [−0.3, +2.7] points over no augmentation | "
            + POLICY
        )

    def test_warnings_go_to_standard_error(self) -> None:
        screen = Screen()
        screen.terminal.warn("beware")
        assert screen.raw == ""
        assert STAMP.sub("", screen.errors) == "warning: beware\n"


class TestOnATerminal:
    @pytest.mark.parametrize("width", [80, 120])
    def test_nothing_is_wider_than_the_screen_and_nothing_is_cut(self, width: int) -> None:
        screen = Screen(width, live=True)
        study(screen.terminal)
        assert max(cell_len(line) for line in screen.lines) <= width
        assert "…" not in screen.text

    def test_hypotheses_and_policies_wrap_whole(self) -> None:
        screen = Screen(live=True)
        screen.terminal.proposal(1, 8, "llm", HYPOTHESIS, 1.5, POLICY)
        assert HYPOTHESIS in screen.text
        assert POLICY in screen.text
        assert "iteration 1 of 8 · llm" in screen.text

    def test_running_trials_show_epoch_loss_and_accuracy(self) -> None:
        screen = Screen(live=True)
        terminal = screen.terminal
        terminal.trials_begin(2, "iteration 1")
        terminal.trial_event(TrialEvent("key0", "started", "cpu"), "iteration 1 · seed 0")
        report = EpochReport(2, 3, 0.512, 0.6, 0.9, 0.9, 0.001, 1.0)
        terminal.trial_event(TrialEvent("key0", "epoch", "cpu", report), "iteration 1 · seed 0")
        terminal.close()
        line = next(line for line in reversed(screen.lines) if "seed 0" in line)
        assert "2/3" in line
        assert "loss 0.512" in line
        assert "acc  90.0%" in line

    @pytest.mark.parametrize(("area", "shown"), [(0.75, "AUROC 75.0%"), (None, "acc 90.0%")])
    def test_running_trials_show_the_metric_of_the_study_where_it_is_known(
        self, area: float | None, shown: str
    ) -> None:
        screen = Screen(live=True)
        screen.terminal.metric = "auroc"
        screen.terminal.trials_begin(1, "iteration 1")
        report = EpochReport(1, 3, 0.5, 0.6, 0.9, 0.9, 0.001, 1.0, validation_auroc=area)
        screen.terminal.trial_event(TrialEvent("key0", "epoch", "cpu", report), "seed 0")
        screen.terminal.close()
        assert shown in screen.text

    def test_an_ended_trial_leaves_a_line(self) -> None:
        screen = Screen(live=True)
        train(screen.terminal)
        assert "✓ iteration 1 · seed 0: validation accuracy 93.4%, 12.3 s" in screen.text
        assert "✗ iteration 1 · seed 1: FAILED (non_finite_loss)" in screen.text

    def test_the_table_marks_the_best_iteration(self) -> None:
        screen = Screen(live=True)
        screen.terminal.iteration_table(RECORDS)
        assert [line.split("★")[0].strip() for line in screen.lines if "★" in line] == ["iteration 1", ""]
        assert "★ the best iteration so far" in screen.text
        assert "+1.8 [+0.2, +3.4]" in screen.text

    def test_the_display_can_be_closed_at_any_time(self) -> None:
        screen = Screen(live=True)
        screen.terminal.trials_begin(2, "iteration 1")
        screen.terminal.close()
        screen.terminal.close()
        screen.terminal.error("interrupted.")
        assert screen.errors == "error: interrupted.\n"


@pytest.mark.parametrize("live", [False, True])
class TestQuiet:
    def test_only_warnings_and_the_result_are_printed(self, live: bool) -> None:
        screen = Screen(live=live, quiet=True)
        study(screen.terminal)
        assert "warning" in screen.errors or "digits of one hand" in screen.errors
        assert screen.text.index("The policy is within noise") < screen.text.index(
            "validation test gain on test"
        )
        assert "candidate (search) (fresh seeds) (points)" in screen.text
        assert SENTENCE in screen.text
        assert "report: runs/studies/digits/report.md" in screen.text

    def test_a_trial_that_failed_is_a_warning(self, live: bool) -> None:
        screen = Screen(live=live, quiet=True)
        train(screen.terminal)
        assert "iteration 1 · seed 1: FAILED (non_finite_loss)" in " ".join(screen.errors.split())
        assert "seed 0" not in screen.errors + screen.raw

    def test_the_study_is_known_for_the_line_that_says_how_to_resume(self, live: bool) -> None:
        screen = Screen(live=live, quiet=True)
        screen.terminal.opening("digits", [("arm", "tpe")])
        assert (screen.raw, screen.terminal.study) == ("", "digits")


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


class TestPages:
    def test_a_command_that_answers_prints_whole_tables_without_times(self) -> None:
        screen = Screen(pages=True)
        screen.terminal.iteration_table(RECORDS)
        screen.terminal.note("agent resume digits")
        assert not any(STAMP.match(line) for line in screen.lines)
        assert any(line.startswith("trivial_augment_wide") for line in screen.lines)

    def test_a_plain_table_folds_long_cells(self) -> None:
        screen = Screen(40, pages=True)
        screen.terminal.table(
            ("study", "state"), [("a-name-that-is-longer-than-the-screen-is-wide", "running")]
        )
        assert max(map(len, screen.lines)) <= 40
        assert "running" in screen.text


def test_a_candidate_that_a_limit_left_out_has_not_failed():
    left_out = record(0, "rand_augment", [operation("rand_augment")], None, arm="baseline")
    failed = replace(left_out, generated="failed: no subject was found")
    assert compared(left_out, RECORDS) == ", not trained"
    assert compared(failed, RECORDS) == ", failed"
    assert verdict(failed, RECORDS) == "failed"

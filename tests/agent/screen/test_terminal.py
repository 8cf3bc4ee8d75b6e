"""What a person sees: live on a terminal, line by line elsewhere, the result alone when quiet."""

import pytest
from rich.cells import cell_len

from tests.agent.screen.screens import HYPOTHESIS, POLICY, RECORDS, SENTENCE, STAMP, Screen, study, train
from tools.training.types import EpochReport, TrialEvent


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

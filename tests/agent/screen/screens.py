"""A screen that can be read, and what is shown on it: candidates, trials, a study."""

import io
import re
from dataclasses import replace

from rich.console import Console

from agent.memory.history import IterationRecord, TrialRecord
from agent.memory.proposal import Proposal
from agent.screen.terminal import FinalRow, Terminal
from evaluators.statistics import Interval
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

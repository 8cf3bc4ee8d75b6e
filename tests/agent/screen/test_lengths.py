"""How the length of training is told on a terminal and in a file."""

import io

from rich.console import Console

from agent.memory.length_file import Lengths, Tried
from agent.screen.terminal import Terminal

FOUND = Lengths(
    epochs=32,
    reference=8,
    found=True,
    sentence="No augmentation is best after 8 epochs (77.2) and over-trains after that.",
    note="64 epochs would cost more than 20% of the study",
    default="horizontal_flip(p=0.5)",
    seeds=2,
    tried=(
        Tried("no augmentation", 8, 256, 0.772, 0.45),
        Tried("no augmentation", 16, 512, 0.76, 0.51),
        Tried("default", 8, 256, 0.78, 0.47),
        Tried("default", 16, 512, 0.785, 0.44),
        Tried("default", 32, 1024, 0.792, 0.42),
    ),
    samples=1_000,
    trials=75,
    planned=10_000,
)


def shown(lengths: Lengths, live: bool, quiet: bool = False) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=100, force_terminal=live, color_system=None, legacy_windows=False)
    terminal = Terminal(quiet, output=console)
    terminal.lengths(lengths, "accuracy")
    return stream.getvalue()


def test_a_terminal_shows_every_length_the_curves_and_which_are_trained():
    text = shown(FOUND, live=True)
    rows = {line.split()[0]: line for line in text.splitlines() if " epochs " in line and line[0].isdigit()}
    assert "77.2" in rows["8"]
    assert rows["8"].rstrip().endswith("← no augmentation")
    assert rows["32"].rstrip().endswith("← the study")
    assert "1,024" in rows["32"]
    assert "–" in rows["32"]
    assert "default: █▄▁" in text
    assert "no augmentation: ▁█" in text
    assert FOUND.sentence in text
    assert (
        "finding the length took 10% of what the study is planned to train, up to 75 trainings of 32 epochs; 64 epochs"
        in " ".join(text.split())
    )


def test_a_file_gets_a_line_for_each_training():
    lines = [line.split(" ", 1)[1] for line in shown(FOUND, live=False).splitlines()]
    assert lines[0] == "length: no augmentation, 8 epochs (256 steps): 77.2, loss 0.450"
    assert lines[-2] == f"length: {FOUND.sentence}"
    assert len(lines) == 7


def test_what_was_not_found_is_a_sentence_alone():
    text = shown(Lengths(30, 30, False, "The length of training was not found."), live=True)
    assert text.strip() == "The length of training was not found."


def test_quiet_says_nothing_of_it():
    assert shown(FOUND, live=True, quiet=True) == ""

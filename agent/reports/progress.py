"""What the report says of a search, finished or not: every candidate, what was forecast and learned, what was spent."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from agent.memory.candidate import Candidate
from agent.memory.history import IterationRecord
from agent.memory.ledger import Spent
from agent.screen.tables import verdict
from evaluators.report.sections import IterationLine, SimpleLine
from tools.durations import exactly
from tools.energy import NOT_MEASURED
from tools.text import counted, one_line

FORECASTING = ("llm", "best_of_n", "online")
"""Arms whose `expected_gain` is a forecast; the others have nothing to say and write zero."""
_LONGEST = 1_500
"""Characters of a hypothesis, or of notes, at most."""


def iteration_lines(records: Sequence[IterationRecord], folder: Path) -> list[IterationLine]:
    """The iterations, oldest first.

    Args:
        records: of the search, with the reference and the baselines.
        folder: of the study, with its contact sheets.
    """
    ordered = sorted(records, key=lambda record: record.number)
    past = [record for record in ordered if record.number > 0]
    learned = _learned(past)
    return [_line(record, ordered, learned.get(record.name, ""), folder) for record in past]


def _line(
    record: IterationRecord, records: Sequence[IterationRecord], learned: str, folder: Path
) -> IterationLine:
    sheet = f"contact_sheets/iteration-{Candidate.of(record).place}.png"
    forecast = record.arm in FORECASTING
    return IterationLine(
        name=record.name,
        policy=record.proposal.in_one_line(),
        mean=record.mean,
        std=record.std,
        over_default=record.gain_over_default,
        interval_over_default=record.interval_over_default,
        gain=record.gain,
        interval=record.gain_interval,
        verdict=verdict(record, records),
        hypothesis=record.proposal.hypothesis[:_LONGEST],
        failures=tuple(f"seed {t.seed}: {t.reason}" for t in record.trials if t.status == "failed"),
        number=record.number,
        expected=record.proposal.expected_gain / 100 if forecast else None,
        learned=learned[:_LONGEST],
        sheet=sheet if (folder / sheet).is_file() else "",
        generated=record.generated,
        stopped=record.stopped,
    )


def _learned(past: Sequence[IterationRecord]) -> dict[str, str]:
    """Iteration → the notes that the model wrote when it had seen its result: those of the next proposal, where they
    say anything new."""
    found, known = {}, past[0].proposal.notes.strip() if past else ""
    for record, following in pairwise(past):
        notes = following.proposal.notes.strip()
        if notes and notes != known:
            found[record.name] = known = notes
    return found


def simple_lines(records: Iterable[IterationRecord]) -> list[SimpleLine]:
    """No augmentation, then the baselines, by the seeds of the search."""
    simple = [record for record in records if record.number == 0]
    ordered = sorted(simple, key=lambda record: record.arm != "reference")
    return [
        SimpleLine(
            record.name,
            "reference" if record.arm == "reference" else "baseline",
            record.mean,
            record.std,
            record.proposal.in_one_line() if record.proposal.policy else "",
        )
        for record in ordered
    ]


def spending(spent: Spent) -> list[tuple[str, str]]:
    """What was spent, a line for each kind."""
    reused = f", and {counted(spent.reused_trials, 'more', 'more')} reused" if spent.reused_trials else ""
    lines = [
        ("trainings", f"{spent.trials:,}{reused}"),
        ("time of training", exactly(spent.training_seconds)),
        ("time in all", exactly(spent.wall_clock)),
    ]
    if spent.samples:
        lines.append(("training images shown", f"{spent.samples:,}"))
    lines.append(("energy", _energy(spent)))
    if spent.llm_calls:
        bound = "at most " if spent.unfinished_calls else ""
        lines += [
            ("calls of the language model", f"{bound}{spent.llm_calls:,}"),
            ("tokens", f"{bound}{spent.input_tokens:,} in, {spent.output_tokens:,} out"),
            ("price", _price(spent)),
        ]
    return lines


def _energy(spent: Spent) -> str:
    if spent.joules is None:
        return NOT_MEASURED
    bound = "at least " if spent.unmetered_sessions else ""
    hours = spent.joules / 3600
    amount = f"{hours / 1000:,.2f} kWh" if hours >= 1000 else f"{hours:,.1f} Wh"
    return (
        f"{bound}{amount} of processors and GPUs, by the machine's counters: what else ran on it is in them"
    )


def _price(spent: Spent) -> str:
    bound = "at least " if spent.unpriced_calls else "at most " if spent.unfinished_calls else ""
    unknown = f" ({counted(spent.unpriced_calls, 'call')} of unknown price)" if spent.unpriced_calls else ""
    return f"{bound}${spent.dollars:.4f}{unknown}"


def best_so_far(lines: Sequence[IterationLine], simple: Sequence[SimpleLine], score: str) -> str:
    """The first sentence of a report on a search that has not ended."""
    done = [line for line in lines if line.mean is not None and not line.stopped]
    best = max(done, key=lambda line: line.mean or 0.0, default=None)
    rivals = [line for line in simple if line.mean is not None]
    rival = max(rivals, key=lambda line: line.mean or 0.0, default=None)
    if best is None and rival is None:
        return "No augmentation and the baselines are being trained: there is nothing to compare yet."
    lead = rival if best is None or (rival and (rival.mean or 0.0) >= (best.mean or 0.0)) else best
    assert lead is not None
    said = f"{lead.name} leads with {100 * (lead.mean or 0.0):.1f}% of {score} on validation".replace(
        "-", "−"
    )
    others = ""
    if best is not None and lead is not best:
        others = f"; no iteration beats it, the best, {best.name}, has {100 * (best.mean or 0.0):.1f}%"
    return (
        f"{one_line(said[:1].upper() + said[1:])}{others}, after {counted(len(done), 'iteration')}. The choice and the "
        "test come at the end: the best of many on validation is too high."
    )

"""What `agent evaluate` found: tables on the terminal, and files for whoever goes on with the predictions."""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from agent.memory.candidate import REFERENCE
from agent.screen.terminal import Terminal
from evaluators.statistics import Verdict
from evaluators.wording import gain, percent
from tools.errors import AugurError
from tools.files import write_json
from tools.training.metrics import METRICS, Metric, metric_title

if TYPE_CHECKING:
    from tools.training.types import Predictions

_CLASSES_SHOWN = 20
"""Of more classes, recall and confusion are in the files alone."""
_CONFUSIONS_SHOWN = 2
"""Of more policies, the confusion is in the files alone."""


@dataclass(frozen=True)
class Evaluated:
    """Trials of one study on one set of images."""

    study: str
    on: str
    """Name of the data set whose test images these are."""
    classes: Sequence[str]
    metric: Metric
    """Of the study."""
    predictions: "Mapping[str, Mapping[int, Predictions]]"
    """Candidate → seed → predictions."""
    lines: Mapping[str, str]
    """Candidate → its policy in one line."""
    files: Sequence[str]
    groups: Sequence[str]
    several_labels: bool = False
    """Whether an image may have several labels: `classes` are labels then."""


def show(found: Evaluated, terminal: Terminal) -> None:
    """Scores, recall and confusion, and each candidate against no augmentation."""
    terminal.close()
    terminal.result(f"{found.study} on {found.on}: {len(found.files)} images")
    heads, rows = _scores(found)
    terminal.table(heads, rows)
    if len(found.classes) <= _CLASSES_SHOWN:
        names = list(found.predictions)
        if found.several_labels:
            for title, field in (("AUROC", "per_label_auroc"), ("average precision", "per_label_precision")):
                terminal.table((title, *names), list(_by_class(found, names, field)))
            names = []
        else:
            terminal.table(("recall", *names), list(_by_class(found, names, "per_class_recall")))
        for name in names if len(names) <= _CONFUSIONS_SHOWN else ():
            terminal.table((f"confusion: {name}", *found.classes), list(_confusion(found, name)))
    for sentence in comparisons(found):
        terminal.result(sentence)


def _metrics(found: Evaluated) -> list[Metric]:
    """Those that are defined for all trials, the study's first."""
    every = [each.scores for by_seed in found.predictions.values() for each in by_seed.values()]
    shown: list[Metric] = [
        metric
        for metric in METRICS
        if metric != "average_precision" or metric == found.metric or found.several_labels
    ]
    defined: list[Metric] = [metric for metric in shown if all(each.of(metric) is not None for each in every)]
    return sorted(defined, key=lambda metric: metric != found.metric)


def _scores(found: Evaluated) -> tuple[list[str], list[list[str]]]:
    metrics = _metrics(found)
    rows = []
    for name, by_seed in found.predictions.items():
        cells = []
        for metric in metrics:
            values = [v for each in by_seed.values() if (v := each.scores.of(metric)) is not None]
            cells.append(percent(fmean(values), stdev(values) if len(values) > 1 else None))
        rows.append([name, ", ".join(map(str, by_seed)), *cells])
    return ["policy", "seeds", *(metric_title(metric) for metric in metrics)], rows


def _by_class(found: Evaluated, names: Sequence[str], score: str) -> Iterator[list[str]]:
    """Mean of a score of each class, or label, over the seeds."""
    for number, label in enumerate(found.classes):
        cells = []
        for name in names:
            each = (getattr(trial.scores, score)[number] for trial in found.predictions[name].values())
            values = [value for value in each if value is not None]
            cells.append(percent(fmean(values)) if values else "–")
        yield [label, *cells]


def _confusion(found: Evaluated, name: str) -> Iterator[list[str]]:
    """Images of each true class (down) by predicted class (across), all seeds together."""
    trials = [trial.scores.confusion for trial in found.predictions[name].values()]
    for number, label in enumerate(found.classes):
        columns = zip(*(confusion[number] for confusion in trials), strict=True)
        yield [label, *(str(sum(column)) for column in columns)]


def comparisons(found: Evaluated) -> list[str]:
    """A sentence on each candidate against no augmentation, over the seeds that both have."""
    from evaluators.report.comparison import TestScores, verdict_between

    scores = {name: TestScores.of(each, found.metric) for name, each in found.predictions.items()}
    groups = found.groups if len(set(found.groups)) < len(found.groups) else None
    sentences = []
    for name, own in scores.items():
        if name == REFERENCE or REFERENCE not in scores:
            continue
        if (verdict := verdict_between(own, scores[REFERENCE], groups)) is not None:
            how = {"better": "is better than", "worse": "is worse than"}.get(
                verdict.kind, "is not shown to differ from"
            )
            count = verdict.over_seeds.count
            sentences.append(
                f"{name} {how} no augmentation: {_basis(verdict)} points of test "
                f"{metric_title(found.metric)} over {count} paired {'seed' if count == 1 else 'seeds'}."
            )
    return sentences


def _basis(verdict: Verdict) -> str:
    """The gain with its interval over seeds and images, or over seeds alone where there is no other."""
    known = verdict.over_both if verdict.over_both.low is not None else verdict.over_seeds
    return gain(known.mean, (known.low, known.high))


def write_out(found: Evaluated, folder: Path) -> None:
    """Write `scores.csv`, `evaluation.json`, and a table of predictions for each trial.

    Raises:
        AugurError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "scores.csv", _score_rows(found))
        write_json(folder / "evaluation.json", _as_json(found))
        used: set[str] = set()
        for name, by_seed in found.predictions.items():
            stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-")[:80] or "policy"
            while stem in used:
                stem += "-2"
            used.add(stem)
            for seed, trial in by_seed.items():
                _write(folder / f"predictions-{stem}-seed-{seed}.csv", _prediction_rows(found, trial))
    except OSError as error:
        raise AugurError(f"--out {folder} cannot be written ({error.strerror or error})") from error


def _write(file: Path, rows: Iterator[Sequence[object]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(rows)


def _score_rows(found: Evaluated) -> Iterator[Sequence[object]]:
    metrics = _metrics(found)
    yield ("policy", "line", "seed", "loss", *metrics)
    for name, by_seed in found.predictions.items():
        for seed, trial in by_seed.items():
            values = (trial.scores.of(metric) for metric in metrics)
            yield (name, found.lines[name], seed, trial.scores.loss, *values)


def _prediction_rows(found: Evaluated, trial: "Predictions") -> Iterator[Sequence[object]]:
    rows = zip(found.files, trial.labels, trial.probabilities, strict=True)
    if found.several_labels:
        yield ("file", *(f"true({label})" for label in found.classes), *(f"p({x})" for x in found.classes))
        for file, there, probabilities in rows:
            yield (file, *map(int, there), *(f"{share:.6g}" for share in probabilities))
        return
    yield ("file", "true", "predicted", *(f"p({label})" for label in found.classes))
    for file, label, probabilities in rows:
        shares = (f"{share:.6g}" for share in probabilities)
        yield (file, found.classes[label], found.classes[probabilities.argmax()], *shares)


def _as_json(found: Evaluated) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "study": found.study,
        "evaluated_on": found.on,
        "images": len(found.files),
        "classes": list(found.classes),
        "comparisons": comparisons(found),
        "trials": [
            {"policy": name, "line": found.lines[name], "seed": seed, **asdict(trial.scores)}
            for name, by_seed in found.predictions.items()
            for seed, trial in by_seed.items()
        ],
    }

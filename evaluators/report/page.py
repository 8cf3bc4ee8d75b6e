"""report.html: the report as one page for a reader who was not there. It loads nothing from anywhere.

Everything on it is escaped, and a strict Content-Security-Policy allows no script or style but its own: a hypothesis or
the name of a class cannot become one.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluators.report import plots
from evaluators.report.embedded import embed
from evaluators.report.report import Report, filters, interval_points, text_filter
from evaluators.report.svg import ON_PAGE, inline
from evaluators.wording import signed
from tools.files import write_whole

NAME = "report.html"
_FOLDER = Path(__file__).parent / "page"


@dataclass(frozen=True)
class Part:
    """A section on what a classifier does: a sentence, a table, pictures."""

    title: str
    text: str = ""
    caption: str = ""
    heads: Sequence[Mapping[str, Any]] = ()
    rows: Sequence[Sequence[str]] = ()
    pictures: Sequence[Any] = ()
    """Each with `file` (in the study's folder), `title` and `alt`."""


@dataclass(frozen=True)
class Figure:
    """A number that stands out."""

    name: str
    value: str
    more: str = ""


def write_page(
    report: Report,
    folder: Path,
    explained: Sequence[Part] = (),
    explain_command: str = "",
    refresh: int | None = None,
) -> Path:
    """Write `report` as report.html into the folder that holds its pictures; the file.

    Args:
        report: what is said.
        folder: of the study.
        explained: what `agent explain` found, if it was asked.
        explain_command: how it is asked.
        refresh: seconds after which a browser loads the page again; None: never.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=text_filter,
    )
    environment.filters |= {**filters(), "stacked": _stacked}
    css, js = ((_FOLDER / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    text = environment.get_template("report.html.j2").render(
        report=report,
        policy=_policy(css, js),
        css=_trusted(css),
        js=_trusted(js),
        refresh=refresh,
        explained=explained,
        explain_command=explain_command,
        figures=list(_figures(report)),
        pictures=embed(folder, list(dict.fromkeys(_files(report, explained)))),
        plots=_plots(report),
        contents=list(_contents(report)),
        **_tables(report),
    )
    write_whole(folder / NAME, text.encode("utf-8"))
    return folder / NAME


def _policy(css: str, js: str) -> str:
    """What the page may do: nothing but show its own style, run its own script, and hold pictures."""
    style, script = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (css, js))
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; script-src 'sha256-{script}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _stacked(text: str) -> Any:
    """A value and, on a line of its own, its interval."""
    from markupsafe import Markup, escape

    value, space, rest = text.partition(" ")
    return Markup("{}{}<span class='bounds'>{}</span>").format(value, space, rest) if rest else escape(text)


def _trusted(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)


def _plots(report: Report) -> dict[str, Any]:
    drawn: dict[str, Any] = {"search": None, "forest": None, "forecast": None, "confusions": []}
    if any(line.mean is not None for line in (*report.simple, *report.iterations)):
        drawn["search"] = _trusted(
            inline(
                plots.search_figure(report, ON_PAGE),
                "search-plot",
                f"Validation {report.score} of everything that was tried",
                "The table below has the values.",
            )
        )
    if (figure := plots.forest_figure(report, ON_PAGE)) is not None:
        title = "Gains on the test set with their intervals"
        drawn["forest"] = _trusted(inline(figure, "forest-plot", title, "The tables below have the values."))
    if (figure := plots.forecast_figure(report, ON_PAGE)) is not None:
        title = "Forecast against measured gain of each iteration"
        drawn["forecast"] = _trusted(
            inline(figure, "forecast-plot", title, "The table above has the values.")
        )
    for number, each in enumerate(report.confusions):
        figure = plots.confusion_figure(each, ON_PAGE)
        title = f"Confusion matrix of {each.title}"
        words = _confusion_words(each)
        drawn["confusions"].append(
            (_trusted(inline(figure, f"confusion-{number}", title, words)), each.title)
        )
    return drawn


def _confusion_words(confusion: Any) -> str:
    """The commonest confusions, for readers who cannot see the matrix."""
    pairs = [
        (count, confusion.classes[row], confusion.classes[column])
        for row, counts in enumerate(confusion.counts)
        for column, count in enumerate(counts)
        if row != column and count > 0
    ]
    worst = sorted(pairs, key=lambda pair: -pair[0])[:3]
    if not worst:
        return "No image was confused."
    return (
        "Most confused: " + "; ".join(f"{true} taken for {taken} ({n:.1f})" for n, true, taken in worst) + "."
    )


def _figures(report: Report) -> Iterator[Figure]:
    """The numbers under the first sentence."""
    winner = next((c for c in report.comparisons if c.recommended), None)
    if winner is None:
        yield from _progress_figures(report)
        return
    yield Figure("Use", winner.name, winner.policy if winner.policy != winner.name else "")
    if winner.test is not None:
        yield Figure(
            f"Test {report.score}", f"{100 * winner.test.mean:.1f}%".replace("-", "−"), _seeds(winner.test)
        )
    for name, verdict in (
        ("Gain over no augmentation", winner.verdict),
        *((f"Gain over {each.name}", each.verdict) for each in report.versus[:1]),
    ):
        if verdict is not None:
            _, _, bounds = interval_points(verdict.over_both).partition(" ")
            yield Figure(name, f"{signed(verdict.over_both.mean)} points", f"{bounds} {verdict.kind}".strip())


def _progress_figures(report: Report) -> Iterator[Figure]:
    done = [line for line in report.iterations if line.mean is not None and not line.stopped]
    if done:
        best = max(done, key=lambda line: line.mean or 0.0)
        reference = f"; {signed(best.gain)} points over no augmentation" if best.gain is not None else ""
        best_score = f"{100 * (best.mean or 0.0):.1f}%".replace("-", "−")
        yield Figure("Iterations with a result", str(len(done)))
        yield Figure("Best iteration", best_score, f"{best.name}{reference}")
    for line in report.simple:
        if line.role == "reference" and line.mean is not None:
            yield Figure("No augmentation", f"{100 * line.mean:.1f}%".replace("-", "−"), "on validation")


def _seeds(interval: Any) -> str:
    count = f"mean over {interval.count} fresh seeds" if interval.count > 1 else "one fresh seed"
    if interval.low is None:
        return count
    return f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}], {count}".replace("-", "−")


def _contents(report: Report) -> Iterator[tuple[str, str]]:
    yield "answer", "Result" if report.state == "finished" else "So far"
    if report.comparisons or report.recorded:
        yield "sure", "How sure"
    if report.races:
        yield "race", "Race"
    yield "search", "Search"
    if report.classes or report.confusions:
        yield "classes", "By label" if report.several_labels else "By class"
    if report.made:
        yield "backgrounds", "Backgrounds"
    if report.state == "finished":
        yield "meaning", "Other data"
    if report.spending:
        yield "cost", "Cost"
    yield "limits", "Limits"
    yield "again", "Repeat it"
    if report.python:
        yield "code", "Code"


def _tables(report: Report) -> dict[str, Any]:
    """What the heads of the tables depend on, and these heads."""
    has_default = any(c.name == "default" for c in report.comparisons) or any(
        line.over_default is not None for line in report.iterations
    )
    flags = {
        "accuracy": report.metric != "accuracy",
        "f1": report.metric != ("average_precision" if report.several_labels else "macro_f1"),
        "ordinal": report.metric != "kappa" and any(c.kappa for c in report.comparisons),
        "over_default": any(c.over_default for c in report.comparisons),
        "has_default": has_default,
    }

    def heads(*names: str | None, words: Sequence[str] = ()) -> list[dict[str, Any]]:
        return [
            {"text": name, "n": place > 0 and name not in words} for place, name in enumerate(names) if name
        ]

    score = report.score
    return {
        **flags,
        "race_heads": lambda race: heads(*race.heads),
        "recorded_heads": heads(*(report.recorded[0] if report.recorded else ()), words=[*report.recorded[0]])
        if report.recorded
        else [],
        "test_heads": heads(
            "candidate",
            f"validation {score}",
            f"test {score}",
            "test accuracy" if flags["accuracy"] else None,
            f"test {report.second}" if flags["f1"] else None,
            "quadratic kappa" if flags["ordinal"] else None,
            "gain over the default" if flags["over_default"] else None,
            "gain over no augmentation",
            "over seeds alone",
            "over images alone",
        ),
        "choice_heads": heads(
            "candidate",
            f"validation {score} (%)",
            *(("gain over the default", "better than the default") if has_default else ()),
            "gain over none",
            "better than none",
        ),
        "seed_heads": heads("candidate", *map(str, report.fresh_seeds)),
        "search_heads": heads(
            "candidate",
            f"validation {score}",
            "σ",
            "forecast" if report.forecasts else None,
            "over the default" if has_default else None,
            "over no augmentation",
            "verdict",
            words=["verdict"],
        ),
        "shift_heads": heads(
            "candidate", score, report.second, "gain over none", "over seeds", "over images"
        ),
    }


def _files(report: Report, explained: Sequence[Part]) -> Iterator[str]:
    """Pictures of the page, the most important first."""
    yield from (each.file for each in report.pictures)
    if report.made and report.made.sheet:
        yield report.made.sheet
    if report.length and report.length.plot:
        yield report.length.plot
    for part in explained:
        yield from (each.file for each in part.pictures)
    yield from (line.sheet for line in report.iterations if line.sheet)

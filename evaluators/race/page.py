"""The report of a race in Markdown, and the cells of its tables."""

from collections.abc import Sequence

from evaluators.race.contrasts import Contrast
from evaluators.race.result import RaceResult, SearchResult, llm_lines
from evaluators.wording import gain, percent, signed
from tools.text import markdown

CURVES, FOREST = "curves", "gains"
"""Names of the figures, which are written as .png and .svg."""
_SHOWN = {"better": "better", "worse": "worse", "not shown": "not shown"}

_ABOUT = (
    "Differences in points, paired by seed, with 95% intervals over seeds and test images at once. *p*: the largest of "
    "the p-values over seeds (t), over test images (permutation), over both at once and, of a search repeated three "
    "times or more, over repeats; after Holm's correction over all arms that are compared. *d*: mean difference over "
    "its standard deviation between seeds. *wins*: seeds under which the arm is above the default."
)

Table = tuple[list[str], list[list[str]]]
"""(heads, rows)."""


def arms_table(result: RaceResult) -> Table:
    """Every arm on the test set."""
    heads = ["arm", f"test {result.measure}", "over default", "p (Holm)", "verdict", "d", "wins", "over none"]
    default = result.default_lines
    rows = []
    for arm in result.arms:
        over = arm.over_default
        spread = _spread(list(arm.by_seed.values()))
        row = [arm.name, percent(arm.test.mean if arm.test else None, spread)]
        if over is None:
            row += ["", "", "", "", ""]
        elif set(arm.lines) == default:
            row += ["+0.0", "", "the same policy", "", ""]
        else:
            row += _compared(over)
        rows.append([*row, _points(arm.over_none)])
    return heads, rows


def _compared(over: Contrast) -> list[str]:
    return [
        _points(over),
        p_value(over.adjusted),
        _SHOWN[over.kind],
        "–" if over.effect is None else f"{over.effect:+.1f}".replace("-", "−"),
        f"{over.wins} of {over.verdict.over_seeds.count}",
    ]


def searches_table(result: RaceResult) -> Table:
    """What each search selected, and what was left of its gain."""
    repeated = is_repeated(result)
    heads = ["search", "selected", "fresh seeds", "test", "lost", "trainings", "images", "winner"]
    rows = []
    for arm in result.arms:
        for search in arm.searches:
            rows.append([_name(arm.name, search, repeated), *_search(search)])
    return heads, rows


def is_repeated(result: RaceResult) -> bool:
    """Whether its searches were repeated."""
    return any(search.repeat for arm in result.arms for search in arm.searches)


def _name(arm: str, search: SearchResult, repeated: bool) -> str:
    return f"{arm} ({search.repeat + 1})" if repeated else arm


def _search(search: SearchResult) -> list[str]:
    lost = None if search.selected is None or search.test is None else search.selected - search.test
    last = search.steps[-1] if search.steps else None
    return [
        *("–" if each is None else signed(each) for each in (search.selected, search.fresh, search.test)),
        "–" if lost is None else f"{100 * lost:.1f}".replace("-", "−"),
        str(last.trials if last else 0),
        f"{last.samples if last else 0:,}",
        search.winner,
    ]


def between_table(result: RaceResult) -> Table:
    """The searching arms against each other."""
    heads = ["arm", "against", "points of test " + result.measure, "p (Holm)", "verdict", "wins"]
    lines = {arm.name: arm.lines for arm in result.arms}
    rows = []
    for each in result.between:
        _, p, verdict, _, wins = _compared(each)
        if lines[each.arm] == lines[each.other]:
            p, verdict, wins = "", "the same policy", ""
        rows.append([each.arm, each.other, _points(each), p, verdict, wins])
    return heads, rows


def forecasts_table(result: RaceResult) -> Table:
    """What proposals were expected to gain over no augmentation on validation, against what came."""
    heads = ["arm", "forecasts", "expected", "came", "mean error", "right sign", "Kendall's τ", "slope"]
    rows = [
        [
            each.arm,
            str(each.count),
            signed(each.expected),
            signed(each.came),
            f"{100 * each.error:.1f}",
            f"{each.right_sign:.0%}",
            "–" if each.rank is None else f"{each.rank:.2f}",
            "–" if each.slope is None else f"{each.slope:.2f}",
        ]
        for each in result.forecasts
    ]
    return heads, rows


def p_value(value: float) -> str:
    """As tables show it."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def as_markdown(result: RaceResult, asking: Sequence[str]) -> str:
    """The whole report; `asking` names the arms that ask a language model."""
    parts = [
        f"# {markdown(result.title)}",
        f"**{markdown(result.sentence)}**",
        *(f"- {markdown(line)}" for line in llm_lines(result, asking)),
        _as_list(result.facts),
        "## On the test set",
        _as_table(arms_table(result)),
        _ABOUT,
        f"![Gain of every arm over the default policy on the test set]({FOREST}.png)",
    ]
    if any(arm.searches for arm in result.arms):
        repeated = is_repeated(result)
        parts += [
            "## The searches",
            _as_table(searches_table(result)),
            "Gains over the default policy in points: of the winner on validation under the seeds that chose it, on "
            "validation under the fresh seeds, on the test set under the fresh seeds. *lost*: selected minus test, the "
            "winner's curse.",
            f"![Best gain on validation so far]({CURVES}.png)",
            "Winners:",
            _as_list(
                tuple(
                    (_name(arm.name, search, repeated), f"`{search.line}`; {search.stopped or 'done'}")
                    for arm in result.arms
                    for search in arm.searches
                )
            ),
            "What Augur would recommend after each search, by its cautious rule:",
            _as_list(
                tuple(
                    (_name(arm.name, search, repeated), search.recommended)
                    for arm in result.arms
                    for search in arm.searches
                )
            ),
        ]
    if result.between:
        parts += ["## Searches against each other", _as_table(between_table(result))]
    if result.forecasts:
        parts += ["## Forecasts", _as_table(forecasts_table(result))]
    if result.notes:
        parts += ["## Notes", *(f"- {markdown(note)}" for note in result.notes)]
    parts += [
        "## Policies",
        _as_list(tuple((arm.name, f"`{line}`") for arm in result.arms for line in dict.fromkeys(arm.lines))),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _as_table(table: Table) -> str:
    heads, rows = table
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(markdown(cell) for cell in row)} |" for row in rows)])


def _as_list(pairs: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"- {markdown(name)}: {_outside_code(text)}" for name, text in pairs)


def _outside_code(text: str) -> str:
    """Escaped for Markdown, but for what stands in backticks: lines of policies."""
    parts = text.split("`")
    return "`".join(part if number % 2 else markdown(part) for number, part in enumerate(parts))


def _points(contrast: Contrast | None) -> str:
    if contrast is None:
        return ""
    both = contrast.verdict.over_both
    return gain(both.mean, (both.low, both.high))


def _spread(values: Sequence[float]) -> float | None:
    from statistics import stdev

    return stdev(values) if len(values) > 1 else None

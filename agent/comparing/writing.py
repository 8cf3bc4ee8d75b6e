"""What a race leaves: report.md, race.json and figures in its folder, the same in MLflow, tables on the terminal."""

from typing import Any

from agent.comparing.plan import Race
from agent.context import Context
from evaluators.race.figures import write_figures
from evaluators.race.page import arms_table, as_markdown, between_table, forecasts_table, searches_table
from evaluators.race.result import RaceResult, llm_lines
from tools.files import write_whole
from tools.text import markdown

RESULT, REPORT = "race.json", "report.md"


def publish(race: Race, context: Context, result: RaceResult) -> None:
    """Write the files, log them, and show the result."""
    asking = [arm.name for arm in race.arms if arm.asks_model]
    folder = context.folder
    write_whole(folder / RESULT, as_json(result))
    figures = write_figures(result, folder)
    write_whole(folder / REPORT, as_markdown(result, asking).encode())
    for file in (folder / RESULT, folder / REPORT, *figures):
        context.tracking.log_file(context.tracking.study_run, file)
    _log(context, result)
    context.terminal.document = as_document(race, result)
    _show(context, result, asking)


def as_json(result: RaceResult) -> bytes:
    """The result with all its numbers, unrounded."""
    from pydantic import TypeAdapter
    from pydantic_core import to_json

    content = {"version": 1, **TypeAdapter(RaceResult).dump_python(result, mode="json")}
    return to_json(content, indent=1, inf_nan_mode="constants")


def as_document(race: Race, result: RaceResult) -> dict[str, Any]:
    """What `--json` says of a race: the content of race.json, and where the files are (docs/scripts.md)."""
    from pydantic import TypeAdapter

    names = sorted(
        file.name for file in race.folder.iterdir() if file.suffix in (".md", ".json", ".png", ".svg")
    )
    content = TypeAdapter(RaceResult).dump_python(result, mode="json")
    files = {name: str((race.folder / name).resolve()) for name in names}
    return {"race": race.name, "folder": str(race.folder.resolve()), "files": files, **content}


def _log(context: Context, result: RaceResult) -> None:
    """The table, and each arm's gain as a metric of the race."""
    heads, rows = arms_table(result)
    context.tracking.log_leaderboard([dict(zip(heads, row, strict=True)) for row in rows])
    metrics = {}
    for arm in result.arms:
        name = "".join(letter if letter.isalnum() or letter in "_-. " else "_" for letter in arm.name)[:60]
        if arm.test is not None:
            metrics[f"test {name}"] = arm.test.mean
        if arm.over_default is not None:
            metrics[f"test_gain_over_default {name}"] = arm.over_default.verdict.over_seeds.mean
    note = f"**{markdown(result.sentence)}**\n\nThe full report is report.md among the artifacts."
    context.tracking.log_study(metrics, tags={"sentence": result.sentence, "phase": "final"}, note=note)


def _show(context: Context, result: RaceResult, asking: list[str]) -> None:
    terminal = context.terminal
    terminal.close()
    terminal.table(*arms_table(result))
    if any(arm.searches for arm in result.arms):
        terminal.note(
            "gains of the winners over the default, in points: as selected on validation, and what was left"
        )
        terminal.table(*searches_table(result))
    if result.between:
        terminal.note("the searches against each other")
        terminal.table(*between_table(result))
    if result.forecasts:
        terminal.note(
            "gains over no augmentation on validation, in points: as the arms expected them, and as they came"
        )
        terminal.table(*forecasts_table(result))
    for line in llm_lines(result, asking):
        terminal.note(line)
    for name in (REPORT, RESULT):
        terminal.note(f"{name}: {context.folder / name}")
    terminal.result(result.sentence)

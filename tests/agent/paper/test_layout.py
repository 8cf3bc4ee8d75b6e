"""The papers' own layout: rows and columns as printed, blanks where nothing was run, gains paired by seed."""

from pathlib import Path

import pytest

from agent.paper.cells import table_of
from agent.paper.layout import lay_out, ours_in_words, printed_in_words
from agent.paper.protocol import Arm, read_protocol
from agent.paper.results import Result, read_result, write_result
from agent.paper.writing import SMOKE_RUN, as_document, as_markdown, notes_of, results_of, terminal_tables
from agent.settings.sources import load_with_presets
from evaluators.statistics import mean_interval
from tools.errors import AugurError

APTOS, IMAGENET10 = read_protocol("apg-aptos"), read_protocol("aga-imagenet10")


def result(**scores: dict[int, float]) -> Result:
    return Result(
        "entry", "rotate(p=1, degrees=9)", {place.replace("_", "-"): s for place, s in scores.items()}
    )


def made(tmp_path: Path, name: str = "apg-aptos", scale: str = "full"):
    config_of = load_with_presets(["--runs-dir", str(tmp_path)], {}, command="paper")[0]
    return table_of(name, read_protocol(name), scale, (), config_of)  # type: ignore[arg-type]


def test_rows_and_columns_are_the_paper_s():
    laid = lay_out(APTOS, {})
    assert [title for title, _ in laid.rows] == [
        "No Augmentation",
        "TrivialAugment",
        "AugMix",
        "RandAugment (N = 2)",
        "RandAugment (N = 3)",
        "Ours (N = 2), ChatGPT",
        "Ours (N = 2), Gemini",
        "Ours (N = 3), ChatGPT",
        "Ours (N = 3), Gemini",
    ]
    assert [group.columns for group in laid.groups] == [("ResNet18", "MobileNetv2")]
    assert [printed_in_words(APTOS, each) for each in laid.entries[:4]] == [
        "0.8388",
        "0.8415",
        "0.8497",
        "0.8706",
    ]


def test_table_one_has_a_gain_after_the_columns_of_each_place():
    laid = lay_out(IMAGENET10, {})
    assert [title for title, _ in laid.rows] == ["ResNet-18", "ResNet-50", "ResNet-101", "ResNet-152"]
    assert [group.title for group in laid.groups] == ["ImageNet10-Val", "ImageNet-V2", "ImageNet-S"]
    assert {group.columns for group in laid.groups} == {("Baseline", "AGA", "gain")}
    first = [printed_in_words(IMAGENET10, each) for each in laid.entries[:9]]
    assert first == ["88.8%", "93.4%", "4.6", "78.43%", "89.21%", "10.78", "33.46%", "47.75%", "14.29"]
    sketch = laid.rows[2][1][2]
    assert printed_in_words(IMAGENET10, sketch[2]) == "18.0"


def test_ours_is_the_mean_over_seeds_with_its_interval():
    scores = {0: 0.80, 1: 0.84, 2: 0.85}
    laid = lay_out(APTOS, {("resnet18", "none"): result(validation=scores)})
    (entry,) = [each for each in laid.entries if each.ours is not None]
    wanted = mean_interval(list(scores.values()))
    assert entry.ours == wanted
    assert ours_in_words(APTOS, entry) == f"{wanted.mean:.4f} [{wanted.low:.4f}, {wanted.high:.4f}]"


def test_one_seed_has_no_interval_and_what_was_not_run_is_blank():
    laid = lay_out(APTOS, {("resnet18", "none"): result(validation={0: 0.8})})
    words = [ours_in_words(APTOS, each) for each in laid.entries]
    assert words[0] == "0.8000"
    assert set(words[1:]) == {""}


def test_a_gain_is_paired_by_seed():
    one, other = {0: 0.9, 1: 0.8, 2: 0.7}, {0: 0.8, 1: 0.7, 2: 0.6, 7: 0.1}
    results = {("resnet18", "aga"): result(test=one), ("resnet18", "none"): result(test=other)}
    (gain,) = [each for each in lay_out(IMAGENET10, results).entries if each.is_gain and each.ours]
    assert gain.ours is not None
    assert gain.ours.mean == pytest.approx(0.1)
    assert ours_in_words(IMAGENET10, gain) == "+10.00"
    assert gain.ours.count == 3


def test_a_row_that_the_paper_lacks_appears_when_it_was_run():
    assert "MedAugment" not in [title for title, _ in lay_out(APTOS, {}).rows]
    laid = lay_out(APTOS, {("resnet18", "med-augment"): result(validation={0: 0.8})})
    assert laid.rows[-1][0] == "MedAugment"
    assert "MedAugment" in laid.extra


def test_the_document_holds_every_place_unrounded(tmp_path):
    table = made(tmp_path)
    cell = table.cells[0]
    write_result(table, cell, result(validation={0: 0.123456789, 1: 0.2, 2: 0.3}))
    results = results_of(table)
    document = as_document(table, lay_out(table.protocol, results), results, {})
    (place,) = [each for each in document["table"] if each["ours"] is not None]
    assert (place["model"], place["arm"], place["printed"]) == ("resnet18", "none", 0.8388)
    assert place["ours"]["mean"] == (0.123456789 + 0.2 + 0.3) / 3
    finished = {each["cell"] for each in document["cells"] if each["finished"]}
    assert finished == {"resnet18/none"}
    assert not document["smoke_run"]


def test_a_smoke_run_is_called_that_everywhere(tmp_path):
    table = made(tmp_path, scale="small")
    laid = lay_out(table.protocol, {})
    assert SMOKE_RUN in as_markdown(table, laid, {}, {})
    document = as_document(table, laid, {}, {})
    assert document["smoke_run"]
    assert document["warning"] == SMOKE_RUN
    assert table.folder.name == "apg-aptos-smoke"
    assert all(table.study_of(cell).startswith("smoke-") for cell in table.cells)


def test_below_the_table_stands_what_is_blank_and_why_and_every_assumption(tmp_path):
    table = made(tmp_path, "aga-comparison-cub")
    notes = dict(notes_of(table, {}, {"resnet50/none": "out of memory"}))
    blank = " ".join(notes["Blank"])
    assert "resnet50/none: out of memory" in blank
    assert "not run yet: resnet50/mixup" in blank
    assert notes["Not stated in the paper, and assumed"] == table.protocol.assumptions


def test_an_arm_that_cannot_be_run_has_no_cell_and_its_reason_stands_below(tmp_path):
    found = made(tmp_path)
    arms = {**APTOS.arms, "aug-mix": Arm(title="AugMix", unavailable="it needs another planet")}
    protocol = APTOS.model_copy(update={"arms": arms})
    config_of = load_with_presets(["--runs-dir", str(tmp_path)], {}, command="paper")[0]
    table = table_of("apg-aptos", protocol, "full", (), config_of)
    assert {cell.arm for cell in found.cells} - {cell.arm for cell in table.cells} == {"aug-mix"}
    assert "AugMix: it needs another planet" in dict(notes_of(table, {}, {}))["Blank"]
    assert "AugMix" in [title for title, _ in lay_out(protocol, {}).rows]


def test_where_the_paper_prints_nothing_there_is_no_column_for_it(tmp_path):
    table = made(tmp_path, "aga-comparison-cub")
    ((heading, heads, rows),) = terminal_tables(table, lay_out(table.protocol, {}))
    assert "the paper prints no numbers" in heading
    assert heads == ["Augmentation", "ResNet-50, ours"]
    assert [row[0] for row in rows] == [
        "Baseline",
        "MixUp",
        "CutMix",
        "RandAug",
        "ALIA",
        "AGA +1X",
        "AGA +2X",
    ]


def test_what_is_kept_of_a_cell_is_read_back(tmp_path):
    table = made(tmp_path)
    cell = table.cells[0]
    assert read_result(table, cell) is None
    kept = Result("s", "line", {"validation": {0: 0.1, 5: 0.25}}, 3, ("seed 1: failed",), 4, 2.5)
    write_result(table, cell, kept)
    assert read_result(table, cell) == kept


def test_a_damaged_file_of_a_cell_is_told_with_its_remedy(tmp_path):
    table = made(tmp_path)
    write_result(table, table.cells[0], result(validation={0: 0.1}))
    (file,) = (table.folder / "cells").iterdir()
    file.write_text("{}")
    with pytest.raises(AugurError, match="is damaged"):
        read_result(table, table.cells[0])

"""The protocols: what they hold is what the papers print, and every one of them can be run."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from agent.paper.cells import Table, table_of
from agent.paper.protocol import PROMPTS, parse_protocol, protocol_names, read_protocol
from agent.paper.replicas import REPLICAS, make_replica
from agent.settings.sources import load_with_presets
from agent.training.given import Given, candidates_of
from tools.datasets.config import DataConfig
from tools.datasets.registry import ENTRIES, open_dataset, open_published
from tools.errors import AugurError, ConfigurationError

NAMES = protocol_names()


@cache
def table(name: str, *patterns: str, words: str = "", scale: str = "full", **more) -> Table:
    config_of = load_with_presets(words.split(), {}, command="paper")[0]
    return table_of(name, read_protocol(name), scale, patterns, config_of, **more)  # type: ignore[arg-type]


def test_these_tables_are_known():
    assert NAMES == [
        "aga-comparison-cub",
        "aga-comparison-imagenet10",
        "aga-comparison-iwildcam",
        "aga-degree",
        "aga-imagenet10",
        "apg-alzheimer-parkinson",
        "apg-aptos",
        "apg-limuc",
        "apg-melanoma",
    ]


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("apg-")])
def test_a_table_of_the_apg_paper_has_eighteen_printed_numbers(name):
    protocol = read_protocol(name)
    (by_model,) = protocol.printed.values()
    shown = {arm for arm, each in protocol.arms.items() if not each.extra}
    assert {model: set(by_arm) for model, by_arm in by_model.items()} == dict.fromkeys(protocol.models, shown)
    assert len(shown) * len(by_model) == 18


def test_the_split_that_is_inferred_from_the_printed_numbers_fits_them():
    """A share of n images, printed with four digits, is a multiple of 1/n after rounding (or cutting off)."""

    def fits(name: str, images: int) -> int:
        values = [v for m in read_protocol(name).printed["validation"].values() for v in m.values()]
        near = [(v, round(v * images) / images) for v in values]
        return sum(abs(v - share) < 0.00011 for v, share in near)

    assert fits("apg-aptos", 366) == 17
    assert fits("apg-melanoma", 2376) == 18
    assert fits("apg-limuc", 808) == 18
    assert fits("apg-alzheimer-parkinson", 1296) >= 13


def test_the_gains_that_the_aga_paper_prints_are_those_of_its_accuracies():
    protocol = read_protocol("aga-imagenet10")
    for place, by_model in protocol.printed.items():
        for model, found in by_model.items():
            difference = 100 * (found["aga"] - found["none"])
            if (place, model) == ("test", "resnet101"):  # the paper prints 15.6 beside 78.4% and 93.6%
                difference += 0.4
            assert protocol.printed_gain[place][model] == pytest.approx(difference, abs=0.011), (place, model)
    assert sum(len(by_model) for by_model in protocol.printed.values()) == 12


@pytest.mark.parametrize("name", NAMES)
def test_its_settings_its_policies_and_its_prompts_are_valid(name):
    found = table(name)
    card = ENTRIES[found.protocol.data].card
    for cell in found.cells:
        arm = found.arm(cell)
        assert cell.config.data.dataset == found.protocol.data
        assert not cell.changed
        if arm.search is None:
            given = Given(
                [arm.policy] if arm.policy else [],
                found.prompts_of(cell),
                [arm.scale] if arm.scale else [],
                reference=False,
            )
            assert candidates_of(given, card, lambda study, which: pytest.fail("none is of a study"))
    assert len({found.study_of(cell) for cell in found.cells}) == len(found.cells)
    assert max(len(found.study_of(cell)) for cell in found.cells) <= 80


@pytest.mark.parametrize("name", sorted(path.stem for path in PROMPTS.glob("*.yaml")))
def test_every_set_of_prompts_is_used(name):
    assert name in {read_protocol(each).prompts for each in NAMES}


def test_the_paper_s_recipe_reaches_the_cells():
    recipe = table("aga-imagenet10").cells[0].config.training
    assert (recipe.recipe, recipe.epochs, recipe.batch_size, recipe.selection) == ("aga", 100, 32, "best")
    llm = next(cell for cell in table("apg-limuc").cells if cell.arm == "llm-3-gemini")
    assert llm.config.llm.model == "google_genai:gemini-flash-latest"
    assert (llm.config.search.augmentations, llm.config.search.advice) == ("3", "off")


def test_cells_that_ask_a_language_model_come_last():
    asks = ["llm" in cell.arm for cell in table("apg-aptos").cells]
    assert asks == sorted(asks)


def test_rows_that_the_paper_lacks_are_run_only_by_their_names():
    assert "med-augment" not in {cell.arm for cell in table("apg-aptos").wanted}
    assert "med-augment" not in {cell.arm for cell in table("apg-aptos", "resnet18/*").wanted}
    named = table("apg-aptos", "resnet18/med-augment", "aug-*").wanted
    assert {cell.name for cell in named} == {
        "resnet18/med-augment",
        "resnet18/aug-mix",
        "mobilenet-v2/aug-mix",
    }


def test_a_pattern_that_fits_nothing_is_refused_with_what_there_is():
    with pytest.raises(ConfigurationError, match=r"--cells resnet19/\*: fits no cell.*resnet18.*aug-mix"):
        table("apg-aptos", "resnet19/*")


def test_a_setting_of_the_person_is_stronger_named_and_has_an_entry_of_its_own():
    usual, changed = table("apg-aptos"), table("apg-aptos", words="--training.epochs 5")
    assert {cell.config.training.epochs for cell in changed.cells} == {5}
    assert changed.cells[0].changed == ("training.epochs = 5 (the protocol: 30)",)
    assert changed.study_of(changed.cells[0]) != usual.study_of(usual.cells[0])


def test_what_decides_no_number_changes_no_name():
    usual = table("aga-imagenet10")
    for words in (
        "--execution.workers 3",
        "--aga.segmenter.checkpoint /weights/sam.pth --aga.llm_base_url http://localhost:1/v1",
        "--data elsewhere/imagenet10",
    ):
        other = table("aga-imagenet10", words=words)
        assert [usual.study_of(cell) for cell in usual.cells] == [
            other.study_of(cell) for cell in other.cells
        ]
        assert not any(cell.changed for cell in other.cells)
    # Backgrounds are made otherwise: that is another cell, but the baseline stays the same.
    grabcut = table("aga-imagenet10", words="--segmenter grabcut")
    same = {
        c.name: usual.study_of(c) == grabcut.study_of(d)
        for c, d in zip(usual.cells, grabcut.cells, strict=True)
    }
    assert same["resnet18/none"]
    assert not same["resnet18/aga"]


@pytest.mark.parametrize("name", ["aga-comparison-cub", "aga-comparison-iwildcam"])
def test_alia_edits_whole_images_and_the_baseline_judges_them(name):
    found = table(name)
    (alia,) = (cell for cell in found.cells if cell.arm == "alia")
    aga = alia.config.aga
    assert (aga.generator, aga.edit.strength, aga.gates.confidence) == ("alia", 0.6, "class")
    assert found.arm(alia).gate == "none"
    small = next(cell for cell in table(name, scale="small").cells if cell.arm == "alia").config.aga
    assert (small.generator, small.background.kind, small.gates.clip) == ("aga", "scenes", None)


def test_another_language_model_is_for_the_rows_of_its_provider():
    found = table("apg-aptos", models=("openai:other",))
    models = {cell.arm: cell.config.llm.model for cell in found.cells if "llm" in cell.arm}
    assert models["llm-2-chatgpt"] == "openai:other"
    assert models["llm-2-gemini"] == "google_genai:gemini-flash-latest"
    (cell,) = (each for each in found.cells if each.name == "resnet18/llm-2-chatgpt")
    assert cell.changed == ("llm.model = openai:other (the protocol: openai:gpt-5-mini)",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title: [", "cannot be read"),
        ("title: x", "paper: Field required"),
        ("nonsense: 1", "nonsense: Extra inputs"),
    ],
)
def test_a_damaged_protocol_is_told(tmp_path, text, told):
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(AugurError, match=told):
        parse_protocol(tmp_path / "x.yaml")


def test_a_number_for_an_arm_that_is_not_there_is_refused(tmp_path):
    text = Path(PROMPTS.parent / "protocols" / "apg-aptos.yaml").read_text()
    (tmp_path / "x.yaml").write_text(text.replace("aug-mix: 0.8525", "aug-mux: 0.8525"))
    with pytest.raises(AugurError, match="printed: nothing is called aug-mux"):
        parse_protocol(tmp_path / "x.yaml")


@pytest.mark.parametrize("name", REPLICAS)
def test_a_replica_has_the_published_layout_and_can_be_trained_on(tmp_path, name):
    place = make_replica(name, tmp_path)
    variant = "alia" if name in ("cub", "iwildcam") else None
    shifted = ENTRIES[name].shift_of is not None
    opens = open_published if shifted else open_dataset
    dataset = opens(DataConfig(dataset=name, path=place, variant=variant, folds="off"))
    counts = Counter((record.split, record.label) for record in dataset.records)
    splits = {"test"} if shifted else {"train", "validation", "test"}
    assert {split for split, _ in counts} == splits
    for split in splits - {"validation"}:
        assert len({label for each, label in counts if each == split}) == len(dataset.card.classes)
    assert make_replica(name, tmp_path) == place


def test_the_data_sets_of_all_protocols_have_a_replica():
    needed = {each for name in NAMES for each in (read_protocol(name).data, *read_protocol(name).others)}
    assert needed == set(REPLICAS)

"""Policies that change in the middle of a training: written, read, checked, shown and exported as one."""

import json
import re
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from tests.tools.policy.pictures import picture
from tools.datasets.types import Card
from tools.errors import ConfigurationError
from tools.policy.built_policy import build
from tools.policy.canonical import canonical_json, from_canonical, one_line, parse_one_line
from tools.policy.elsewhere import as_code, as_yaml
from tools.policy.export import as_json, as_python, read_json
from tools.policy.named import named_policy
from tools.policy.policy import Change, Policy
from tools.policy.preview import contact_sheet
from tools.policy.safety import lint
from tools.policy.validate import check_policy

LINE = (
    "rotate(p=0.5, degrees=15) > invert(p=0.5) | from epoch 6: invert(p=1) > mixup(p=1, alpha=0.4) | "
    "from epoch 11: no augmentation"
)
POLICY = parse_one_line(LINE)


def test_the_line_is_read_as_it_is_written():
    assert [first for first, _ in POLICY.phases] == [1, 6, 11]
    assert one_line(POLICY) == LINE
    assert canonical_json(from_canonical(canonical_json(POLICY))) == canonical_json(POLICY)
    assert read_json(as_json(POLICY, {"study": "s"})) == POLICY


def test_a_person_may_leave_out_numbers_in_any_phase():
    policy = named_policy("rotate | from epoch 3: brightness > horizontal_flip(p=0.5)", "unknown").policy
    assert one_line(policy.at(2)) == one_line(named_policy("rotate", "unknown").policy)
    assert [operation.name for operation in policy.at(3).operations] == ["brightness", "horizontal_flip"]


def test_every_epoch_has_the_operations_of_its_phase():
    names = {epoch: [each.name for each in POLICY.at(epoch).operations] for epoch in (1, 5, 6, 10, 11, 99)}
    assert names == {
        1: ["rotate", "invert"],
        5: ["rotate", "invert"],
        6: ["invert", "mixup"],
        10: ["invert", "mixup"],
        11: [],
        99: [],
    }
    assert one_line(POLICY.until(10)) == LINE.rpartition(" | ")[0]


def test_a_change_to_what_is_there_already_is_no_change():
    first = POLICY.at(1).operations
    same = Policy(operations=first, changes=[Change(epoch=4, operations=first)])
    assert canonical_json(same) == canonical_json(Policy(operations=first))


def test_twice_as_long_it_changes_twice_as_late():
    assert [first for first, _ in POLICY.stretched(2).phases] == [1, 11, 21]
    assert [first for first, _ in POLICY.stretched(0.1).phases] == [1, 2]
    assert POLICY.stretched(0.1).at(1) == POLICY.at(6)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("invert | from epoch 1: rotate", "changes at epochs 1"),
        ("invert | from epoch 6: rotate | from epoch 4: invert", "changes at epochs 6, 4"),
        ("invert | from epoch 6: rotate(degrees=999)", "'rotate(degrees=999)': operation 1"),
        ("invert | from epoch 6: rotat", "there is no operation 'rotat'"),
        ("invert | from epoch x: rotate", "is not a policy"),
    ],
)
def test_what_is_wrong_with_it_is_said_with_the_epoch(line: str, problem: str):
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        named_policy(line, "unknown")


def test_later_phases_are_linted_and_may_be_empty():
    card = Card("digits", "Digits", "digits", "", ("0", "1"))
    policy = named_policy("brightness | from epoch 2: horizontal_flip", "digits").policy
    assert [(each.severity, each.operation) for each in lint(policy, card)] == [("reject", "horizontal_flip")]
    assert check_policy(POLICY, 2, 3) == []


def test_as_python_the_same_seed_gives_the_same_pixels_in_every_epoch():
    namespace: dict[str, Any] = {}
    exec(compile(as_python(POLICY, 32, 3), "policy.py", "exec"), namespace)
    image = picture(32)
    for epoch in (1, 5, 6, 11, 40):
        built = build(POLICY.at(epoch), 32, 3)
        torch.manual_seed(epoch)
        inside = built.augment(image)
        torch.manual_seed(epoch)
        assert torch.equal(namespace["augment_at"](epoch)(Image.fromarray(image)), inside)
        assert (namespace["mix_at"](epoch) is not None) == built.has_mix


def test_other_libraries_are_refused_a_policy_by_epoch_and_told_what_to_do():
    with pytest.raises(ConfigurationError, match="give the line of that phase"):
        as_code(POLICY, "kornia", 32, 3)
    content = yaml.safe_load(as_yaml(POLICY, {}))
    assert [each["from_epoch"] for each in content["changes"]] == [6, 11]
    assert json.dumps(content["changes"][1]["operations"]) == "[]"


def test_the_contact_sheet_has_a_row_of_every_phase(tmp_path):
    sheet = tmp_path / "sheet.png"
    images = torch.from_numpy(picture(32)).expand(3, 32, 32, 3).numpy()
    contact_sheet(images, ["a", "b", "c"], POLICY, sheet, seed=0)
    by_epoch = Image.open(sheet).height
    contact_sheet(images, ["a", "b", "c"], POLICY.at(1), sheet, seed=0, rows=3)
    assert by_epoch >= Image.open(sheet).height

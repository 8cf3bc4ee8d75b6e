"""The exported Python does outside Augur what the policy does inside."""

import subprocess
import sys
import warnings
from typing import Any

import torch
from PIL import Image

from tests.tools.policy.pictures import picture
from tools.policy.built_policy import build
from tools.policy.canonical import one_line, parse_one_line
from tools.policy.catalogue import CATALOGUE, default_operation
from tools.policy.export import as_python
from tools.policy.policy import Policy

MIXED = [
    "no augmentation",
    "rotate(p=0.5, degrees=15) > brightness(p=0.3, strength=0.2) > erasing(p=0.5, area=0.2)",
    "equalize(p=0.5) > hue(p=0.5, shift=0.1) > sharpness(p=0.7, strength=0.8) > gaussian_noise(p=0.5, sigma=0.1)",
    "trivial_augment_wide(p=0.8) > grid_mask(p=0.5, keep=0.6, unit=0.4) > jpeg(p=0.5, quality=30)",
]
ALL = [Policy(operations=[default_operation(name)]) for name in CATALOGUE] + [
    parse_one_line(text) for text in MIXED
]


def _run(source: str) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(compile(source, "exported.py", "exec"), namespace)
    return namespace


def test_the_same_seed_gives_the_same_pixels():
    image = picture(48)
    for policy in ALL:
        built, exported = build(policy, 48, classes=3), _run(as_python(policy, 48, classes=3))
        for seed in range(6):
            torch.manual_seed(seed)
            inside = built.augment(image)
            torch.manual_seed(seed)
            outside = exported["augment"](Image.fromarray(image))

            assert outside.dtype == torch.uint8, one_line(policy)
            assert torch.equal(inside, outside), one_line(policy)


def test_what_is_exported_uses_nothing_that_is_deprecated():
    image = Image.fromarray(picture(48))
    for policy in ALL:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exported = _run(as_python(policy, 48, classes=3))
            for seed in range(3):
                torch.manual_seed(seed)
                exported["augment"](image)


def test_the_same_seed_mixes_the_same_way():
    images, labels = torch.rand(6, 3, 16, 16), torch.tensor([0, 1, 2, 0, 1, 2])
    for text in ("mixup(p=1, alpha=0.2)", "invert(p=1) > cutmix(p=0.5, alpha=1)"):
        policy = parse_one_line(text)
        built, exported = build(policy, 16, classes=3), _run(as_python(policy, 16, classes=3))
        for seed in range(6):
            torch.manual_seed(seed)
            inside, soft = built.mix(images, labels)
            torch.manual_seed(seed)
            outside, targets = exported["mix"](images, labels)

            assert torch.equal(inside, outside), text
            assert torch.equal(soft, targets if targets.ndim == 2 else torch.eye(3)[targets]), text


def test_the_source_runs_without_augur(tmp_path):
    policy = parse_one_line(MIXED[1])
    Image.fromarray(picture(48)).save(tmp_path / "image.png")
    ending = """
import sys
from PIL import Image
torch.manual_seed(0)
total = augment(Image.open("image.png")).sum().item()
print(total, [name for name in sys.modules if name.split(".")[0] in ("tools", "agent")])
"""
    (tmp_path / "exported.py").write_text(as_python(policy, 48) + ending)

    command = [sys.executable, "-I", "exported.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)

    torch.manual_seed(0)
    assert done.stdout.strip() == f"{build(policy, 48, 2).augment(picture(48)).sum().item()} []"


def test_what_torchvision_has_is_exported_without_further_code():
    source = as_python(parse_one_line("horizontal_flip(p=0.5) > saturation(p=0.5, strength=0.2)"))

    assert source == (
        "# horizontal_flip(p=0.5) > saturation(p=0.5, strength=0.2)\n"
        "# augment: PIL image, RGB, 224 x 224 -> uint8 tensor (3, H, W)\n"
        "from torchvision.transforms import v2\n"
        "\n"
        "augment = v2.Compose(\n"
        "    [\n"
        "        v2.PILToTensor(),\n"
        "        v2.RandomHorizontalFlip(p=0.5),\n"
        "        v2.ToPILImage(),\n"
        "        v2.RandomApply([v2.ColorJitter(saturation=0.2)], p=0.5),\n"
        "        v2.PILToTensor(),\n"
        "    ]\n"
        ")\n"
    )

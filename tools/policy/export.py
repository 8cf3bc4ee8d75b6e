"""A policy as Python that runs with torchvision alone (and OpenCV, where an operation needs it).

The transforms are printed from the same table that `built_policy.py` calls, and the source of those that torchvision
lacks is copied in, so that the same seed gives the same pixels inside Augur and outside. A transform of the user's own
is imported from its file, as it is.
"""

import inspect
import json
import re
import textwrap
from collections.abc import Mapping, Sequence

from tools.adapted_transform import AdaptedTransform, loaded
from tools.errors import ConfigurationError
from tools.policy import sample_aware, transforms
from tools.policy.canonical import canonical_json, canonical_policy, from_canonical, one_line
from tools.policy.own_transform import OwnTransform
from tools.policy.policy import Policy
from tools.policy.steps import Step, steps_of
from tools.text import clean

_IMPORTS = {
    "importlib.": "import importlib.util",
    "inspect.": "import inspect",
    "io.": "import io",
    "math": "import math",
    "random.seed": "import random",
    "sys.": "import sys",
    "Path": "from pathlib import Path",
    "Any": "from typing import Any",
    "cv2": "import cv2",
    "np": "import numpy as np",
    "PIL.Image.": "import PIL.Image",
    "PIL.ImageEnhance.": "import PIL.ImageEnhance",
    "torch": "import torch",
    "v2": "from torchvision.transforms import v2",
}
_OWN = {
    name: item
    for module in (transforms, sample_aware)
    for name, item in vars(module).items()
    if getattr(item, "__module__", "") == module.__name__
}


ABOUT = "about"
"""Key of a policy file that says where the policy comes from; whoever reads the policy passes over it."""
_WIDTH = 118


def as_json(policy: Policy, about: Mapping[str, str]) -> str:
    """A policy file: what is known of the policy, and its operations as `read_json` reads them."""
    content = {ABOUT: dict(about), **json.loads(canonical_json(policy))}
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def read_json(text: str) -> Policy:
    """The policy of a policy file, or canonical JSON of a policy; nothing is checked but its shape.

    Raises:
        ConfigurationError: `text` is not JSON of a policy.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{text[:200]!r} is not JSON of a policy: {error}") from error
    if isinstance(content, dict):
        content.pop(ABOUT, None)
    return from_canonical(json.dumps(content))


def as_python(policy: Policy, image_size: int = 224, classes: int = 2, about: Sequence[str] = ()) -> str:
    """Source that defines `augment`, and `mix` where the policy has an operation on the batch.

    `augment` maps a PIL image (RGB, image_size x image_size) to a uint8 tensor (3, image_size, image_size);
    `mix` maps float images (B, 3, H, W) and class indices (B,) to images and soft labels. Of a policy by epoch, there
    are `augment_at(epoch)` and `mix_at(epoch)`, which give those of an epoch (`mix_at`: None where it has none).

    Args:
        policy: a valid policy.
        image_size: side in pixels at which it was found.
        classes: number of classes, for soft labels.
        about: lines for the head of the file: where the policy comes from and what was measured.

    Raises:
        ConfigurationError: the policy is not valid.
    """
    phases = [(epoch, steps_of(each, image_size, classes)) for epoch, each in canonical_policy(policy).phases]
    body = _whole_training(phases[0][1]) if len(phases) == 1 else _by_epoch(phases)
    sources = _sources([step for _, steps in phases for step in steps])
    code = "\n\n\n".join([*sources, "\n\n".join(body)])
    imports = [line for name, line in _IMPORTS.items() if re.search(rf"\b{re.escape(name)}", code)]
    told = [
        f"# {line}" for text in about for line in textwrap.wrap(clean(text), _WIDTH, break_on_hyphens=False)
    ]
    title = "\n".join(
        [
            *told,
            f"# {one_line(policy)}",
            f"# augment{'_at(epoch)' if len(phases) > 1 else ''}: PIL image, RGB, {image_size} x {image_size} -> "
            "uint8 tensor (3, H, W)",
        ]
    )
    return "\n".join([title, *imports]) + ("\n\n\n" if sources else "\n\n") + code + "\n"


def _whole_training(steps: list[Step]) -> list[str]:
    return [
        f"augment = {_augment(steps)}",
        *(f"mix = {_expression(step)}" for step in steps if step.stage == "batch"),
    ]


def _by_epoch(phases: list[tuple[int, list[Step]]]) -> list[str]:
    """Every phase by its first epoch, and functions that look up that of an epoch."""
    chains = "".join(
        f"    {epoch}: {textwrap.indent(_augment(steps), ' ' * 4).lstrip()},\n" for epoch, steps in phases
    )
    mixes = "".join(
        f"    {epoch}: {next((_expression(step) for step in steps if step.stage == 'batch'), 'None')},\n"
        for epoch, steps in phases
    )
    look_up = (
        'def {name}_at(epoch: int):\n    """Of an epoch, counted from 1."""\n'
        "    return {table}[max(first for first in {table} if first <= epoch)]"
    )
    return [
        f"AUGMENT_FROM = {{\n{chains}}}",
        f"MIX_FROM = {{\n{mixes}}}",
        "\n" + look_up.format(name="augment", table="AUGMENT_FROM") + "\n",
        look_up.format(name="mix", table="MIX_FROM"),
    ]


def _augment(steps: list[Step]) -> str:
    steps = [step for step in steps if step.stage != "batch"]
    lines = []
    on_image = True
    for step in steps:
        if on_image != (step.stage == "image"):
            lines.append("v2.PILToTensor()" if on_image else "v2.ToPILImage()")
            on_image = not on_image
        lines.append(_expression(step))
    if on_image:
        lines.append("v2.PILToTensor()")
    return "v2.Compose(\n    [\n" + "".join(f"        {line},\n" for line in lines) + "    ]\n)"


def _expression(step: Step) -> str:
    if step.transform is OwnTransform:
        place, _, name = step.arguments["reference"].rpartition(":")
        return f"AdaptedTransform(loaded({place!r}, {name!r}), {step.arguments['reference']!r})"
    name = step.transform.__name__
    arguments = ", ".join(f"{argument}={value!r}" for argument, value in step.arguments.items())
    call = f"{name if name in _OWN else f'v2.{name}'}({arguments})"
    return call if step.probability == 1 else f"v2.RandomApply([{call}], p={step.probability!r})"


def _sources(steps: list[Step]) -> list[str]:
    """Source of those transforms that torchvision lacks, after that of the functions they call."""
    wanted = [step.transform.__name__ for step in steps if step.transform.__name__ in _OWN]
    for name in wanted:  # grows while it is read
        source = inspect.getsource(_OWN[name])
        wanted += [other for other in _OWN if other not in wanted and re.search(rf"\b{other}\(", source)]
    own = (loaded, AdaptedTransform) if any(step.transform is OwnTransform for step in steps) else ()
    lacking = [item for name, item in _OWN.items() if name in wanted]
    return [inspect.getsource(item).rstrip() for item in (*lacking, *own)]

"""What `model.name` means, and the digest of the code behind it. Light: imports no torch and no code of the user's.

A name is one of torchvision's (`resnet18`), one of timm's (`timm:vit_tiny_patch16_224`), EfficientNet-Lite0 of the
extra `pretrained`, or a function that takes the number of classes and returns a torch.nn.Module:
`path/to/file.py:function` or `package.module:function`.

A function counts by the content of its code (`from_file.source_digest`), wherever it is, and timm by its version.
"""

import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from tools.errors import AugurError, ConfigurationError, ImagesGone
from tools.from_file import absolute, is_reference, source_digest

LITE = "efficientnet_lite0"
"""Of the extra `pretrained`, whose package holds its ImageNet weights."""
TIMM = "timm:"

_REGISTERED = re.compile(
    r"^@register_model\(\)\n"  # its name is that of the function
    r"(?:@.*\n(?:[ )].*\n)*)*"  # further decorators, with their arguments on lines of their own
    r"def (\w+)\(",
    re.MULTILINE,
)


class ModelChanged(ImagesGone):
    """The code of the model, or its file of weights, is no longer what the study began with."""


@dataclass(frozen=True)
class Named:
    """What a name means."""

    kind: Literal["torchvision", "timm", "lite", "file", "module"]
    where: str
    """The model's name, or the file or module."""
    function: str = ""

    @property
    def is_code(self) -> bool:
        """Whether it is a function of the user's."""
        return self.kind in ("file", "module")

    @property
    def reference(self) -> str:
        """Of a function: as `tools.from_file` takes it."""
        return f"{self.where}:{self.function}"

    @property
    def title(self) -> str:
        """For people and for names of studies: without the folder of a file."""
        match self.kind:
            case "timm":
                return f"{TIMM}{self.where}"
            case "file":
                return f"{Path(self.where).name}:{self.function}"
            case "module":
                return f"{self.where}:{self.function}"
        return self.where


@cache
def torchvision_names() -> tuple[str, ...]:
    """Every classification model of the installed torchvision, sorted, as its source files register them."""
    package = find_spec("torchvision")
    folders = package.submodule_search_locations if package is not None else None
    files = Path(next(iter(folders or ()), "."), "models").glob("*.py")
    return tuple(sorted(name for file in files for name in _REGISTERED.findall(file.read_text("utf-8"))))


def parse_name(name: str) -> Named:
    """What `name`, as `folded` returns it, means; a name without a colon that is unknown counts as torchvision's."""
    if name.startswith(TIMM):
        return Named("timm", name.removeprefix(TIMM))
    where, colon, function = name.rpartition(":")
    if colon:
        return Named("file" if where.endswith(".py") else "module", where, function)
    return Named("lite" if name == LITE else "torchvision", name)


def folded(name: str) -> str:
    """`name` in the one spelling that is kept: ResNet-18 is resnet18, and the path of a file is absolute.

    Raises:
        ValueError: it is empty, or what should be a function has no name or is no file of Python.
    """
    name = name.strip()
    if not name:
        raise ValueError("is empty: expected the name of a model, such as resnet18")
    if name[: len(TIMM)].lower() == TIMM:
        if not name[len(TIMM) :].strip():
            raise ValueError("names no model: expected timm:NAME, such as timm:resnet18")
        return TIMM + name[len(TIMM) :].strip()
    if ":" in name or "/" in name or name.endswith(".py"):
        if not is_reference(name):
            raise ValueError(
                "names no function: expected path/to/file.py:FUNCTION or package.module:FUNCTION, which takes the "
                "number of classes and returns a torch.nn.Module; or timm:NAME, or a name of torchvision"
            )
        return absolute(name)
    plain = _plain(name)
    for known in (*torchvision_names(), LITE):
        if _plain(known) == plain:
            return known
    return name


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def source_identity(name: str) -> str | None:
    """What tells the code behind a name from other code; None for torchvision, whose names are enough.

    Raises:
        ConfigurationError: there is no such file or module, or its package is not installed.
    """
    found = parse_name(name)
    match found.kind:
        case "torchvision":
            return None
        case "timm":
            return _version_of("timm", found)
        case "lite":
            return _version_of("efficientnet-lite-pytorch", found)
    return source_digest(name, "model.name")


def _version_of(package: str, found: Named) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{package}=={version(package)}"
    except PackageNotFoundError:
        extra = "timm" if package == "timm" else "pretrained"
        raise ConfigurationError(
            f"model.name = {found.title!r} needs the package {package}, which is not installed: "
            f'pip install "augur-vision[{extra}]"'
        ) from None


def check_unchanged(name: str, expected: str | None) -> None:
    """See that the code behind a name is what a trial was planned with.

    Raises:
        ModelChanged: it is not, or is gone.
    """
    if expected is None:
        return
    try:
        same = source_identity(name) == expected
    except AugurError as error:
        raise ModelChanged(f"{error}. The study began with it: put it back, then resume") from error
    if not same:
        raise ModelChanged(
            f"the code of the model {parse_name(name).title} has changed since this study began: its results could not "
            "be compared with new ones. Restore the code, or start a new study"
        )

"""Calls a transform of any library, or a function, with what it takes, and gives back a PIL image."""

import importlib.util
import inspect
import os
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import torch

os.environ.setdefault(
    "NO_ALBUMENTATIONS_UPDATE", "1"
)  # else it asks the network for a newer version when imported


def loaded(place: str, name: str) -> Any:
    """The object `name` of a file ending in '.py', or of an installed module. For the code that a study hands over."""
    if place.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(place).stem, place)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.path.append(str(Path(place).parent))
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(place)
    for part in name.split("."):
        module = getattr(module, part)
    return module


class AdaptedTransform:
    """A transform of torchvision, albumentations or kornia, or a function, from a PIL image to a PIL image.

    albumentations is given a uint8 array as `image=`, kornia a float tensor (1, 3, H, W) of 0..1. Everything else is
    given a PIL image (RGB), unless its first parameter is annotated as a numpy array (uint8, (H, W, 3)) or a torch
    tensor (uint8, (3, H, W)). A function without parameters is called once, and returns the transform. Returned may be
    a PIL image, an array or a tensor, of uint8 or of floats in 0..1. The generators of torch, numpy, Python and
    albumentations follow torch's, so that the same seed gives the same image.
    """

    def __init__(self, transform: Any, name: str, keeps_size: bool = True) -> None:
        """`name` is for errors; `keeps_size`: whether an image of another size is one."""
        if inspect.isfunction(transform) and not inspect.signature(transform).parameters:
            transform = transform()
        if inspect.isclass(transform) or not callable(transform):
            raise TypeError(
                f"{name} is no transform but {transform!r}: name an object or a function of an image"
            )
        library = next(
            (
                each.__module__.partition(".")[0]
                for each in type(transform).__mro__
                if each.__module__.partition(".")[0] in ("albumentations", "kornia")
            ),
            "",
        )
        self._transform: Any = transform
        self._name = name
        self._keeps_size = keeps_size
        self._takes = library or self._annotated(transform)

    def __call__(self, image: PIL.Image.Image) -> PIL.Image.Image:
        """The augmented image, RGB and of the same size; raises where the transform makes another."""
        seed = int(torch.randint(2**31 - 1, ()))
        random.seed(seed)
        np.random.seed(seed)
        array = np.array(image.convert("RGB"))
        if self._takes == "albumentations":
            self._transform.set_random_seed(seed)
            result = self._transform(image=array)["image"]
        elif self._takes == "kornia":
            result = self._transform(torch.from_numpy(array).permute(2, 0, 1)[None].float() / 255)[0]
        elif self._takes == "tensor":
            result = self._transform(torch.from_numpy(array).permute(2, 0, 1).contiguous())
        else:
            result = self._transform(array if self._takes == "array" else image.convert("RGB"))
        found = self._image(result)
        if self._keeps_size and found.size != image.size:
            raise ValueError(
                f"{self._name} made {found.width} x {found.height} of {image.width} x {image.height} pixels: let it "
                "keep the size, or train at its size"
            )
        return found

    def _annotated(self, transform: Any) -> str:
        called = (
            transform if inspect.isroutine(transform) else getattr(transform, "forward", transform.__call__)
        )
        try:
            first = next(iter(inspect.signature(called).parameters.values()), None)
        except ValueError:  # of a function in C
            return "image"
        told = str(first.annotation) if first is not None else ""
        return "array" if "ndarray" in told else "tensor" if "Tensor" in told else "image"

    def _image(self, result: Any) -> PIL.Image.Image:
        if isinstance(result, PIL.Image.Image):
            return result.convert("RGB")
        if isinstance(result, torch.Tensor):
            result = result.detach().cpu()
            result = (result[0] if result.ndim == 4 else result).movedim(0, -1).numpy()
        if not isinstance(result, np.ndarray) or result.ndim not in (2, 3):
            raise TypeError(
                f"{self._name} returned {type(result).__name__}: return a PIL image, an array or a tensor"
            )
        if result.dtype != np.uint8:
            low, high = float(result.min()), float(result.max())
            if not (low >= -1e-3 and high <= 1 + 1e-3):
                raise ValueError(
                    f"{self._name} returned numbers from {low:.3g} to {high:.3g}: return uint8, or floats of 0 to 1. "
                    "Leave the normalisation out: it is done afterwards, for all contenders alike"
                )
            result = np.clip(result * 255 + 0.5, 0, 255).astype(np.uint8)
        result = np.squeeze(result, axis=2) if result.ndim == 3 and result.shape[2] == 1 else result
        return PIL.Image.fromarray(np.ascontiguousarray(result)).convert("RGB")

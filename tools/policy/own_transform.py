"""A transform of the user's own, named in a file or module, as a transform of a policy."""

from typing import Any

import PIL.Image

from tools.adapted_transform import AdaptedTransform
from tools.from_file import load


class OwnTransform:
    """A transform that is named in a file or module, loaded when it is made. Picklable: it is loaded again."""

    def __init__(self, reference: str, digest: str) -> None:
        """`digest` is that of its source, see `tools.from_file`.

        Raises:
            ConfigurationError: it cannot be loaded, or its source has another digest.
        """
        self._named = reference, digest
        self._adapted = AdaptedTransform(
            load(reference, "search.baselines or search.default", digest), reference
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return OwnTransform, self._named

    def __call__(self, image: PIL.Image.Image) -> PIL.Image.Image:
        """The augmented image, of the same size; see `AdaptedTransform`."""
        return self._adapted(image)

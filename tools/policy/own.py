"""A transform of the user's own as an operation of a policy: 'path/to/file.py:name@SHA-256 of its source'.

With it, a team's pipeline is a contender like any other: it is trained, stored, shown and compared by the same code.
The digest is part of the name, and so of every key: a file that was edited is refused, and never taken for what was
trained. Light: nothing is run until the transform is used (`own_transform.py`).
"""

import re

from tools.errors import ConfigurationError
from tools.from_file import is_pinned, is_reference, parts, pinned, short_name
from tools.policy.policy import Operation, Policy

__all__ = [
    "check_own",
    "is_own",
    "may_be_own",
    "own_policy",
    "parts",
    "pinned",
    "placeless",
    "short_name",
    "try_own",
]

_PLACE = re.compile(r'("name":")[^"]*?([^"/\\]+\.py:[\w.]+@[0-9a-f]{64}")')


def is_own(name: str) -> bool:
    """Whether an operation's name is that of a transform of the user's own."""
    return is_pinned(name)


def may_be_own(text: str) -> bool:
    """Whether `text`, as a person writes it, names a transform in a file or module."""
    return is_pinned(text.strip()) or is_reference(text)


def own_policy(text: str) -> Policy:
    """The policy that consists of the transform alone.

    Raises:
        ConfigurationError: there is no such file or module.
    """
    return Policy(operations=[Operation(name=pinned(text), probability=1.0, parameters=[])])


def check_own(operation: Operation, place: str) -> list[str]:
    """What is wrong with such an operation besides its name; it has neither a probability nor parameters."""
    if operation.probability == 1 and not operation.parameters:
        return []
    return [f"{place} is a transform of your own: it takes no probability and no parameters; leave them out"]


def placeless(canonical_policy: str) -> str:
    """A canonical policy without the folders of such files: the same source is the same policy wherever it lies."""
    return _PLACE.sub(r"\1\2", canonical_policy)


def try_own(policy: Policy, image_size: int) -> None:
    """Run the transforms of the user's own in `policy` on some noise of that size, so that a fault is told at once.

    Raises:
        ConfigurationError: one of them cannot be loaded or run, or returns no image of that size.
    """
    names = [operation.name for operation in policy.every_operation if is_own(operation.name)]
    if not names:
        return
    import numpy as np
    from PIL import Image

    from tools.policy.own_transform import OwnTransform

    for name in names:
        try:
            transform = OwnTransform(*parts(name))
            for seed in range(3):
                noise = np.random.default_rng(seed).integers(
                    0, 256, (image_size, image_size, 3), dtype=np.uint8
                )
                transform(Image.fromarray(noise))
        except ConfigurationError:
            raise
        except Exception as error:  # whatever a user's code raises
            raise ConfigurationError(
                f"{short_name(name)} failed on an image of {image_size} × {image_size} pixels: "
                f"{type(error).__name__}: {error}"
            ) from error

"""The table of data sets: a name, and what opens it. A new data set is a file of its own and a row here."""

from collections.abc import Callable
from difflib import get_close_matches

from tools.datasets.aptos import open_aptos
from tools.datasets.config import DataConfig
from tools.datasets.demo import open_demo
from tools.datasets.folder import open_folder
from tools.datasets.melanoma import open_melanoma
from tools.datasets.types import Dataset
from tools.errors import ConfigurationError

_OPENERS: dict[str, Callable[[DataConfig], Dataset]] = {
    "demo": open_demo,
    "folder": open_folder,
    "aptos": open_aptos,
    "melanoma": open_melanoma,
}


def dataset_names() -> list[str]:
    """Names that `data.dataset` may have."""
    return list(_OPENERS)


def open_dataset(config: DataConfig) -> Dataset:
    """Find the images and labels, and fix the splits; decodes nothing (`cache.build_cache` does).

    Args:
        config: where only `path` is set, it is opened as 'folder'; where nothing is set, 'demo' is.

    Raises:
        ConfigurationError: there is no data set of that name, or it does not go with the path.
        DataError: it is missing or malformed; the message says where it was looked for and how to get it.
    """
    name = config.dataset or ("folder" if config.path is not None else "demo")
    if name not in _OPENERS:
        near = get_close_matches(name, _OPENERS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigurationError(
            f"there is no data set {name!r}: {hint}Known are {', '.join(_OPENERS)}; for images of your own, use "
            "--data PATH."
        )
    return _OPENERS[name](config)

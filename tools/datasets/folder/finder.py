"""Find the images of a folder once, without the folders that the user excludes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.datasets.folder.companions import CompanionRule
from tools.datasets.folder.walk import ImageFiles, find_images, images_directly_in, subfolders
from tools.errors import ConfigurationError, did_you_mean


class ImageFinder:
    """The images below `root`; each folder is walked once."""

    def __init__(self, root: Path, excluded: Sequence[str] = (), companions: CompanionRule = "auto") -> None:
        """See `DataConfig.exclude` (names of folders at any depth, or their paths) and `DataConfig.companions`."""
        self.root = root
        self._companions: CompanionRule = companions
        cleaned = [each.replace("\\", "/").strip().strip("/").removeprefix("./") for each in excluded]
        self._names = {each.casefold() for each in cleaned if each and "/" not in each}
        self._paths = {each.casefold() for each in cleaned if "/" in each}
        self._found: dict[Path, ImageFiles] = {}
        self._direct: dict[Path, ImageFiles] = {}
        self._met: set[str] = set()
        self._seen: set[str] = set()
        self._asked = {each.casefold(): each for each in cleaned}

    def images(self, folder: Path) -> ImageFiles:
        """All images in `folder` and below; paths relative to `root`."""
        if folder not in self._found:
            self._found[folder] = find_images(folder, self.root, self._companions, self._is_excluded)
        return self._found[folder]

    def folders(self, place: Path) -> list[Path]:
        """Folders directly in `place` that are not excluded, sorted by name."""
        found = subfolders(place)
        return [each for each in found if not self._is_excluded(each.relative_to(self.root).as_posix())]

    def images_in(self, place: Path) -> ImageFiles:
        """Images directly in `place`; paths relative to `root`."""
        if place not in self._direct:
            self._direct[place] = images_directly_in(place, self.root, self._companions)
        return self._direct[place]

    def check_excluded(self) -> None:
        """Check, after everything was looked at, that each excluded folder is there.

        Raises:
            ConfigurationError: one is not; names the nearest.
        """
        for key, written in self._asked.items():
            if key and key not in self._met and not self._is_there(key):
                near = did_you_mean(written, self._seen)
                hint = f": {near} Give" if near else ". Give"
                raise ConfigurationError(
                    f"data.exclude: there is no folder {written!r} in {self.root}{hint} "
                    "the name of a folder, or its path relative to the data's folder."
                )

    def _is_there(self, key: str) -> bool:
        """Whether there is such a folder at all: it may hold no image (masks in another format)."""
        for place, folders, _ in os.walk(self.root):
            here = Path(place).relative_to(self.root)
            if any(key in (name.casefold(), (here / name).as_posix().casefold()) for name in folders):
                return True
        return False

    def _is_excluded(self, folder: str) -> bool:
        if not self._asked:
            return False
        path = folder.casefold()
        name = path.rpartition("/")[2]
        self._seen.add(folder.rpartition("/")[2])
        met = ({name} & self._names) | ({path} & self._paths)
        self._met |= met
        return bool(met)


@dataclass
class Folder:
    """A folder that holds images, in it or below."""

    path: Path
    direct: int = 0
    """Images that lie directly in it."""
    total: int = 0
    """Images in it and below."""
    below: "dict[str, Folder]" = field(default_factory=dict)
    """Folders directly in it that hold images, by name."""

    @property
    def name(self) -> str:
        """Of the folder."""
        return self.path.name


def folder_tree(finder: ImageFinder, base: Path) -> Folder:
    """`base` with all folders below it that hold images."""
    tree = Folder(base)
    files = [file for folder in finder.folders(base) for file in finder.images(folder).images]
    depth = len(base.relative_to(finder.root).parts)
    for file in (*files, *finder.images_in(base).images):
        node = tree
        node.total += 1
        for part in file.split("/")[depth:-1]:
            if part not in node.below:
                node.below[part] = Folder(node.path / part)
            node = node.below[part]
            node.total += 1
        node.direct += 1
    return tree


_WRAPPERS = frozenset(
    (
        *("archive", "content", "data", "dataset", "datasets", "files"),
        *("image", "images", "img", "imgs", "photos", "pictures"),
    )
)


def unwrapped(folder: Folder) -> Folder:
    """`folder`, or what is in it if it only wraps a folder of the same or a meaningless name (`test_set/test_set`)."""
    while not folder.direct and len(folder.below) == 1:
        (inner,) = folder.below.values()
        names = {folder.name.casefold(), inner.name.casefold()}
        if not inner.below or not (len(names) == 1 or names & _WRAPPERS):
            break
        folder = inner
    return folder

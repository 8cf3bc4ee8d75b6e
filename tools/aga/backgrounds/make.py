"""The table of background makers: a new one is a file in this folder and a row here."""

from collections.abc import Callable

from tools.aga.backgrounds.diffusion import DiffusionMaker
from tools.aga.backgrounds.diffusion_loading import check_sources, devices_for
from tools.aga.backgrounds.diffusion_workers import ShardedDiffusionMaker
from tools.aga.backgrounds.photos import FolderMaker
from tools.aga.backgrounds.scenes.maker import ScenesMaker
from tools.aga.backgrounds.textures.families import TextureMaker
from tools.aga.config import BackgroundConfig
from tools.aga.types import BackgroundMaker


def make_diffusion_maker(config: BackgroundConfig) -> BackgroundMaker:
    """The maker for kind 'diffusion': in this process on one device, or in one process for each of several GPUs.

    Loads no weights: they come with the first picture.

    Raises:
        ConfigurationError: no model at the path, the device does not exist, or settings contradict each other.
    """
    check_sources(config)
    devices = devices_for(config)
    if len(devices) == 1:
        return DiffusionMaker(config, devices[0])
    return ShardedDiffusionMaker(config, devices)


BACKGROUND_MAKERS: dict[str, Callable[[BackgroundConfig], BackgroundMaker]] = {
    "scenes": lambda config: ScenesMaker(),
    "folder": lambda config: FolderMaker(config.folder),
    "diffusion": make_diffusion_maker,
    "textures": lambda config: TextureMaker(),
}
"""`aga.background.kind` → what makes the maker from the settings."""


def make_background_maker(config: BackgroundConfig) -> BackgroundMaker:
    """The maker that `config.kind` names. Light: weights are loaded with the first picture.

    Raises:
        ConfigurationError: no photos in the folder, no model at the path, or the device does not exist.
    """
    return BACKGROUND_MAKERS[config.kind](config)

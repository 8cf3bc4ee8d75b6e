"""The table of background makers: a new one is a file in this folder and a row here."""

from collections.abc import Callable

from tools.aga.backgrounds.diffusion import make_diffusion_maker
from tools.aga.backgrounds.folder import FolderMaker
from tools.aga.backgrounds.textures.families import TextureMaker
from tools.aga.config import BackgroundConfig
from tools.aga.types import BackgroundMaker

BACKGROUND_MAKERS: dict[str, Callable[[BackgroundConfig], BackgroundMaker]] = {
    "textures": lambda config: TextureMaker(),
    "folder": lambda config: FolderMaker(config.folder),
    "diffusion": make_diffusion_maker,
}
"""`aga.background.kind` → what makes the maker from the settings."""


def make_background_maker(config: BackgroundConfig) -> BackgroundMaker:
    """The maker that `config.kind` names. Light: weights are loaded with the first picture.

    Raises:
        ConfigurationError: no photos in the folder, no model at the path, or the device does not exist.
    """
    return BACKGROUND_MAKERS[config.kind](config)

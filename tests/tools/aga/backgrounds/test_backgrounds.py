"""What every background maker promises, whichever back end draws; and what is particular to photos and textures."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.repository import ROOT
from tools.aga.backgrounds.make import BACKGROUND_MAKERS, make_background_maker
from tools.aga.backgrounds.photos import FolderMaker
from tools.aga.backgrounds.scenes.maker import ScenesMaker
from tools.aga.backgrounds.textures.families import FAMILIES, TextureMaker, draw
from tools.aga.config import BackgroundConfig
from tools.aga.types import BackgroundMaker
from tools.errors import ConfigurationError, DataError

CAPTIONS = ["a forest at dawn", "the sea in winter", "an empty street at night"]
SEEDS = [11, 12, 13]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six photos of different shape, format and mode, one of them in a folder below."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "below").mkdir()
    kinds = ["forest.jpg", "street.png", "IMG_3.webp", "below/sea.bmp", "e.tif", "f.gif"]
    for number, name in enumerate(kinds):
        size = (90 + 40 * number, 140)
        pixels = Image.fromarray(draw(f"photo {number}", number, 256)).resize(size)
        (pixels.convert("L") if name == "e.tif" else pixels).save(folder / name)
    return folder


@pytest.fixture(scope="module", params=["scenes", "folder", "diffusion", "textures"])
def maker(request: pytest.FixtureRequest) -> BackgroundMaker:
    return make_background_maker(config_of(request.param, request))


def config_of(kind: str, request: pytest.FixtureRequest) -> BackgroundConfig:
    if kind == "folder":
        return BackgroundConfig(kind="folder", folder=request.getfixturevalue("photos"))
    if kind == "diffusion":
        folder = request.getfixturevalue("tiny_sdxl")
        return BackgroundConfig(kind="diffusion", model=str(folder), steps=2, devices="cpu", batch_size=2)
    return BackgroundConfig.model_validate({"kind": kind})


def differ(left: np.ndarray, right: np.ndarray) -> int:
    """Largest difference in grey levels."""
    return int(np.abs(left.astype(int) - right.astype(int)).max())


def test_the_table_has_every_kind_of_the_settings() -> None:
    assert set(BACKGROUND_MAKERS) == set(get_args(BackgroundConfig.model_fields["kind"].annotation))


def test_identities_are_those_of_stores_made_before(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a photo")
    assert TextureMaker().identity == "textures/1"
    assert ScenesMaker().identity == "scenes/2"
    assert FolderMaker(tmp_path).identity == "folder/1 sha256:16a571dd9b14c904748df93ccbb975bd"


class TestEveryBackgroundMaker:
    @pytest.mark.parametrize("size", [16, 33])
    def test_makes_one_rgb_square_of_bytes_for_each_caption(self, maker: BackgroundMaker, size: int) -> None:
        pictures = maker.make(CAPTIONS, SEEDS, size)
        assert [(each.shape, each.dtype) for each in pictures] == [((size, size, 3), np.uint8)] * 3
        assert all(each.flags.c_contiguous and each.flags.writeable for each in pictures)

    def test_makes_nothing_of_nothing(self, maker: BackgroundMaker) -> None:
        assert maker.make([], [], 32) == []

    def test_repeats_itself_to_the_bit_in_another_instance_too(
        self, maker: BackgroundMaker, request: pytest.FixtureRequest
    ) -> None:
        other = make_background_maker(config_of(request.node.callspec.params["maker"], request))
        assert other.identity == maker.identity
        first, again, others = (each.make(CAPTIONS[:2], SEEDS[:2], 32) for each in (maker, maker, other))
        assert np.array_equal(first, again)
        assert np.array_equal(first, others)

    def test_another_seed_makes_another_picture(self, maker: BackgroundMaker) -> None:
        first, second = maker.make(CAPTIONS[:1] * 2, [1, 2], 32)
        assert differ(first, second) > 5

    def test_another_caption_makes_another_picture(
        self, maker: BackgroundMaker, request: pytest.FixtureRequest
    ) -> None:
        first, second = maker.make(CAPTIONS[:2], [5, 5], 32)
        assert differ(first, second) > 5

    def test_a_picture_does_not_depend_on_its_neighbours(self, maker: BackgroundMaker) -> None:
        together = maker.make(CAPTIONS, SEEDS, 32)
        backwards = maker.make(CAPTIONS[::-1], SEEDS[::-1], 32)[::-1]
        alone = [maker.make([each], [seed], 32)[0] for each, seed in zip(CAPTIONS, SEEDS, strict=True)]
        # A matrix product of another height may round otherwise, in the last bit of a float32.
        assert max(map(differ, together, alone)) <= 1
        assert max(map(differ, together, backwards)) <= 1

    def test_takes_any_seed_that_fits_64_bits(self, maker: BackgroundMaker) -> None:
        first, second = maker.make(CAPTIONS[:1] * 2, [0, 2**63 - 1], 16)
        assert differ(first, second) > 0

    def test_refuses_captions_without_seeds(self, maker: BackgroundMaker) -> None:
        with pytest.raises(ValueError):
            maker.make(CAPTIONS, SEEDS[:2], 32)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the families that are drawn, as they are."""
    names: list[str] = []
    for name, function in dict(FAMILIES).items():

        def draw_and_note(*arguments: Any, name: str = name, draw: Any = function) -> np.ndarray:
            names.append(name)
            return draw(*arguments)

        monkeypatch.setitem(FAMILIES, name, draw_and_note)
    return names


class TestTextures:
    def test_the_caption_chooses_among_all_families(self, drawn: list[str]) -> None:
        for number in range(120):
            draw(f"caption {number}", 0, 8)
        assert set(drawn) == set(FAMILIES)

    def test_captions_of_one_family_differ_in_colour(self, drawn: list[str]) -> None:
        pictures = [draw(f"caption {number}", 0, 32) for number in range(60)]
        marbles = [picture for picture, name in zip(pictures, drawn, strict=True) if name == "marble"]
        assert len({tuple(each.mean((0, 1)).round(1)) for each in marbles}) == len(marbles) > 1

    @pytest.mark.parametrize("name", sorted(FAMILIES))
    def test_a_family_draws_any_size_and_every_seed_looks_different(
        self, name: str, drawn: list[str]
    ) -> None:
        def is_of_the_family(caption: str) -> bool:
            draw(caption, 0, 1)
            return drawn[-1] == name

        caption = next(filter(is_of_the_family, map(str, range(1000))))
        pictures = [draw(caption, seed, 64) for seed in range(6)]
        assert min(each.std() for each in pictures) > 4
        distances = [differ(left, right) for at, left in enumerate(pictures) for right in pictures[:at]]
        assert min(distances) > 20
        assert [draw(caption, 0, size).shape for size in (1, 2, 7)] == [(1, 1, 3), (2, 2, 3), (7, 7, 3)]
        # The same scene at every size.
        small, large, unlike = (
            cv2.resize(each, (8, 8), interpolation=cv2.INTER_AREA).astype(float)
            for each in (pictures[3], draw(caption, 3, 256), pictures[4])
        )
        assert np.abs(small - large).mean() < max(6, 0.7 * np.abs(small - unlike).mean())

    def test_refuses_a_picture_without_pixels(self) -> None:
        with pytest.raises(ValueError):
            draw("a forest", 0, 0)

    def test_they_are_the_pictures_of_earlier_versions(self) -> None:
        pictures = TextureMaker().make([f"caption {number}" for number in range(40)], range(40), 24)
        mean = [round(float(each.mean()), 1) for each in pictures[:4]]
        assert mean == [107.9, 106.5, 167.2, 97.8]

    def test_needs_neither_torch_nor_diffusers(self) -> None:
        code = (
            "import sys; from tools.aga.backgrounds.make import make_background_maker as make; "
            "from tools.aga.config import BackgroundConfig; import tools.aga.backgrounds.diffusion_workers; "
            "make(BackgroundConfig()).make(['a forest'], [0], 16); "
            "make(BackgroundConfig(kind='diffusion', devices='cpu')).identity; "
            "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


class TestFolder:
    def test_uses_all_photos(self, photos: Path) -> None:
        maker = make_background_maker(BackgroundConfig(kind="folder", folder=photos))
        pictures = maker.make([""] * 60, range(60), 8)
        assert len({each.tobytes() for each in pictures}) == 60

    def test_a_caption_means_the_photos_that_have_its_words_in_their_names(self, tmp_path: Path) -> None:
        named = {
            "forest/IMG_0001.jpg": "red",
            "forest/at_night/IMG_0002.jpg": "maroon",
            "Beaches/DSC0007.png": "blue",
            "kitchen-table.png": "green",
            "IMG_0009.jpg": "white",
        }
        for name, colour in named.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (30, 30), colour).save(tmp_path / name)
        maker = make_background_maker(BackgroundConfig(kind="folder", folder=tmp_path))

        def shown(caption: str) -> set[str]:
            def nearest(picture: np.ndarray) -> str:
                away = {
                    name: differ(picture, np.array(Image.new("RGB", (8, 8), colour)))
                    for name, colour in named.items()
                }
                return min(away, key=away.__getitem__)

            return {nearest(each) for each in maker.make([caption] * 40, range(40), 8)}

        forest = {"forest/IMG_0001.jpg", "forest/at_night/IMG_0002.jpg"}
        assert shown("A macro photograph of a Forest, at noon") == forest
        assert shown("a forest at night") == {"forest/at_night/IMG_0002.jpg"}
        assert shown("the seaside in summer") == {"Beaches/DSC0007.png"}, "another word for the same"
        assert shown("a table") == {"kitchen-table.png"}
        assert shown("a photograph of a zeppelin") == set(named), "any, where no name has a word of it"

    def test_photos_without_words_are_those_of_stores_made_before(self, tmp_path: Path) -> None:
        for number in range(5):
            Image.new("RGB", (30, 30), (40 * number, 0, 0)).save(tmp_path / f"IMG_{number}.png")
        maker = make_background_maker(BackgroundConfig(kind="folder", folder=tmp_path))
        assert maker.identity.startswith("folder/1 ")
        first, second = maker.make(["a forest", "a beach"], [3, 3], 8)
        assert np.array_equal(first, second)
        Image.new("RGB", (30, 30)).save(tmp_path / "beach.png")
        maker = make_background_maker(BackgroundConfig(kind="folder", folder=tmp_path))
        assert maker.identity.startswith("folder/2 ")

    def test_a_crop_lies_within_the_photo(self, tmp_path: Path) -> None:
        Image.new("RGB", (301, 97), "white").save(tmp_path / "wide.png")
        Image.new("RGB", (64, 200), "white").save(tmp_path / "tall.png")
        maker = make_background_maker(BackgroundConfig(kind="folder", folder=tmp_path))
        assert min(each.min() for each in maker.make([""] * 40, range(40), 48)) == 255

    def test_a_crop_keeps_the_proportions(self, tmp_path: Path) -> None:
        canvas = np.full((200, 500, 3), 255, np.uint8)
        canvas[:, ::50] = 0  # a line every 50 pixels, across and down
        canvas[::50] = 0
        Image.fromarray(canvas).save(tmp_path / "lines.png")
        maker = make_background_maker(BackgroundConfig(kind="folder", folder=tmp_path))
        for picture in maker.make([""] * 5, range(5), 200):
            grey = picture.mean(2)
            along_x, along_y = (np.flatnonzero(grey.mean(axis) < 150) for axis in (0, 1))
            steps = [np.diff(each)[np.diff(each) > 5].mean() for each in (along_x, along_y)]
            assert steps[0] == pytest.approx(steps[1], rel=0.06)

    def test_turns_photos_as_their_exif_says(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        sideways = Image.new("RGB", (300, 100), "white")
        sideways.save(tmp_path / "sideways.jpg", exif=exif)
        maker = make_background_maker(BackgroundConfig(kind="folder", folder=tmp_path))
        assert min(each.min() for each in maker.make([""] * 20, range(20), 32)) == 255

    def test_its_identity_follows_the_bytes(self, tmp_path: Path) -> None:
        def identity() -> str:
            return make_background_maker(BackgroundConfig(kind="folder", folder=tmp_path)).identity

        Image.new("RGB", (30, 30), "red").save(tmp_path / "a.png")
        red = identity()
        assert identity() == red
        Image.new("RGB", (30, 30), "tan").save(tmp_path / "a.png")
        assert identity() != red

    def test_needs_a_folder(self) -> None:
        with pytest.raises(ConfigurationError, match=r"aga\.background\.folder"):
            make_background_maker(BackgroundConfig(kind="folder"))

    def test_a_missing_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=rf"{tmp_path}/nowhere \(aga\.background\.folder\)"):
            make_background_maker(BackgroundConfig(kind="folder", folder=tmp_path / "nowhere"))

    def test_a_folder_without_photos_says_what_it_has(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("none")
        with pytest.raises(ConfigurationError, match=r"\(aga\.background\.folder\).* 1 .*\.jpg"):
            make_background_maker(BackgroundConfig(kind="folder", folder=tmp_path))

    @pytest.mark.parametrize("content", [b"", None])
    def test_an_unreadable_photo_is_named(self, tmp_path: Path, content: bytes | None) -> None:
        file = tmp_path / "broken.jpg"
        if content is None:
            Image.fromarray(draw("x", 0, 64)).save(file)
            os.truncate(file, 700)
        else:
            file.write_bytes(content)
        maker = make_background_maker(BackgroundConfig(kind="folder", folder=tmp_path))
        with pytest.raises(DataError, match=r"broken\.jpg .*aga\.background\.folder"):
            maker.make([""], [0], 32)

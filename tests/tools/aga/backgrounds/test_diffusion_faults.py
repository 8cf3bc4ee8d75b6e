"""The diffusion back end when something is in the way, memory runs out, or several devices share the work."""

import logging
import os
import shutil
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tools.aga.backgrounds.diffusion_cases import (
    CAPTIONS,
    SEEDS,
    Recorder,
    Settings,
    pictures_of,
)
from tests.tools.aga.tiny_sdxl import SIDE
from tools.aga.backgrounds.diffusion import DiffusionMaker
from tools.aga.backgrounds.diffusion_loading import load_pipeline
from tools.aga.backgrounds.diffusion_workers import ShardedDiffusionMaker, shards
from tools.aga.backgrounds.make import make_background_maker
from tools.aga.config import BackgroundConfig
from tools.errors import AugurError, ConfigurationError


class TestErrors:
    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"model": "/nowhere/sdxl"}, "/nowhere/sdxl .*hf download"),
            ({"model": "../sdxl"}, r"\.\./sdxl \(aga.background.model\)"),
            ({"vae": "/nowhere/vae"}, r"/nowhere/vae \(aga.background.vae\)"),
            ({"lora": "/nowhere/lora"}, r"/nowhere/lora \(aga.background.lora\)"),
            ({"offload": "sequential"}, "aga.background.offload.*offload=none"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_come_before_any_work(self, settings: Settings, changes: dict[str, Any], says: str) -> None:
        with pytest.raises(ConfigurationError, match=says):
            make_background_maker(settings(**changes))

    def test_a_folder_of_something_else_is_refused(self, settings: Settings, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match=r"model_index\.json.*hf download"):
            make_background_maker(settings(model=str(tmp_path)))

    def test_a_single_file_is_refused(self, settings: Settings, tmp_path: Path) -> None:
        (tmp_path / "sdxl.safetensors").touch()
        with pytest.raises(ConfigurationError, match=r"from_single_file"):
            make_background_maker(settings(model=str(tmp_path / "sdxl.safetensors")))

    def test_cuda_asked_for_and_absent(self, settings: Settings) -> None:
        import torch

        if torch.cuda.is_available():
            pytest.skip("this machine has CUDA")
        with pytest.raises(ConfigurationError, match=r"no CUDA device.*aga.background.devices=auto"):
            make_background_maker(settings(devices="cuda"))

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"model": "nobody/nothing"}, "hf download nobody/nothing"),
            ({"vae": "nobody/vae"}, "nobody/vae .aga.background.vae.*hf download nobody/vae"),
            ({"lora": "nobody/lora/lcm.safetensors"}, "nobody/lora/lcm.safetensors .aga.background.lora"),
            ({"scheduler": "LCM"}, "no scheduler 'LCM'.*did you mean LCMScheduler"),
            ({"scheduler": "StableDiffusionXLPipeline"}, "no scheduler 'StableDiffusionXLPipeline'"),
            ({"scheduler": "DPMSolverSDEScheduler"}, "one noise for a whole batch"),
            ({"scheduler_options": {"spacing": 1}}, "no option 'spacing'.*timestep_spacing"),
            ({"variant": "fp16"}, "variant=fp16"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_come_with_the_first_picture(
        self, settings: Settings, changes: dict[str, Any], says: str
    ) -> None:
        with pytest.raises(ConfigurationError, match=says):
            pictures_of(settings(**changes))

    @pytest.mark.parametrize("damage", ["missing", "cut short"])
    def test_weights_that_are_not_whole_are_named(
        self, settings: Settings, tiny_sdxl: Path, tmp_path: Path, damage: str
    ) -> None:
        copy = shutil.copytree(tiny_sdxl, tmp_path / "copy")
        weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
        if damage == "missing":
            weights.unlink()
        else:
            os.truncate(weights, 1000)
        with pytest.raises(ConfigurationError, match=r"aga\.background\.model.*unet.*hf download"):
            pictures_of(settings(model=str(copy)))


class Cramped(Recorder):
    """The real pipeline on a device whose memory holds `most` pictures while its VAE decodes, as on small GPUs."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __call__(self, config: BackgroundConfig, device: str) -> Any:
        import torch

        pipeline = super().__call__(config, device)

        def allocate(_: Any, inputs: Any) -> None:
            if len(inputs[0]) > self.most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

        pipeline.vae.decoder.register_forward_pre_hook(allocate)
        return pipeline


class TestOutOfMemory:
    @pytest.mark.parametrize("dtype", ["float32", "float16"])
    def test_halves_the_batch_once_and_remembers(
        self, settings: Settings, dtype: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        # Memory runs out while a VAE in float16 is in float32: left so, it would refuse the next latents.
        cramped = Cramped(most=1)
        maker = DiffusionMaker(settings(batch_size=4, dtype=dtype), "cpu", cramped)
        with caplog.at_level(logging.WARNING, logger="tools.aga"):
            pictures = maker.make(CAPTIONS, SEEDS, SIDE)
            maker.make(CAPTIONS[:2], SEEDS[:2], SIDE)
        expected = pictures_of(settings(dtype=dtype, batch_size=1), count=5)
        assert np.abs(np.stack(pictures) - expected).max() <= 1
        assert cramped.batches == [4, 2, 1, 1, 1, 1, 1, 1, 1]
        [said] = [each.getMessage() for each in caplog.records if each.name.startswith("tools.aga")]
        assert "aga.background.batch_size=1" in said

    def test_with_a_single_picture_it_is_an_error_with_remedies(self, settings: Settings) -> None:
        maker = DiffusionMaker(settings(batch_size=2), "cpu", Cramped(most=0))
        with pytest.raises(AugurError, match=r"out of memory on cpu with a single background.*offload=model"):
            maker.make(CAPTIONS, SEEDS, SIDE)

    def test_other_errors_are_not_taken_for_it(self, settings: Settings) -> None:
        def load(config: BackgroundConfig, device: str) -> Any:
            pipeline = load_pipeline(config, device)
            pipeline.unet.to("meta")
            return pipeline

        with pytest.raises(RuntimeError) as caught:
            DiffusionMaker(settings(), "cpu", load).make(CAPTIONS, SEEDS, SIDE)
        assert not isinstance(caught.value, AugurError)


class TestSeveralDevices:
    @pytest.mark.parametrize(("count", "workers"), [(0, 2), (1, 3), (7, 3), (100, 8)])
    def test_shards_are_even_and_whole(self, count: int, workers: int) -> None:
        parts = shards(count, workers)
        rows = [row for part in parts for row in range(count)[part]]
        lengths = [part.stop - part.start for part in parts]
        assert rows == list(range(count))
        assert len(parts) == min(count, workers)
        assert not lengths or max(lengths) - min(lengths) <= 1

    def test_make_the_same_pictures_as_one_and_survive_a_death(self, settings: Settings) -> None:
        config = settings(batch_size=2)
        alone = DiffusionMaker(config, "cpu")
        with ShardedDiffusionMaker(config, ["cpu", "cpu"]) as maker:
            assert maker.identity == alone.identity
            pictures = maker.make(CAPTIONS, SEEDS, SIDE)
            expected = np.stack(alone.make(CAPTIONS, SEEDS, SIDE)).astype(int)
            assert np.abs(np.stack(pictures) - expected).max() <= 1
            workers = [each for each in active_children() if each.name == "backgrounds-cpu"]
            assert len(workers) == 2
            workers[1].kill()
            with pytest.raises(AugurError, match=r"backgrounds on cpu was killed by SIGKILL.*Run again"):
                maker.make(CAPTIONS, SEEDS, SIDE)
            assert not set(workers) & set(active_children())

    def test_an_error_in_a_worker_is_the_same_error_here(
        self, settings: Settings, tiny_sdxl: Path, tmp_path: Path
    ) -> None:
        copy = shutil.copytree(tiny_sdxl, tmp_path / "copy")
        with ShardedDiffusionMaker(settings(model=str(copy)), ["cpu"]) as maker:
            shutil.rmtree(copy)
            with pytest.raises(ConfigurationError, match=f"there is nothing at {copy}"):
                maker.make(CAPTIONS[:1], SEEDS[:1], SIDE)

"""The diffusion back end on a tiny SDXL that diffusers saved: what each setting does, and each replaced part."""

import json
import shutil
import warnings
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
from tests.tools.aga.tiny_sdxl import SIDE, build_tiny_sdxl, build_vae
from tools.aga.backgrounds.diffusion import DiffusionMaker
from tools.aga.backgrounds.diffusion_loading import load_pipeline
from tools.aga.backgrounds.make import make_background_maker
from tools.errors import AugurError, ConfigurationError


class TestSettings:
    @pytest.mark.parametrize(
        "changes",
        [
            {"steps": 3},
            {"guidance": 1.0},
            {"negative_prompt": "people"},
            {"scheduler": "LCMScheduler"},
            {"scheduler_options": {"timestep_spacing": "trailing"}},
            {"dtype": "bfloat16"},
            {"size": 24},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    def test_each_changes_the_pictures_and_the_identity(
        self, settings: Settings, changes: dict[str, Any]
    ) -> None:
        assert np.abs(pictures_of(settings(**changes)) - pictures_of(settings())).max() > 0
        assert (
            make_background_maker(settings(**changes)).identity != make_background_maker(settings()).identity
        )

    def test_the_identity_names_all_that_matters(self, settings: Settings) -> None:
        identity = json.loads(
            make_background_maker(settings(guidance=0.0, scheduler="LCMScheduler")).identity
        )
        assert identity["steps"] == 2
        assert identity["guidance"] == 0.0
        assert identity["scheduler"] == "LCMScheduler"
        assert identity["dtype"] == "float32"
        assert identity["model"].startswith("sha256:")
        assert {"size", "vae", "lora", "negative_prompt", "variant", "scheduler_options"} <= set(identity)

    @pytest.mark.parametrize("changes", [{"batch_size": 1}, {"attention_slicing": True}], ids=str)
    def test_what_only_saves_memory_changes_neither(
        self, settings: Settings, changes: dict[str, Any]
    ) -> None:
        assert np.abs(pictures_of(settings(**changes)) - pictures_of(settings())).max() <= 1
        assert (
            make_background_maker(settings(**changes)).identity == make_background_maker(settings()).identity
        )

    def test_unset_steps_and_guidance_are_the_pipelines_own(self, settings: Settings) -> None:
        direct = load_pipeline(settings(), "cpu")
        import torch

        theirs = direct(
            prompt=CAPTIONS[0], generator=torch.Generator("cpu").manual_seed(SEEDS[0]), output_type="np"
        ).images[0]
        assert direct.num_timesteps == 50
        assert direct.guidance_scale == 5.0
        ours = pictures_of(settings(steps=None), count=1)[0]
        assert np.abs(ours - (theirs * 255).round()).max() <= 1

    def test_the_scheduler_keeps_the_models_noise_schedule(self, settings: Settings) -> None:
        recorder = Recorder()
        config = settings(scheduler="LCMScheduler", scheduler_options={"original_inference_steps": 20})
        DiffusionMaker(config, "cpu", recorder).make(CAPTIONS[:1], SEEDS[:1], SIDE)
        scheduler = recorder.pipeline.scheduler
        assert type(scheduler).__name__ == "LCMScheduler"
        assert scheduler.config.original_inference_steps == 20
        assert scheduler.config.beta_end == 0.012

    @pytest.mark.parametrize("size", [8, 50])
    def test_the_result_has_the_size_asked_for_whatever_is_generated(
        self, settings: Settings, size: int
    ) -> None:
        picture = make_background_maker(settings(size=32)).make(CAPTIONS[:1], SEEDS[:1], size)[0]
        assert picture.shape == (size, size, 3)

    def test_the_models_identity_is_its_content_not_its_place(
        self, settings: Settings, tiny_sdxl: Path, tmp_path: Path
    ) -> None:
        copy = shutil.copytree(tiny_sdxl, tmp_path / "copy")
        original = make_background_maker(settings()).identity
        assert make_background_maker(settings(model=str(copy))).identity == original
        retrained = build_tiny_sdxl(tmp_path / "retrained", seed=1)  # every file has the same size
        assert make_background_maker(settings(model=str(retrained))).identity != original


class TestParts:
    def test_another_vae_is_used(self, settings: Settings, tmp_path: Path) -> None:
        build_vae(seed=5).save_pretrained(tmp_path / "vae")
        config = settings(vae=str(tmp_path / "vae"))
        assert np.abs(pictures_of(config) - pictures_of(settings())).max() > 5
        assert make_background_maker(config).identity != make_background_maker(settings()).identity

    def test_a_whole_model_stands_for_its_vae(self, settings: Settings, tiny_sdxl: Path) -> None:
        assert np.array_equal(pictures_of(settings(vae=str(tiny_sdxl))), pictures_of(settings()))

    def test_something_else_is_no_vae(self, settings: Settings, tiny_sdxl: Path) -> None:
        with pytest.raises(ConfigurationError, match="UNet2DConditionModel, which decodes no pictures"):
            pictures_of(settings(vae=str(tiny_sdxl / "unet")))

    @pytest.mark.parametrize("as_file", [True, False], ids=["file", "folder"])
    def test_a_lora_is_added_to_the_weights(self, settings: Settings, tmp_path: Path, as_file: bool) -> None:
        write_lora(load_pipeline(settings(), "cpu"), tmp_path)
        config = settings(lora=str(tmp_path / "pytorch_lora_weights.safetensors" if as_file else tmp_path))
        recorder = Recorder()
        maker = DiffusionMaker(config, "cpu", recorder)
        changed = maker.make(CAPTIONS[:2], SEEDS[:2], SIDE)
        assert np.abs(np.stack(changed) - pictures_of(settings())).max() > 5
        assert maker.identity != make_background_maker(settings()).identity

    def test_a_file_that_is_no_lora_is_refused(self, settings: Settings, tiny_sdxl: Path) -> None:
        wrong = tiny_sdxl / "vae" / "diffusion_pytorch_model.safetensors"
        with pytest.raises(ConfigurationError, match=r"aga\.background\.lora"):
            pictures_of(settings(lora=str(wrong)))

    def test_the_vae_decodes_in_float32_where_float16_would_overflow(self, settings: Settings) -> None:
        recorder = Recorder()
        maker = DiffusionMaker(settings(dtype="float16"), "cpu", recorder)
        seen: list[str] = []
        maker.make(CAPTIONS[:1], SEEDS[:1], SIDE)
        recorder.pipeline.vae.decoder.register_forward_pre_hook(
            lambda module, inputs: seen.append(f"{module.conv_in.weight.dtype} {inputs[0].dtype}")
        )
        maker.make(CAPTIONS[:1], SEEDS[:1], SIDE)
        assert seen == ["torch.float32 torch.float32"]
        assert "float16" in str(recorder.pipeline.unet.dtype)

    def test_an_overflow_is_an_error_not_a_black_picture(self, settings: Settings, tmp_path: Path) -> None:
        import torch

        vae = build_vae(seed=0)
        with torch.no_grad():
            vae.decoder.conv_out.bias.fill_(torch.inf)
            vae.decoder.conv_out.weight.fill_(torch.nan)
        vae.save_pretrained(tmp_path / "vae")
        with pytest.raises(AugurError, match=r"not numbers in float32.*use aga\.background\.dtype=bfloat16"):
            pictures_of(settings(vae=str(tmp_path / "vae")))

    def test_prints_nothing(
        self, settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        write_lora(load_pipeline(settings(), "cpu"), tmp_path)
        capfd.readouterr()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            pictures_of(settings(dtype="float16", lora=str(tmp_path), scheduler="LCMScheduler"))
        assert capfd.readouterr() == ("", "")
        assert [str(each.message) for each in caught] == []


def write_lora(pipeline: Any, folder: Path) -> None:
    """A LoRA of random weights for the U-Net, as diffusers writes it."""
    import torch
    from peft import LoraConfig
    from peft.utils.save_and_load import get_peft_model_state_dict

    torch.manual_seed(0)
    targets = ["to_q", "to_k", "to_v", "to_out.0"]
    pipeline.unet.add_adapter(LoraConfig(r=4, lora_alpha=16, init_lora_weights=False, target_modules=targets))
    type(pipeline).save_lora_weights(folder, unet_lora_layers=get_peft_model_state_dict(pipeline.unet))

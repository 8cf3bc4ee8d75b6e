"""Text-to-image models of several families: what is known of them, and tiny likenesses through the production code."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.tools.aga.backgrounds.tiny_models import BUILDERS, build_tiny
from tools.aga.backgrounds.diffusion import DiffusionMaker, diffusion_identity
from tools.aga.backgrounds.diffusion_loading import dtype_name
from tools.aga.backgrounds.model_families import LORAS, MODELS, family_of, with_defaults
from tools.aga.config import BackgroundConfig


def config(**fields: object) -> BackgroundConfig:
    return BackgroundConfig.model_validate({"kind": "diffusion", **fields})


def test_the_papers_model_has_the_pipelines_own_defaults_and_the_key_that_it_always_had() -> None:
    paper = config()
    assert with_defaults(paper) == paper
    assert json.loads(diffusion_identity(paper, "cuda:0")) == {
        "kind": "diffusion",
        "model": "stabilityai/stable-diffusion-xl-base-1.0",
        **dict.fromkeys(
            ("steps", "guidance", "scheduler", "size", "negative_prompt", "variant", "vae", "lora")
        ),
        "scheduler_options": {},
        "dtype": "float16",
    }


def test_what_is_unset_follows_the_model_and_what_is_set_stays() -> None:
    turbo = with_defaults(config(model="stabilityai/sdxl-turbo"))
    assert (turbo.steps, turbo.guidance, turbo.size) == (1, 0.0, 512)
    assert with_defaults(config(model="stabilityai/sdxl-turbo", steps=4)).steps == 4
    flux = config(model="black-forest-labs/FLUX.1-schnell")
    assert dtype_name(flux, "cuda:0") == "bfloat16"
    assert dtype_name(flux, "cpu") == "float32"
    assert (
        dtype_name(config(model="black-forest-labs/FLUX.1-schnell", dtype="float16"), "cuda:0") == "float16"
    )
    lightning = with_defaults(config(lora="ByteDance/SDXL-Lightning/sdxl_lightning_4step_lora.safetensors"))
    assert lightning.scheduler == "EulerDiscreteScheduler"
    assert lightning.scheduler_options == {"timestep_spacing": "trailing"}
    assert with_defaults(config(model="somebody/else")) == config(model="somebody/else")


def test_a_folder_is_known_by_the_models_name_and_a_cache_by_the_hubs(tmp_path: Path) -> None:
    for name in ("sdxl-turbo", "models--stabilityai--sdxl-turbo/snapshots/1234", "my-model"):
        (tmp_path / name).mkdir(parents=True)
    assert family_of(config(model=str(tmp_path / "sdxl-turbo"))).steps == 1
    assert (
        family_of(config(model=str(tmp_path / "models--stabilityai--sdxl-turbo/snapshots/1234"))).steps == 1
    )
    assert family_of(config(model=str(tmp_path / "my-model"))).steps is None


def test_every_model_of_the_table_says_its_licence_and_how_much_it_fetches() -> None:
    for family in (*MODELS.values(), *LORAS.values()):
        assert family.licence
        assert family.gigabytes


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_a_likeness_of_each_family_is_loaded_and_paints(name: str, tmp_path: Path) -> None:
    folder = build_tiny(name, tmp_path)
    maker = DiffusionMaker(config(model=str(folder), steps=2, size=32, devices="cpu"), "cpu")
    first, second = maker.make(["a meadow at noon", "a street, at night"], [1, 2], 24)
    assert first.shape == second.shape == (24, 24, 3)
    assert first.dtype == np.uint8
    assert not np.array_equal(first, second)
    (alone,) = maker.make(["a meadow at noon"], [1], 24)
    assert np.abs(first.astype(int) - alone).max() <= 2, "not by its neighbours"
    guidance = json.loads(maker.identity)["guidance"]
    assert guidance == MODELS[name].guidance

"""A Stable Diffusion XL that is real in every part and tiny: random weights, saved as the real one is distributed.

U-Net, VAE, two CLIP text encoders, two CLIP tokenizers and the Euler scheduler with SDXL's own settings. It makes
pictures of 16 px that show nothing, but that depend on the caption and on the noise.
"""

import importlib
import json
from pathlib import Path
from typing import Any

SIDE = 16
"""Pixels of what it makes by default: latents of 8, a VAE that doubles them."""

_END_OF_WORD = "</w>"
_TOKENS = 77


def build_tiny_sdxl(folder: Path, seed: int = 0) -> Path:
    """Write the pipeline into `folder`; the weights are a function of `seed`. Returns the folder."""
    import torch
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    diffusers = _diffusers()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizers = [
            build_tokenizer(folder.with_name(f"{folder.name}-tokens-{pad}"), pad) for pad in ("e", "!")
        ]
        text = _text_config(len(tokenizers[0]))
        pipeline = diffusers.StableDiffusionXLPipeline(
            vae=build_vae(),
            text_encoder=CLIPTextModel(text),
            text_encoder_2=CLIPTextModelWithProjection(text),
            tokenizer=tokenizers[0],
            tokenizer_2=tokenizers[1],
            unet=diffusers.UNet2DConditionModel(
                block_out_channels=(16, 32),
                layers_per_block=1,
                sample_size=SIDE // 2,
                in_channels=4,
                out_channels=4,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                attention_head_dim=(2, 4),
                use_linear_projection=True,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                transformer_layers_per_block=(1, 2),
                projection_class_embeddings_input_dim=6 * 8 + 32,
                cross_attention_dim=2 * 32,
                norm_num_groups=8,
            ),
            scheduler=diffusers.EulerDiscreteScheduler(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                steps_offset=1,
                timestep_spacing="leading",
            ),
            force_zeros_for_empty_prompt=True,
            add_watermarker=False,
        )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def build_vae(seed: int | None = None) -> Any:
    """A tiny AutoencoderKL with random weights; by `seed` where given. Like SDXL's, it is unsafe in float16."""
    import torch

    if seed is not None:
        torch.manual_seed(seed)
    return _diffusers().AutoencoderKL(
        block_out_channels=(8, 16),
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=SIDE,
        scaling_factor=0.13025,
        force_upcast=True,
    )


def build_tokenizer(folder: Path, pad: str) -> Any:
    """CLIP's tokenizer with a vocabulary of the 26 letters, the digits and a few merges, read from files.

    SDXL pads with the end token for its first text encoder and with "!" for the second: `pad` is "e" or "!".
    """
    from transformers import CLIPTokenizer

    merges = ["t h", "i n", "e r</w>", "th e</w>", "o n", "a n", "in g</w>"]
    characters = "!abcdefghijklmnopqrstuvwxyz0123456789,.-"
    tokens = [*characters, *(each + _END_OF_WORD for each in characters)]
    tokens += [merge.replace(" ", "") for merge in merges]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")
    return CLIPTokenizer(
        str(folder / "vocab.json"),
        str(folder / "merges.txt"),
        pad_token="<|endoftext|>" if pad == "e" else "!",
        model_max_length=_TOKENS,
    )


def _diffusers() -> Any:
    """diffusers, whose own types are too narrow for its own classes."""
    return importlib.import_module("diffusers")


def _text_config(vocabulary: int) -> Any:
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        hidden_size=32,
        intermediate_size=37,
        layer_norm_eps=1e-5,
        num_attention_heads=4,
        num_hidden_layers=3,
        vocab_size=vocabulary,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
        max_position_embeddings=_TOKENS,
        hidden_act="gelu",
        projection_dim=32,
    )

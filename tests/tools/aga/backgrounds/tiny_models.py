"""Tiny text-to-image models with random weights, each real in every part and saved as the published one is."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.tools.aga.tiny_sdxl import build_tiny_sdxl, build_tokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.-'\"`:!?()*#<>|/_=+"
WORDS = 64
"""Entries of a vocabulary, at least."""


def build_tiny(name: str, folder: Path) -> Path:
    """Write the model of OWNER/NAME into folder/NAME; returns that."""
    import torch

    target = folder / name.rpartition("/")[2]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BUILDERS[name](target)
    return target


def _diffusers() -> Any:
    return importlib.import_module("diffusers")


def _transformers() -> Any:
    return importlib.import_module("transformers")


def _clip(folder: Path, projection: bool) -> tuple[Any, Any]:
    """A CLIP text encoder and its tokenizer."""
    transformers = _transformers()
    tokenizer = build_tokenizer(folder.with_name(f"{folder.name}-clip-{projection}"), "e")
    size = len(tokenizer)
    config = transformers.CLIPTextConfig(
        hidden_size=32,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=2,
        vocab_size=size,
        bos_token_id=size - 2,
        eos_token_id=size - 1,
        pad_token_id=size - 1,
        max_position_embeddings=77,
        projection_dim=32,
    )
    kind = transformers.CLIPTextModelWithProjection if projection else transformers.CLIPTextModel
    return kind(config), tokenizer


def _t5() -> tuple[Any, Any]:
    transformers = _transformers()
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -9.0), ("▁", -2.0)]
    pieces += [(letter, -3.0) for letter in LETTERS]
    tokenizer = transformers.T5TokenizerFast(vocab=pieces, extra_ids=0)
    config = transformers.T5Config(
        d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4, vocab_size=len(tokenizer)
    )
    return transformers.T5EncoderModel(config), tokenizer


def _vae(channels: int, **options: Any) -> Any:
    return _diffusers().AutoencoderKL(
        sample_size=32,
        in_channels=3,
        out_channels=3,
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=4,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.06,
        scaling_factor=1.5,
        **options,
    )


def _sd3(folder: Path) -> None:
    diffusers = _diffusers()
    first, first_tokens = _clip(folder, True)
    second, second_tokens = _clip(folder.with_name(f"{folder.name}-2"), True)
    third, third_tokens = _t5()
    diffusers.StableDiffusion3Pipeline(
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=16,
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=32,
            pooled_projection_dim=64,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(4),
        text_encoder=first,
        tokenizer=first_tokens,
        text_encoder_2=second,
        tokenizer_2=second_tokens,
        text_encoder_3=third,
        tokenizer_3=third_tokens,
    ).save_pretrained(folder, safe_serialization=True)


def _flux(folder: Path) -> None:
    diffusers = _diffusers()
    encoder, tokenizer = _clip(folder, False)
    second, second_tokens = _t5()
    diffusers.FluxPipeline(
        transformer=diffusers.FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=False,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_vae(4),
        text_encoder=encoder,
        tokenizer=tokenizer,
        text_encoder_2=second,
        tokenizer_2=second_tokens,
    ).save_pretrained(folder, safe_serialization=True)


def _sana(folder: Path) -> None:
    diffusers, transformers = _diffusers(), _transformers()
    vocabulary = {
        word: number
        for number, word in enumerate(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", "\n", *LETTERS])
    }
    tokenizer = transformers.GemmaTokenizer(vocab=vocabulary, merges=[])
    config = transformers.Gemma2Config(
        head_dim=16,
        hidden_size=8,
        intermediate_size=64,
        num_attention_heads=2,
        num_hidden_layers=1,
        num_key_value_heads=2,
        vocab_size=len(vocabulary) + 8,
        attn_implementation="eager",
    )
    both = ("ResBlock", "EfficientViTBlock")
    diffusers.SanaPipeline(
        transformer=diffusers.SanaTransformer2DModel(
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=4,
            num_cross_attention_heads=2,
            cross_attention_head_dim=4,
            cross_attention_dim=8,
            caption_channels=8,
            sample_size=32,
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=diffusers.AutoencoderDC(
            in_channels=3,
            latent_channels=4,
            attention_head_dim=2,
            encoder_block_types=both,
            decoder_block_types=both,
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            encoder_qkv_multiscales=((), (5,)),
            decoder_qkv_multiscales=((), (5,)),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=(1, 1),
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            decoder_norm_types="rms_norm",
            decoder_act_fns="silu",
            scaling_factor=0.41407,
        ),
        text_encoder=transformers.Gemma2Model(config),
        tokenizer=tokenizer,
    ).save_pretrained(folder, safe_serialization=True, variant="bf16")


def _z_image(folder: Path) -> None:
    diffusers, transformers = _diffusers(), _transformers()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {word: number for number, word in enumerate([*special, "Ġ", "Ċ", *LETTERS])}
    tokenizer = transformers.Qwen2Tokenizer(vocab=vocabulary, merges=[], unk_token="<|endoftext|>")
    tokenizer.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    config = transformers.Qwen3Config(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        vocab_size=len(vocabulary) + 8,
        max_position_embeddings=512,
    )
    diffusers.ZImagePipeline(
        transformer=diffusers.ZImageTransformer2DModel(
            all_patch_size=(2,),
            all_f_patch_size=(1,),
            in_channels=16,
            dim=32,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            qk_norm=True,
            cap_feat_dim=16,
            rope_theta=256.0,
            t_scale=1000.0,
            axes_dims=[8, 4, 4],
            axes_lens=[256, 32, 32],
        ),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
        vae=_vae(16),
        text_encoder=transformers.Qwen3Model(config),
        tokenizer=tokenizer,
    ).save_pretrained(folder, safe_serialization=True)


def _turbo(folder: Path) -> None:
    build_tiny_sdxl(folder)


BUILDERS: dict[str, Callable[[Path], None]] = {
    "stabilityai/sdxl-turbo": _turbo,
    "stabilityai/stable-diffusion-3.5-medium": _sd3,
    "black-forest-labs/FLUX.1-schnell": _flux,
    "Efficient-Large-Model/Sana_1600M_1024px_BF16_diffusers": _sana,
    "Tongyi-MAI/Z-Image-Turbo": _z_image,
}
"""OWNER/NAME → what writes its tiny likeness into a folder."""

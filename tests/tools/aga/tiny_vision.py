"""Detectors and segmenters with random weights, saved as the real ones are distributed, in seconds."""

import contextlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tools.aga.detectors.grounding_dino import bert_of_transformers_5
from tools.aga.types import SourceImage

WORDS = ("bird", "ant", "bee", "black", "insect")

GROUNDING_DINO_CONFIG = """\
batch_size = 1
modelname = "groundingdino"
backbone = "swin_T_224_1k"
position_embedding = "sine"
pe_temperatureH = 20
pe_temperatureW = 20
return_interm_indices = [1, 2, 3]
backbone_freeze_keywords = None
enc_layers = 1
dec_layers = 1
pre_norm = False
dim_feedforward = 64
hidden_dim = 256
dropout = 0.0
nheads = 8
num_queries = 12
query_dim = 4
num_patterns = 0
num_feature_levels = 4
enc_n_points = 4
dec_n_points = 4
two_stage_type = "standard"
two_stage_bbox_embed_share = False
two_stage_class_embed_share = False
transformer_activation = "relu"
dec_pred_bbox_embed_share = True
dn_box_noise_scale = 1.0
dn_label_noise_ratio = 0.5
embed_init_tgt = True
dn_labelbook_size = 2000
max_text_len = 256
text_encoder_type = "{text_encoder}"
use_text_enhancer = True
use_fusion_layer = True
use_checkpoint = True
use_transformer_ckpt = True
use_text_cross_attention = True
text_dropout = 0.0
fusion_dropout = 0.0
fusion_droppath = 0.1
sub_sentence_present = True
"""
"""The published GroundingDINO_SwinT_OGC.py with fewer layers, queries and channels."""


def save_bert(folder: Path) -> Path:
    """A BERT and its tokenizer, as bert-base-uncased lies on the hub."""
    from transformers import BertConfig, BertModel, BertTokenizer

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?"]
    vocabulary = [*special, *letters, *(f"##{letter}" for letter in letters), *WORDS]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary), "utf-8")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(1)
    BertModel(_bert_config(len(vocabulary), BertConfig)).save_pretrained(folder)
    return folder


def save_grounding_dino(folder: Path) -> tuple[Path, Path]:
    """Configuration and checkpoint of groundingdino-py; its text encoder lies beside them as `bert`.

    As in the published file, the weights lie under 'model', their names begin with 'module.', and two of them belong to
    training and to an older BERT.
    """
    from groundingdino.models import build_model
    from groundingdino.util.slconfig import SLConfig

    save_bert(folder / "bert")
    config = folder / "GroundingDINO_tiny.py"
    config.write_text(GROUNDING_DINO_CONFIG.format(text_encoder="bert"), "utf-8")
    settings = SLConfig.fromfile(str(config))
    settings.text_encoder_type = str(folder / "bert")
    settings.device = "cpu"
    torch.manual_seed(2)
    with contextlib.redirect_stdout(io.StringIO()), bert_of_transformers_5():
        model = build_model(settings)
    _spread(model)
    state = {f"module.{name}": weight for name, weight in model.state_dict().items()}
    state["module.label_enc.weight"] = torch.zeros(2001, 256)
    state["module.bert.embeddings.position_ids"] = torch.arange(512)[None]
    torch.save({"model": state}, folder / "groundingdino_tiny.pth")
    return config, folder / "groundingdino_tiny.pth"


def save_transformers_grounding_dino(folder: Path) -> Path:
    """A GroundingDINO of `transformers`, as IDEA-Research/grounding-dino-tiny lies on the hub."""
    from transformers import (
        AutoTokenizer,
        BertConfig,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
        SwinConfig,
    )

    tokenizer = AutoTokenizer.from_pretrained(save_bert(folder.with_name(f"{folder.name}-bert")))
    sizes: dict[str, Any] = {"depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "out_indices": [2, 3, 4]}
    swin = SwinConfig(embed_dim=8, window_size=4, image_size=64, **sizes)
    config = GroundingDinoConfig(
        backbone_config=swin,
        text_config=_bert_config(len(tokenizer), BertConfig),
        d_model=64,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=12,
    )
    torch.manual_seed(3)
    model = GroundingDinoForObjectDetection(config)
    _spread(model)
    model.save_pretrained(folder)
    GroundingDinoProcessor(GroundingDinoImageProcessor(), tokenizer).save_pretrained(folder)
    return folder


def save_tiny_sam(file: Path) -> Mapping[str, Callable[[], Any]]:
    """A SAM of 64 px, with the names of the weights of the real ones; returns what builds it."""
    torch.manual_seed(4)
    torch.save(_tiny_sam().state_dict(), file)
    return {"vit_b": _tiny_sam}


def save_tiny_sam2(folder: Path, *, of_video: bool = False) -> Path:
    """A SAM 2 of 64 px, as facebook/sam2.1-hiera-tiny lies on the hub: `of_video`, or of images alone."""
    from transformers import (
        Sam2Config,
        Sam2HieraDetConfig,
        Sam2ImageProcessor,
        Sam2MaskDecoderConfig,
        Sam2Model,
        Sam2Processor,
        Sam2PromptEncoderConfig,
        Sam2VideoConfig,
        Sam2VideoModel,
        Sam2VisionConfig,
    )

    hiera = Sam2HieraDetConfig(
        hidden_size=8,
        num_attention_heads=1,
        image_size=[64, 64],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[8, 4, 4, 4],
        global_attention_blocks=[3],
        window_positional_embedding_background_size=[4, 4],
    )
    vision = Sam2VisionConfig(
        backbone_config=hiera,
        backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
        fpn_hidden_size=16,
    )
    parts: dict[str, Any] = {
        "vision_config": vision,
        "prompt_encoder_config": Sam2PromptEncoderConfig(hidden_size=16, image_size=64, patch_size=16),
        "mask_decoder_config": Sam2MaskDecoderConfig(
            hidden_size=16, mlp_dim=16, num_attention_heads=2, iou_head_hidden_dim=16
        ),
    }
    torch.manual_seed(5)
    if of_video:
        memory: dict[str, Any] = {
            "image_size": 64,
            "memory_attention_hidden_size": 16,
            "memory_attention_num_layers": 1,
            "memory_attention_num_attention_heads": 1,
            "memory_attention_feed_forward_hidden_size": 16,
            "memory_attention_rope_feat_sizes": [4, 4],
            "memory_encoder_hidden_size": 16,
            "memory_encoder_output_channels": 8,
            "mask_downsampler_embed_dim": 16,
            "memory_fuser_num_layers": 1,
            "memory_fuser_embed_dim": 16,
            "memory_fuser_intermediate_dim": 16,
        }
        Sam2VideoModel(Sam2VideoConfig(**parts, **memory)).save_pretrained(folder)
    else:
        Sam2Model(Sam2Config(**parts)).save_pretrained(folder)
    sizes: dict[str, Any] = {"size": {"height": 64, "width": 64}, "mask_size": {"height": 16, "width": 16}}
    Sam2Processor(Sam2ImageProcessor(**sizes), target_size=64).save_pretrained(folder)
    return folder


def save_tiny_sam3(folder: Path) -> Path:
    """A SAM 3 of 56 px, in the format of facebook/sam3."""
    from transformers import (
        CLIPTextConfig,
        CLIPTokenizer,
        Sam3Config,
        Sam3DETRDecoderConfig,
        Sam3DETREncoderConfig,
        Sam3GeometryEncoderConfig,
        Sam3ImageProcessor,
        Sam3MaskDecoderConfig,
        Sam3Model,
        Sam3Processor,
        Sam3VisionConfig,
        Sam3ViTConfig,
    )

    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    tokenizer = CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, merges=[], model_max_length=32
    )
    vit = Sam3ViTConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=56,
        window_size=2,
        global_attn_indexes=[1],
        pretrain_image_size=28,
    )
    text = CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=32,
        projection_dim=16,
        bos_token_id=0,
        eos_token_id=1,
    )
    small: dict[str, Any] = {"hidden_size": 32, "num_attention_heads": 2}
    layers: dict[str, Any] = {"num_layers": 1, "intermediate_size": 32, **small}
    torch.manual_seed(6)
    model = Sam3Model(
        Sam3Config(
            vision_config=Sam3VisionConfig(
                backbone_config=vit, fpn_hidden_size=32, backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]]
            ),
            text_config=text.to_dict(),
            geometry_encoder_config=Sam3GeometryEncoderConfig(**layers),
            detr_encoder_config=Sam3DETREncoderConfig(**layers),
            detr_decoder_config=Sam3DETRDecoderConfig(num_queries=6, **layers),
            mask_decoder_config=Sam3MaskDecoderConfig(**small),
        )
    )
    _spread(model)
    model.save_pretrained(folder)
    processor = Sam3ImageProcessor(size={"height": 56, "width": 56}, mask_size={"height": 16, "width": 16})
    Sam3Processor(processor, tokenizer, target_size=56).save_pretrained(folder)
    return folder


def save_vit_b(file: Path) -> None:
    """SAM's own vit_b (94 million weights, 375 MB), untrained."""
    from segment_anything import sam_model_registry

    torch.manual_seed(5)
    torch.save(sam_model_registry["vit_b"]().state_dict(), file)


def source(pixels: np.ndarray, index: int = 0) -> SourceImage:
    return SourceImage(index, f"train/{index:04d}.jpg", pixels, 0, str(index), f"{index:064x}")


def spot(height: int = 60, width: int = 80, *, seed: int = 0, grey: bool = False) -> np.ndarray:
    """A noisy dark ground with a bright disc, a quarter of the height in radius, in its middle: uint8 (H, W, 3)."""
    generator = np.random.default_rng(seed)
    pixels = generator.normal((50, 80, 40), 6, (height, width, 3))
    disc = disc_of(height, width)
    pixels[disc] = generator.normal((220, 190, 60), 6, (int(disc.sum()), 3))
    pixels = pixels.clip(0, 255).astype(np.uint8)
    return np.repeat(pixels[..., :1], 3, axis=2) if grey else pixels


def disc_of(height: int, width: int) -> np.ndarray:
    rows, columns = np.ogrid[:height, :width]
    return (rows - height / 2) ** 2 + (columns - width / 2) ** 2 <= (height / 4) ** 2


def _bert_config(vocabulary: int, config: Any) -> Any:
    return config(
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=512,
    )


def _spread(model: nn.Module) -> None:
    """Untrained, every box is its proposal, and every score nearly 0 or 1: make them differ."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "bbox_embed" in name and "layers.2" in name:
                weight.normal_(std=0.3)
            if name.endswith(("decoder.norm.weight", "decoder.layer_norm.weight")):
                weight.mul_(0.1)


def _tiny_sam() -> Any:
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    return Sam(
        image_encoder=ImageEncoderViT(
            depth=2,
            embed_dim=16,
            img_size=64,
            mlp_ratio=2,
            norm_layer=nn.LayerNorm,
            num_heads=2,
            patch_size=8,
            qkv_bias=True,
            use_rel_pos=True,
            global_attn_indexes=(1,),
            window_size=3,
            out_chans=32,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=32, image_embedding_size=(8, 8), input_image_size=(64, 64), mask_in_chans=4
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=1, embedding_dim=32, mlp_dim=32, num_heads=2),
            transformer_dim=32,
            iou_head_depth=2,
            iou_head_hidden_dim=16,
        ),
    )

"""A language model with random weights, in the published format: it knows letters, and writes nonsense."""

from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

SIDE, FORWARD, HEADS = 32, 64, 2


def write(file: Path) -> Path:
    """A model of the kind 'llama' with one layer, and with one token for each byte."""
    words = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    words += [chr(code) for code in range(33, 127)] + ["▁"]
    kinds = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL]
    kinds += [TokenType.BYTE] * 256 + [TokenType.NORMAL] * (len(words) - 259)
    writer = GGUFWriter(file, "llama")
    writer.add_context_length(2048)
    writer.add_embedding_length(SIDE)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(SIDE // HEADS)
    writer.add_vocab_size(len(words))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(words)
    writer.add_token_scores([0.0] * len(words))
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    draw = np.random.default_rng(0)
    shapes = {
        "token_embd": (len(words), SIDE),
        "output": (len(words), SIDE),
        "blk.0.attn_q": (SIDE, SIDE),
        "blk.0.attn_k": (SIDE, SIDE),
        "blk.0.attn_v": (SIDE, SIDE),
        "blk.0.attn_output": (SIDE, SIDE),
        "blk.0.ffn_gate": (FORWARD, SIDE),
        "blk.0.ffn_up": (FORWARD, SIDE),
        "blk.0.ffn_down": (SIDE, FORWARD),
    }
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", draw.normal(0, 0.5, shape).astype(np.float32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(SIDE, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file

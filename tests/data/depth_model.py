"""A tiny depth model of `transformers` with random weights."""

from pathlib import Path

import pytest
import torch


def write(folder: Path) -> Path:
    """Writes a GLPN, which tells metres, with its image processor; skips without transformers."""
    transformers = pytest.importorskip("transformers", reason="an optional extra: huggingface")
    from transformers.models.glpn.image_processing_pil_glpn import GLPNImageProcessorPil

    torch.manual_seed(0)
    config = transformers.GLPNConfig(
        num_encoder_blocks=4,
        depths=[1] * 4,
        hidden_sizes=[8, 8, 16, 16],
        num_attention_heads=[1, 1, 2, 2],
        decoder_hidden_size=8,
    )
    transformers.GLPNForDepthEstimation(config).save_pretrained(folder)
    GLPNImageProcessorPil().save_pretrained(folder)
    return folder

"""Promptable models of the SAM family, tiny and random: they show mechanics, never quality."""

from pathlib import Path
from typing import Any

import torch

SIDE = 128  # of the canvas; the grid of the decoder has a quarter of it
PROMPT = {"hidden_size": 32, "image_size": SIDE, "patch_size": 16, "mask_input_channels": 4}
DECODER = {
    "hidden_size": 32,
    "mlp_dim": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "iou_head_hidden_dim": 16,
}
VIT = {
    "hidden_size": 32,
    "output_channels": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "window_size": 4,
    "global_attn_indexes": [1],
    "num_pos_feats": 16,
    "mlp_dim": 32,
}
PYRAMID = {
    "fpn_hidden_size": 32,
    "backbone_feature_sizes": [[SIDE // stride, SIDE // stride] for stride in (4, 8, 16)],
}
HIERA = {
    "model_type": "sam2_hiera_det_model",
    "hidden_size": 16,
    "image_size": [SIDE, SIDE],
    "blocks_per_stage": [1, 1, 2, 1],
    "embed_dim_per_stage": [16, 32, 64, 128],
    "num_attention_heads_per_stage": [1, 1, 2, 2],
    "window_size_per_stage": [4, 4, 4, 4],
    "global_attention_blocks": [3],
}
REPVIT = {
    "model_type": "timm_wrapper",
    "architecture": "repvit_m0_9",
    "num_classes": 2,
    "model_args": {
        "in_chans": 3,
        "features_only": True,
        "out_indices": [0, 1, 2, 3],
        "embed_dim": [8, 16, 24, 32],
        "depth": [1, 1, 1, 1],
    },
}


def tiny_sam(family: str, seed: int = 0) -> Any:
    """Make a model with weights large enough that its masks are no noise of single pixels."""
    import transformers

    classes, vision, decoder = {
        "sam": (("SamConfig", "SamModel"), VIT, DECODER),
        "sam_hq": (("SamHQConfig", "SamHQModel"), VIT, DECODER | {"vit_dim": 32}),
        "sam2": (
            ("Sam2Config", "Sam2Model"),
            PYRAMID | {"backbone_config": HIERA, "backbone_channel_list": [128, 64, 32, 16]},
            DECODER,
        ),
        "edgetam": (
            ("EdgeTamConfig", "EdgeTamModel"),
            PYRAMID | {"backbone_config": REPVIT, "backbone_channel_list": [32, 24, 16, 8]},
            DECODER,
        ),
    }[family]
    config, model = (getattr(transformers, name) for name in classes)
    torch.manual_seed(seed)
    made = model(
        config(vision_config=vision, prompt_encoder_config=PROMPT, mask_decoder_config=decoder)
    )
    for name, parameter in made.mask_decoder.named_parameters():
        if "mlp" in name and parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.5)
    return made.eval()


def write_sam(folder: Path, family: str, seed: int = 0) -> Path:
    """Save one as `save_pretrained` does."""
    tiny_sam(family, seed).save_pretrained(folder)
    return folder

"""Vision transformers of timm by name, as backbones of a dense prediction.

Legend: B images, H W pixels, p pixels of a patch's side, D channels of a token.
"""

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ray_wssis.models.backbone import load_backbone_weights, near_names
from ray_wssis.models.dpt_config import ViTConfig
from ray_wssis.models.vision import Eva, VisionTransformer, timm

NUM_MAPS = 4


class ViTBackbone(nn.Module):
    """Normalised pixels -> the tokens after four blocks, as maps."""

    def __init__(self, config: ViTConfig, blocks: tuple[int, ...] | None) -> None:
        super().__init__()
        self.body = create_vit(config)
        depth = len(self.body.blocks)
        self.blocks = blocks or tuple(
            max(0, depth * quarter // NUM_MAPS - 1) for quarter in range(1, NUM_MAPS + 1)
        )
        if max(self.blocks) >= depth:
            raise ValueError(
                f"backbone {config.name}: blocks {list(self.blocks)} are wanted, it has 0 to "
                f"{depth - 1}"
            )
        self.body.prune_intermediate_layers(list(self.blocks), prune_head=True)
        self.patch: int = self.body.patch_embed.patch_size[0]
        self.num_channels: int = self.body.embed_dim
        self.frozen = config.frozen
        if config.frozen:
            self.requires_grad_(False)

    def train(self, mode: bool = True) -> "ViTBackbone":
        return super().train(mode and not self.frozen)  # no dropped paths while it stands still

    def forward(self, pixels: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B D _ _"]]:
        """Compute four maps, H / p by W / p; H and W are multiples of p.

        Position embeddings are resized to the number of patches.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            # A block may be wanted twice in a network of fewer than four.
            found: list[Tensor] = self.body.forward_intermediates(
                pixels, indices=sorted(set(self.blocks)), norm=True, intermediates_only=True
            )
        maps = dict(zip(sorted(set(self.blocks)), found, strict=True))
        return [maps[block] for block in self.blocks]


def create_vit(config: ViTConfig) -> Any:
    """Create the vision transformer, without its classifier.

    Raises ValueError for a name that is no plain vision transformer, or weights that are not
    available or do not fit.
    """
    name, weights = config.name, config.weights
    if not timm.is_model(name):
        raise ValueError(f"backbone {name!r} is not a network of timm; near it: {near_names(name)}")
    if weights == "offline":
        raise ValueError(f"backbone {name}: it has no weights offline; choose hub | none | a file")
    try:
        network: Any = timm.create_model(
            name, pretrained=weights == "hub", num_classes=0, dynamic_img_size=True
        )
    except TypeError:  # it knows no images of other sizes
        network = None
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"backbone {name}: the weights could not be loaded from the hub ({error}); use a "
            "local file, or none"
        ) from error
    if not is_plain(network):
        raise ValueError(
            f"backbone {name}: the decoder dpt needs a plain vision transformer, for instance "
            "vit_small_patch14_dinov2; a convolutional network goes with the decoder deeplab"
        )
    if weights not in ("hub", "none"):
        family = timm.models.eva if isinstance(network, Eva) else timm.models.vision_transformer
        load_backbone_weights(network, Path(weights), convert=family.checkpoint_filter_fn)
    return network


def is_plain(network: object) -> bool:
    """Return whether it cuts an image into square patches and keeps their number."""
    if not isinstance(network, VisionTransformer | Eva):
        return False
    sides = network.patch_embed.patch_size
    return bool(sides[0] == sides[1] and sides[0] > 1 and sides[0] % 2 == 0)

"""EoMT: a plain vision transformer that finds objects by itself (arXiv:2503.19108).

"Your ViT is Secretly an Image Segmentation Model": queries join the tokens of the image before the
last layers, and each becomes a class, or none, and a mask, its product with the tokens brought to
a quarter of the input.  The network and its loss are those of transformers, an optional extra.

Differs from the paper: in training a fixed share of the queries looks at its own mask only, where
the paper anneals it from all to none; none does afterwards, as in the paper.  Pixels of ignore
regions are blanked, so that nothing is learnt about what they show.

Legend: B images, K classes and none, Q queries, S pixels of the canvas's side, h = w = S / 4.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from ray_wssis.models.backbone import normalise
from ray_wssis.models.backbone_config import PIXEL_MEAN, PIXEL_STD
from ray_wssis.models.eomt_config import STRIDE, EoMTConfig
from ray_wssis.models.solov2 import MASK_STRIDE
from ray_wssis.models.solov2_config import InferenceConfig
from ray_wssis.models.solov2_inference import Detections
from ray_wssis.models.solov2_targets import Instances

SURE = 0.5  # probability of a pixel of the mask
CLASS_PART = "class_predictor"  # depends on the number of classes


@dataclass(frozen=True, kw_only=True)
class QueryOutput:
    class_logits: Float[Tensor, "B Q K"]  # the last one: no object
    mask_logits: Float[Tensor, "B Q h w"]


class EoMT(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, config: EoMTConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.model = create_model(config, num_classes)
        # A list, since a graph that is exported cannot ask a tensor whether a layer has masks.
        del self.model.attn_mask_probs
        self.model.attn_mask_probs = [0.0] * config.query_layers
        for name, values in (("mean", PIXEL_MEAN), ("std", PIXEL_STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]) -> QueryOutput:
        """Run the network on RGB canvases of at most S by S, with an image top left in each.

        `sizes` are height and width of the images.  An image does not depend on its canvas, which
        is always padded to S by S.
        """
        output = self.model(pixel_values=self.pixels(images, sizes))
        return self.brought(output.class_queries_logits, output.masks_queries_logits)

    def loss(
        self,
        images: UInt8[Tensor, "B 3 H W"],
        sizes: Int[Tensor, "B 2"],
        instances: Instances,
        ignored: Bool[Tensor, "B _ _"] | None,
    ) -> Float[Tensor, ""]:
        """Compute the published loss: of classes and masks, after each layer with queries.

        `ignored` are quarter-size pixels of ignore regions.
        """
        pixels = self.pixels(images, sizes)
        if ignored is not None:
            whole = ignored.repeat_interleave(MASK_STRIDE, 1).repeat_interleave(MASK_STRIDE, 2)
            pixels = pixels * ~self.squared(whole)[:, None]
        masks = self.squared(instances.masks, self.config.side // MASK_STRIDE).float()
        own = [instances.image == place for place in range(len(images))]
        probabilities = self.model.attn_mask_probs
        self.model.attn_mask_probs = [self.config.masked] * self.config.query_layers
        try:
            output = self.model(
                pixel_values=pixels,
                mask_labels=[masks[mine] for mine in own],
                class_labels=[instances.labels[mine] for mine in own],
            )
        finally:
            self.model.attn_mask_probs = probabilities
        total: Tensor = output.loss
        return total

    def pixels(
        self, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> Float[Tensor, "B 3 S S"]:
        return self.squared(normalise(images, sizes, self.mean, self.std))

    def squared(self, maps: Tensor, side: int | None = None) -> Tensor:
        """Pad maps (..., H, W) at the bottom and the right."""
        side = self.config.side if side is None else side
        height, width = maps.shape[-2:]
        assert max(height, width) <= side, f"a canvas of {height} x {width} is larger than {side}"
        return pad(maps, (0, side - width, 0, side - height))

    def brought(
        self, class_logits: Float[Tensor, "B Q K"], mask_logits: Float[Tensor, "B Q _ _"]
    ) -> QueryOutput:
        quarter = self.config.side // MASK_STRIDE
        if mask_logits.shape[-1] != quarter:
            mask_logits = interpolate(mask_logits, size=(quarter, quarter), mode="bilinear")
        return QueryOutput(class_logits=class_logits, mask_logits=mask_logits)


def create_model(config: EoMTConfig, num_classes: int) -> Any:
    """Create the network of transformers.

    Raises ValueError if the optional extra is missing, or if there are no such weights, or weights
    of another network.
    """
    if any(find_spec(name) is None for name in ("transformers", "scipy")):
        raise ValueError("eomt needs the optional extra: pip install 'ray-wssis[eomt]'")
    from transformers import EomtConfig, EomtForUniversalSegmentation

    wanted = EomtConfig(
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        image_size=config.side,
        patch_size=STRIDE,
        num_queries=config.queries,
        num_blocks=config.query_layers,
        num_register_tokens=config.register_tokens,
        num_labels=num_classes,
    )
    if config.weights == "none":
        return EomtForUniversalSegmentation(wanted)
    try:
        network, report = EomtForUniversalSegmentation.from_pretrained(
            config.weights, config=wanted, ignore_mismatched_sizes=True, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(f"eomt.weights {config.weights} cannot be loaded: {error}") from error
    unfit = [*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])]
    unfit = [key for key in unfit if CLASS_PART not in key and "criterion" not in key]
    if unfit:
        raise ValueError(
            f"eomt.weights {config.weights}: {len(unfit)} tensors are missing or of another shape, "
            f"for instance {unfit[0]}; set width, layers, heads, queries and side to those of its "
            "config.json"
        )
    return network


@torch.inference_mode()
def detect_queries(output: QueryOutput, config: InferenceConfig) -> list[Detections]:
    """Find the instances of each image: a query is the object of its best class.

    Its score is the probability of the class, times the mean probability of its mask's pixels.
    """
    return [
        best_queries(logits, masks, config)
        for logits, masks in zip(output.class_logits, output.mask_logits, strict=True)
    ]


def best_queries(
    class_logits: Float[Tensor, "Q K"],
    mask_logits: Float[Tensor, "Q h w"],
    config: InferenceConfig,
) -> Detections:
    masks, labels, scores = ranked_queries(class_logits, mask_logits)
    kept = (scores >= config.min_score).nonzero().flatten()[: config.max_instances]
    return Detections(masks=masks[kept], labels=labels[kept], scores=scores[kept])


def ranked_queries(
    class_logits: Float[Tensor, "Q K"], mask_logits: Float[Tensor, "Q h w"]
) -> tuple[Float[Tensor, "Q h w"], Int[Tensor, " Q"], Float[Tensor, " Q"]]:
    """Return masks, labels and scores of all queries, best first."""
    best, labels = class_logits.float().softmax(-1)[:, :-1].max(-1)
    masks = mask_logits.float().sigmoid()
    inside = (masks > SURE).float()
    quality = (masks * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
    scores, order = (best * quality).sort(descending=True, stable=True)
    return masks[order], labels[order], scores

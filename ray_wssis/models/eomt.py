"""EoMT: a plain vision transformer that finds objects by itself (arXiv:2503.19108).

"Your ViT is Secretly an Image Segmentation Model": queries join the tokens of the image before the
last layers, and each becomes a class, or none, and a mask, its product with the tokens brought to
a quarter of the input.  The network and its loss are those of transformers, an optional extra.

Differs from the paper: in training a fixed share of the queries looks at its own mask only, where
the paper anneals it from all to none; none does afterwards, as in the paper.  Pixels of ignore
regions are blanked, so that nothing is learnt about what they show.

Legend: B images, K classes, Q queries, S pixels of the canvas's side, h = w = S / 4.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ray_wssis.models.backbone import normalise
from ray_wssis.models.backbone_config import PIXEL_MEAN, PIXEL_STD
from ray_wssis.models.eomt_config import STRIDE, EoMTConfig
from ray_wssis.models.queries import QueryOutput, blanked, check_extra, pretrained, squared
from ray_wssis.models.solov2 import MASK_STRIDE
from ray_wssis.models.solov2_targets import Instances

OF_CLASSES = ("class_predictor", "criterion")  # depend on the number of classes


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
        pixels = blanked(self.pixels(images, sizes), ignored)
        masks = squared(instances.masks, self.config.side // MASK_STRIDE).float()
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
        return squared(normalise(images, sizes, self.mean, self.std), self.config.side)

    def brought(
        self, class_logits: Float[Tensor, "B Q _"], mask_logits: Float[Tensor, "B Q _ _"]
    ) -> QueryOutput:
        quarter = self.config.side // MASK_STRIDE
        if mask_logits.shape[-1] != quarter:
            mask_logits = interpolate(mask_logits, size=(quarter, quarter), mode="bilinear")
        scores = class_logits.float().softmax(-1)[..., :-1]  # the last one: no object
        return QueryOutput(class_scores=scores, mask_logits=mask_logits)

    def backbone_parameters(self) -> list[nn.Parameter]:
        return [*self.model.embeddings.parameters(), *self.model.layers.parameters()]


def create_model(config: EoMTConfig, num_classes: int) -> Any:
    """Create the network of transformers.

    Raises ValueError if the optional extra is missing, or if there are no such weights, or weights
    of another network.
    """
    check_extra("eomt")
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
    return pretrained(EomtForUniversalSegmentation, wanted, "eomt", config.weights, OF_CLASSES)

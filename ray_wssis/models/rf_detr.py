"""RF-DETR with its head for masks: a detection transformer on windows of DINOv2.

"RF-DETR: Neural Architecture Search for Real-Time Detection Transformers" (arXiv:2511.09554).  The
likeliest tokens of the image become boxes, which queries refine in a decoder that looks at a few
places of the image each; the mask of a query is its product with the tokens brought to a quarter of
the input.  In training several groups of queries learn side by side; one is used afterwards.  The
network and its loss are those of transformers, an optional extra.

Differs from the paper: the score of an object is the probability of its class, times the mean
probability of its mask's pixels, as with our other networks, and a query is one object at most.
Pixels of ignore regions are blanked, so that nothing is learnt about what they show.

Legend: B images, K classes, Q queries, N objects, S pixels of the canvas's side, h = w = S / 4.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from ray_wssis.models.backbone import normalise, shown
from ray_wssis.models.backbone_config import PIXEL_MEAN, PIXEL_STD
from ray_wssis.models.queries import QueryOutput, blanked, check_extra, pretrained, squared
from ray_wssis.models.rf_detr_config import MASK_SHARE, RFDETRConfig
from ray_wssis.models.solov2 import MASK_STRIDE
from ray_wssis.models.solov2_targets import Instances

OF_CLASSES = ("class_embed",)  # depend on the number of classes
CROSS_HEAD, SELF_HEAD = 16, 32  # channels of a head of the decoder, as published
INNER = 8  # times the width of the decoder, in its layers, as published


class RFDETR(nn.Module):
    mean: Tensor
    std: Tensor

    def __init__(self, config: RFDETRConfig, num_classes: int) -> None:
        super().__init__()
        self.config = config
        self.model = create_model(config, num_classes)
        for name, values in (("mean", PIXEL_MEAN), ("std", PIXEL_STD)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]) -> QueryOutput:
        """Run the network on RGB canvases, with an image of at most S by S top left in each.

        `sizes` are height and width of the images.  An image does not depend on its canvas, which
        always becomes S by S.
        """
        side = self.config.side
        output = self.model(
            pixel_values=self.pixels(images, sizes), pixel_mask=shown(sizes, side, side).long()
        )
        return QueryOutput(
            class_scores=output.logits.float().sigmoid(), mask_logits=output.pred_masks
        )

    def loss(
        self,
        images: UInt8[Tensor, "B 3 H W"],
        sizes: Int[Tensor, "B 2"],
        instances: Instances,
        ignored: Bool[Tensor, "B _ _"] | None,
    ) -> Float[Tensor, ""]:
        """Compute the published loss: of classes, boxes and masks, after each layer.

        `ignored` are quarter-size pixels of ignore regions.
        """
        pixels = blanked(self.pixels(images, sizes), ignored)
        masks = squared(instances.masks, self.config.side // MASK_STRIDE).float()
        seen = masks.flatten(1).any(1)  # a box needs a pixel
        objects = [seen & (instances.image == place) for place in range(len(images))]
        output = self.model(
            pixel_values=pixels,
            pixel_mask=shown(sizes, self.config.side, self.config.side).long(),
            labels=[
                {
                    "class_labels": instances.labels[mine],
                    "boxes": boxes_of(masks[mine]),
                    "masks": masks[mine],
                }
                for mine in objects
            ],
        )
        total: Tensor = output.loss
        if total.numel() != 1:  # without any object, the losses of masks have no element
            parts = [part.sum() for key, part in output.loss_dict.items() if "loss" in key]
            total = torch.stack(parts).sum() + 0 * output.pred_masks.sum()
        return total.squeeze()

    def pixels(
        self, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> Float[Tensor, "B 3 S S"]:
        return squared(normalise(images, sizes, self.mean, self.std), self.config.side)

    def backbone_parameters(self) -> list[nn.Parameter]:
        return list(self.model.model.model.backbone.parameters())


def boxes_of(masks: Float[Tensor, "N h w"]) -> Float[Tensor, "N 4"]:
    """Centre, width and height of masks, none of them empty, as shares of the canvas."""
    side = masks.shape[-1]
    spans = []
    for axis in (1, 2):  # over rows: where columns begin and end
        on = (masks > 0).any(axis).float()  # (N, side)
        first, last = on.argmax(1), side - on.flip(1).argmax(1)
        spans.append((first / side, last / side))
    (left, right), (top, bottom) = spans
    return torch.stack(
        [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top], dim=1
    )  # (N, 4)


def create_model(config: RFDETRConfig, num_classes: int) -> Any:
    """Create the network of transformers.

    Raises ValueError if the optional extra is missing, or if there are no such weights, or weights
    of another network.
    """
    check_extra("rf_detr")
    from transformers import RfDetrConfig, RfDetrDinov2Config, RfDetrForInstanceSegmentation

    backbone = RfDetrDinov2Config(
        image_size=config.side,
        patch_size=config.patch,
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        out_features=[f"stage{layer}" for layer in config.looked_at],
        num_windows=config.windows,
        use_mask_token=False,
    )
    wanted = RfDetrConfig(
        backbone_config=backbone,
        d_model=config.decoder_width,
        decoder_layers=config.decoder_layers,
        decoder_self_attention_heads=max(1, config.decoder_width // SELF_HEAD),
        decoder_cross_attention_heads=max(1, config.decoder_width // CROSS_HEAD),
        decoder_ffn_dim=INNER * config.decoder_width,
        num_queries=config.queries,
        group_detr=config.groups,
        num_labels=num_classes,
        mask_downsample_ratio=MASK_SHARE,
        dropout=0.0,
    )
    if config.weights == "none":
        return RfDetrForInstanceSegmentation(wanted)
    return pretrained(RfDetrForInstanceSegmentation, wanted, "rf_detr", config.weights, OF_CLASSES)

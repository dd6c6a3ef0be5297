"""DRS: what a classifier likes best is capped, so it needs its neighbours too (arXiv:2103.07246).

Every activation of the backbone is limited to a share of the highest value of its channel, in
training and at work.

Differs from the paper: the share is fixed, as in its first variant; no network regresses the maps
afterwards.
"""

from torch import Tensor, nn

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.SiLU, nn.Hardswish, nn.GELU)


class Capped(nn.Module):
    """An activation limited to `share` of the highest value of each channel of an image."""

    def __init__(self, activation: nn.Module, share: float) -> None:
        super().__init__()
        self.activation = activation
        self.share = share

    def forward(self, values: Tensor) -> Tensor:
        active: Tensor = self.activation(values)
        if active.ndim < 4:  # of a channel attention: one value for a channel
            return active
        highest = active.amax(dim=(2, 3), keepdim=True).clamp(min=0)
        return active.minimum(self.share * highest)


def cap_activations(network: nn.Module, share: float) -> None:
    """Cap every activation of a network.  Raises ValueError if there is none to cap."""
    found = [
        (module, name, child)
        for module in network.modules()
        for name, child in module.named_children()
        if isinstance(child, ACTIVATIONS)
    ]
    if not found:
        raise ValueError(
            "regulariser drs: the backbone has no activation that could be capped; choose another, "
            "for instance resnet50"
        )
    for module, name, child in found:
        setattr(module, name, Capped(child, share))

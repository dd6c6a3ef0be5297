"""Networks: backbone, widths, crops of the refiner, and the rates that suit them."""

import math
from dataclasses import dataclass

from ray_wssis.instance.fingerprint.fingerprint import Fingerprint
from ray_wssis.models.mask_refine_net_config import CROP_MULTIPLE
from ray_wssis.recipes.plan.decision import Decision, Tree
from ray_wssis.recipes.plan.machine import Machine
from ray_wssis.recipes.plan.sizes import NetworkSize

OFFLINE = "tf_efficientnet_lite0"
LARGE = "resnet50.tv_in1k"
SMALL_IMAGE = 200 * 200  # network pixels


@dataclass(frozen=True, kw_only=True)
class Widths:
    """Channels of a network, and the learning rate and decay that go with them."""

    pyramid: int
    head: int
    num_convs: int
    mask: int
    kernel: int
    groups: int
    aspp: int
    decoder: tuple[int, int, int, int]
    rate: float
    refiner_rate: float
    decay: float
    why: str


def choose_widths(found: Fingerprint, size: NetworkSize, machine: Machine) -> Widths:
    """Choose channels by the machine, and on a small one by what there is to tell apart."""
    if machine.has_large_gpu:
        return Widths(
            pyramid=256,
            head=512,
            num_convs=4,
            mask=128,
            kernel=256,
            groups=32,
            aspp=256,
            decoder=(256, 128, 64, 64),
            rate=2e-4,
            refiner_rate=5e-4,
            decay=0.05,
            why=f"the published width, which {machine.name} can train",
        )
    classes = len(found.masks_per_class)
    pixels = size.shorter**2 * found.aspect
    narrow = classes == 1 or pixels < SMALL_IMAGE
    reason = "1 class" if classes == 1 else f"{classes} classes"
    width = 64 if narrow else 128
    return Widths(
        pyramid=width,
        head=width,
        num_convs=2,
        mask=64,
        kernel=64,
        groups=8 if narrow else 16,
        aspp=width,
        decoder=(64, 48, 32, 32) if narrow else (128, 64, 48, 32),
        rate=1e-3 if narrow else 5e-4,
        refiner_rate=2e-3,
        decay=0.01 if narrow else 0.05,
        why=f"{reason} on images of {pixels / 1000:.0f}k network pixels, {machine.name}",
    )


def choose_backbone(machine: Machine) -> Tree:
    """Choose a network with ImageNet weights that is at hand."""
    name, weights = OFFLINE, "offline"
    why = "small, and its ImageNet weights are installed"
    if machine.has_large_gpu:
        name, weights = LARGE, "hub"
        why = f"{machine.name} can train it; its ImageNet weights are downloaded"
    elif not machine.has_offline_weights:
        weights = "hub"
        why = "small; its weights are downloaded (the extra offline-backbone brings them along)"
    return {"name": Decision(name, why), "weights": Decision(weights, "ImageNet's")}


def segmenter_network(backbone: Tree, grids: Decision, widths: Widths) -> Tree:
    return {
        "backbone": {
            **backbone,
            "frozen_stages": Decision(1, "the first filters suit every image"),
            "norm": Decision("batch", "statistics of these images, not of ImageNet"),
        },
        "grids": grids,
        "pyramid_channels": Decision(widths.pyramid, widths.why),
        "head_channels": Decision(widths.head, "as the pyramid"),
        "num_head_convs": Decision(widths.num_convs, "goes with the width"),
        "mask_channels": Decision(widths.mask, "goes with the width"),
        "kernel_channels": Decision(widths.kernel, "goes with the width"),
        "norm_groups": Decision(widths.groups, f"{widths.head // widths.groups} channels each"),
    }


def inference(found: Fingerprint) -> Tree:
    """Choose how many objects an answer may hold."""
    most = found.most
    instances = 100 if most <= 100 else min(1000, 50 * math.ceil(1.1 * most / 50))
    return {
        "max_candidates": Decision(max(500, 3 * instances // 2), "cells that are drawn at most"),
        "max_instances": Decision(instances, f"the fullest image has {most} objects"),
    }


def refiner_model(found: Fingerprint, backbone: Tree, widths: Widths, machine: Machine) -> Tree:
    """Choose crops that hold a rough mask twice over at about the size it has."""
    name, weights = backbone["name"], backbone["weights"]
    assert isinstance(name, Decision) and isinstance(weights, Decision)
    typical = math.sqrt(found.medium * found.large)
    most = 256 if machine.has_large_gpu else 128
    crop = min(most, max(64, CROP_MULTIPLE * math.ceil(2 * typical / CROP_MULTIPLE)))
    return {
        "encoder": Decision(name.value, "as the teacher's backbone"),
        "weights": Decision(weights.value, "as the teacher's backbone"),
        "crop_size": Decision(
            crop, f"twice an object of {typical:.0f} pixels; 64 at least, {most} at most"
        ),
        "aspp_width": Decision(widths.aspp, "goes with the width of the teacher"),
        "decoder_widths": Decision(list(widths.decoder), "goes with the width of the teacher"),
    }

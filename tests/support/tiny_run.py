"""Folders of runs whose networks are tiny and untrained: quickly made, and served."""

from pathlib import Path

import torch
from upath import UPath

from ray_wssis.data.builtin.shapes import CATEGORIES
from ray_wssis.data.records import Category
from ray_wssis.instance.area_prior import AreaPrior
from ray_wssis.instance.quality import QualityModel
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.metrics.calibration import Regression
from ray_wssis.models.backbone_config import BackboneConfig
from ray_wssis.models.deeplab_config import DeepLabConfig
from ray_wssis.models.mask_refine_net import MaskRefineNet
from ray_wssis.models.mask_refine_net_config import MaskRefineNetConfig
from ray_wssis.models.semantic_network import create_network
from ray_wssis.models.solov2 import SOLOv2
from ray_wssis.models.solov2_config import InferenceConfig
from ray_wssis.semantic.segmenter import SemanticSegmenter
from ray_wssis.semantic.segmenter_config import SemanticConfig
from ray_wssis.storage import write_json
from tests.support.tiny import TINY

SEGMENTER = SegmenterConfig(
    network=TINY,
    shorter=96,
    longest=160,
    inference=InferenceConfig(max_candidates=40),
)
REFINER = MaskRefineNetConfig(
    encoder="resnet18", weights="none", crop_size=64, aspp_width=8, decoder_widths=(8, 8, 8, 8)
)


SEMANTIC = SemanticConfig(
    network=DeepLabConfig(
        backbone=BackboneConfig(name="resnet18", weights="none", frozen_stages=0, norm="batch"),
        aspp_width=8,
        low_level_width=8,
        decoder_width=8,
        norm="group",
    ),
    shorter=96,
    longest=160,
)
SEMANTIC_CATEGORIES = tuple(
    Category(id=10 * label, name=name)
    for label, name in enumerate(["background", "cat", "dog", "sea", "sky"])
)


def write_run(folder: Path, seed: int = 0) -> Path:
    """Fill `folder` with student, teacher, refiner, calibration and figures.

    Heads have large random weights, so that something is found in every image.
    """
    torch.manual_seed(seed)
    for name in ("student", "teacher"):
        network = SOLOv2(TINY, len(CATEGORIES))
        for parameter in network.instance_head.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        Segmenter(network, SEGMENTER, CATEGORIES).save(UPath(folder / name / "model"), name)
    refiner = Refiner(MaskRefineNet(REFINER, len(CATEGORIES)), CATEGORIES)
    refiner.save(UPath(folder / "refiner/model"), "refiner")
    (folder / "audit").mkdir()
    write_json(UPath(folder / "audit/calibration.json"), QUALITY.to_json() | {"threshold": 0.5})
    write_json(UPath(folder / "metrics.json"), {"student/val/AP": 12.5, "teacher/val/AP": None})
    return folder


def write_semantic_run(folder: Path, seed: int = 0) -> Path:
    """Fill `folder` with a student that draws class maps of five classes, and figures.

    Its classifier has large random weights, so that every image shows several classes.
    """
    torch.manual_seed(seed)
    network = create_network(SEMANTIC.network, len(SEMANTIC_CATEGORIES)).eval()
    for parameter in network.heads.parameters():
        torch.nn.init.normal_(parameter, std=3)
    segmenter = SemanticSegmenter(network, SEMANTIC, SEMANTIC_CATEGORIES)
    segmenter.save(UPath(folder / "student/model"), "student")
    write_json(UPath(folder / "metrics.json"), {"student/val/mIoU": 50.0})
    return folder


NUM = len(PointLabeller.signals)
QUALITY = QualityModel(
    signals=PointLabeller.signals,
    prior=AreaPrior(mean=6.0, spread=1.0, means={}, spreads={}),
    regression=Regression(
        means=[0.0] * NUM, spreads=[1.0] * NUM, weights=[0.01] * NUM, intercept=0.6
    ),
)

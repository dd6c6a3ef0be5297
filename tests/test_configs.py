"""The configurations that come with the package: all can be read, and say what was published."""

from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import timm

from ray_wssis.config import load_config, shipped_configs, to_yaml
from ray_wssis.instance.segmenter_config import SegmenterStage
from ray_wssis.methods.irn.config import InstancesConfig, WalkConfig
from ray_wssis.methods.self_training.config import CBST, DARS
from ray_wssis.methods.semi_supervised.config import CPS, UniMatch
from ray_wssis.recipes.agmm_config import AGMMConfig
from ray_wssis.recipes.cam_config import CamConfig
from ray_wssis.recipes.catalogue import load_recipe
from ray_wssis.recipes.irn_config import IRNConfig
from ray_wssis.recipes.lpl_config import LPLConfig
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.recipes.self_training_config import SelfTrainingConfig
from ray_wssis.recipes.semi_supervised_config import SemiSupervisedConfig
from ray_wssis.training.config import TrainingConfig

COCO = {  # percent: the teacher's steps, its drops, and where the refiner's rough masks come from
    1: (10_001, (5_000, 8_000), (5_000, 10_000)),
    2: (25_001, (15_000, 20_000), (10_000, 20_000)),
    5: (30_001, (20_000, 25_000), (15_000, 25_000)),
    10: (45_001, (35_000, 40_000), (30_000, 40_000)),
    20: (120_001, (90_000, 110_000), (70_000, 100_000)),
    30: (160_001, (120_000, 150_000), (100_000, 130_000)),
    40: (215_001, (165_000, 200_000), (140_000, 185_000)),
    50: (270_001, (210_000, 250_000), (180_000, 240_000)),
}
NAMES = sorted([*(f"coco_{percent}p" for percent in COCO), "bdd100k", "nuclei", "animals"])

POINT_WSSIS = [
    name for name in shipped_configs() if isinstance(load_recipe(name), PointWSSISConfig)
]

each_config = pytest.mark.parametrize("name", sorted(POINT_WSSIS))
each_percent = pytest.mark.parametrize("percent", COCO)


@cache
def config(name: str) -> PointWSSISConfig:
    return load_config(PointWSSISConfig, name)


def trainings(loaded: PointWSSISConfig) -> list[TrainingConfig]:
    return [loaded.teacher.training, loaded.refiner.training, loaded.student.training]


def segmenters(loaded: PointWSSISConfig) -> list[SegmenterStage]:
    return [loaded.teacher, loaded.student]


def test_all_of_them_are_there() -> None:
    assert set(NAMES) | {"shapes", "lpl_shapes"} <= set(shipped_configs())


@pytest.mark.parametrize("name", sorted(shipped_configs()))
def test_it_survives_a_round_trip(name: str, tmp_path: Path) -> None:
    file = tmp_path / "config.resolved.yaml"
    file.write_text(to_yaml(load_recipe(name)), encoding="utf-8")
    assert load_recipe(file) == load_recipe(name)


@each_config
def test_what_is_to_happen_at_a_step_happens(name: str) -> None:
    for training in trainings(config(name)):
        assert training.warmup_steps < training.steps
        assert all(0 < step < training.steps for step in (*training.drops, *training.early))
        if training.validate_every < training.steps:
            assert training.validate_every % training.save_every == 0


@each_config
def test_the_rough_masks_come_from_two_early_teachers(name: str) -> None:
    loaded = config(name)
    assert len(loaded.teacher.training.early) == 2
    assert not loaded.refiner.training.early
    assert not loaded.student.training.early


@each_config
def test_a_teachers_scale_ranges_touch_and_a_students_overlap(name: str) -> None:
    loaded = config(name)
    teacher, student = loaded.teacher.model.scale_ranges, loaded.student.model.scale_ranges
    assert all(low[1] == high[0] for low, high in pairwise(teacher))
    assert all(low[1] > high[0] for low, high in pairwise(student))


@each_config
def test_widths_and_sizes_can_be_divided(name: str) -> None:
    loaded = config(name)
    assert loaded.refiner.model.crop_size % 32 == 0
    for stage in segmenters(loaded):
        network = stage.model.network
        for width in (network.head_channels, network.mask_channels, network.kernel_channels):
            assert width % network.norm_groups == 0
        assert max(stage.augment.shorter) <= stage.augment.longest
        assert stage.model.shorter <= stage.model.longest
    for training in trainings(loaded):
        assert training.batch_size % loaded.training_workers.number == 0


@each_config
def test_timm_knows_the_networks(name: str) -> None:
    loaded = config(name)
    assert timm.is_model(loaded.refiner.model.encoder)
    for stage in segmenters(loaded):
        assert timm.is_model(stage.model.network.backbone.name)


@each_percent
def test_a_teacher_of_coco_has_the_published_schedule(percent: int) -> None:
    loaded = config(f"coco_{percent}p")
    training = loaded.teacher.training
    assert loaded.data.percent == percent
    assert loaded.data.name == "instances_train2017"
    assert (training.steps, training.drops, training.early) == COCO[percent]
    assert (training.optimizer, training.batch_size) == ("sgd", 16)
    assert (training.learning_rate, training.warmup_steps) == (0.05, 3000)
    assert (training.weight_decay, training.warmup_factor) == (1e-4, 0.01)


@each_percent
def test_the_student_and_the_refiner_of_coco_are_the_same_for_every_part(percent: int) -> None:
    loaded, other = config(f"coco_{percent}p"), config("coco_10p")
    assert loaded.student == other.student
    assert loaded.refiner == other.refiner
    assert loaded.teacher.model == other.teacher.model


def test_a_student_of_coco_has_the_published_schedule() -> None:
    training = config("coco_10p").student.training
    assert (training.steps, training.drops) == (270_000, (210_000, 250_000))
    assert (training.learning_rate, training.warmup_steps) == (0.01, 1000)
    assert (training.optimizer, training.batch_size) == ("sgd", 16)


def test_the_refiner_of_coco_has_the_published_schedule() -> None:
    refiner = config("coco_10p").refiner
    training = refiner.training
    assert (refiner.model.crop_size, refiner.model.crop_scale) == (256, 2.0)
    assert refiner.model.encoder.startswith("resnet101")
    assert (training.steps, training.warmup_steps, training.schedule) == (200_000, 2000, "cosine")
    assert (training.learning_rate, training.batch_size) == (1e-4, 16)
    assert (training.optimizer, training.weight_decay) == ("adamw", 0)  # which is Adam
    assert (training.warmup_factor, training.final_factor) == (0.01, 0.01)  # from and to 1e-6


def test_the_networks_of_coco_have_the_published_grids() -> None:
    teacher, student = (stage.model for stage in segmenters(config("coco_10p")))
    assert teacher.network.grids == (80, 64, 32, 24, 12)
    assert student.network.grids == (40, 36, 24, 16, 12)
    assert teacher.scale_ranges == ((1, 72), (72, 144), (144, 288), (288, 584), (584, 2048))
    assert student.scale_ranges == ((1, 96), (48, 192), (96, 384), (192, 768), (384, 2048))
    for model in (teacher, student):
        assert (model.shorter, model.longest) == (800, 1333)
        assert model.network.backbone.name.startswith("resnet101")
        assert (model.network.head_channels, model.network.num_head_convs) == (512, 4)
        assert (model.network.kernel_channels, model.network.mask_channels) == (256, 128)


def test_bdd100k_reads_files_that_were_split_elsewhere() -> None:
    data = config("bdd100k").data
    assert data.annotations is None
    assert data.strong is not None
    assert data.weak is not None
    assert data.images != data.weak_images


@pytest.mark.parametrize("name", [*(f"coco_{percent}p" for percent in COCO), "bdd100k"])
def test_a_published_schedule_is_meant_for_16(name: str) -> None:
    for training in trainings(config(name)):
        assert training.reference_batch == training.batch_size == 16


def test_another_batch_size_scales_a_published_schedule_for_its_stage() -> None:
    loaded = load_config(PointWSSISConfig, "coco_1p", ["teacher.training.batch_size=8"])
    teacher = loaded.teacher.training
    assert teacher.steps == 20_002
    assert teacher.learning_rate == pytest.approx(0.025)
    assert (teacher.drops, teacher.early) == ((10_000, 16_000), (10_000, 20_000))
    assert loaded.student == config("coco_1p").student
    assert loaded.refiner == config("coco_1p").refiner


def test_what_was_scaled_is_read_back_as_it_is(tmp_path: Path) -> None:
    scaled = load_config(PointWSSISConfig, "coco_1p", ["refiner.training.batch_size=4"])
    assert scaled.refiner.training.steps == 800_000
    file = tmp_path / "config.resolved.yaml"
    file.write_text(to_yaml(scaled), encoding="utf-8")
    assert load_config(PointWSSISConfig, file) == scaled


@pytest.mark.parametrize("masks", [92, 183, 366, 732, 1464])
def test_lpl_has_the_published_schedule(masks: int) -> None:
    loaded = load_config(LPLConfig, f"lpl_voc_{masks}")
    hybrid, student = loaded.hybrid, loaded.student
    assert loaded.data.masks == masks
    assert (hybrid.training.steps, hybrid.training.batch_size, hybrid.strong_images) == (
        20_000,
        10,
        5,
    )
    assert (hybrid.training.learning_rate, hybrid.training.rate_factors) == (1e-3, {"head": 10})
    assert (hybrid.augment.crop, hybrid.augment.rotate, hybrid.augment.shear) == (384, 45, 0.3)
    assert (hybrid.weak_augment.scale, hybrid.weak_augment.flip) == ((1, 1), False)
    assert (student.training.steps, student.training.batch_size) == (30_000, 16)
    assert student.training.learning_rate == 7e-3
    for training in (hybrid.training, student.training):
        assert (training.optimizer, training.schedule) == ("sgd", "poly")
        assert training.weight_decay == 4e-5
    assert hybrid.model == student.model
    assert hybrid.model.network.decoder == "deeplab"
    assert hybrid.model.network.output_stride == 8
    assert hybrid.model.network.backbone.name.startswith("resnet101")
    assert loaded.labelling.views.scales == (0.5, 0.75, 1, 1.25, 1.5)
    assert loaded.labelling.views.flip


@pytest.mark.parametrize("kind", ["points", "scribbles"])
def test_agmm_has_the_published_schedule_of_voc(kind: str) -> None:
    loaded = load_config(AGMMConfig, f"agmm_voc_{kind}")
    training = loaded.agmm.training
    assert training.steps * training.batch_size == pytest.approx(80 * 10_582, rel=1e-4)
    assert (training.optimizer, training.schedule, training.weight_decay) == ("sgd", "poly", 1e-4)
    assert (training.learning_rate, training.warmup_steps) == (1e-3, 0)
    assert training.rate_factors == {"neck": 10, "head": 10}
    assert loaded.agmm.model.network.backbone.name.startswith("resnet101")
    assert loaded.evaluation.scales == (0.5, 0.75, 1, 1.25, 1.5, 1.75, 2)
    assert loaded.data.sparse_labels is not None


@pytest.mark.parametrize("clicks", [20, 50, 100])
def test_agmm_has_the_published_schedule_of_cityscapes(clicks: int) -> None:
    loaded = load_config(AGMMConfig, f"agmm_cityscapes_{clicks}")
    training = loaded.agmm.training
    assert training.steps * training.batch_size == pytest.approx(240 * 2_975, rel=1e-4)
    assert (training.optimizer, training.schedule, training.weight_decay) == ("sgd", "poly", 1e-4)
    assert (training.learning_rate, training.rate_factors) == (5e-3, {})
    assert loaded.agmm.model.network.backbone.name.startswith("resnet50")
    assert loaded.data.sparse is not None
    assert loaded.data.sparse.per_class == clicks


@pytest.mark.parametrize(
    "name", [name for name in shipped_configs() if name.startswith(("agmm_voc", "agmm_city"))]
)
def test_agmm_is_published_with_these_terms(name: str) -> None:
    stage = load_config(AGMMConfig, name).agmm
    assert set(stage.terms.model_dump().values()) == {0, 1}
    assert stage.terms.soft == 0
    assert stage.sigma == "fixed"


def test_dmt_has_the_published_schedule_of_voc() -> None:
    loaded = load_config(SelfTrainingConfig, "dmt_voc_1464")
    teacher, student = loaded.teacher.training, loaded.student.training
    assert teacher.steps == 85 * 1464 // 8 and student.steps == pytest.approx(5 * 9118 / 7, abs=1)
    assert (teacher.learning_rate, student.learning_rate) == (2e-3, 1e-3)
    assert (loaded.student.strong_images, student.batch_size, loaded.student.gamma) == (1, 8, 5)
    assert (loaded.networks, loaded.rounds, loaded.student.reinit) == (2, 5, False)
    assert isinstance(loaded.policy, CBST)
    assert loaded.policy.shares == (0.2, 0.4, 0.6, 0.8, 1.0)
    for training in (teacher, student):
        assert (training.optimizer, training.schedule, training.weight_decay) == (
            "sgd",
            "poly",
            5e-4,
        )


def test_cps_has_the_published_schedule_of_voc() -> None:
    loaded = load_config(SemiSupervisedConfig, "cps_voc_1322")
    stage, training = loaded.student, loaded.student.training
    assert loaded.data.masks == 10_582 // 8
    assert training.steps == 34 * (10_582 - 1322) // 8
    assert (stage.strong_images, training.batch_size) == (8, 16)
    assert (training.learning_rate, training.weight_decay, training.schedule) == (
        0.01,
        1e-4,
        "poly",
    )
    assert stage.method == CPS(weight=1, cutmix=True)
    assert stage.model.network.backbone.name.startswith("resnet50")
    assert stage.augment.crop == stage.unlabelled_augment.crop == 512


def test_unimatch_has_the_published_schedule_of_voc() -> None:
    loaded = load_config(SemiSupervisedConfig, "unimatch_voc_1464")
    stage, training = loaded.student, loaded.student.training
    assert training.steps == 60 * (9118 // 16 + 1)
    assert (stage.strong_images, training.batch_size) == (16, 32)
    assert (training.optimizer, training.learning_rate, training.weight_decay) == (
        "adamw",
        5e-6,
        0.01,
    )
    assert training.rate_factors == {"neck": 40, "head": 40}
    assert stage.method == UniMatch(threshold=0.95, decay=0.996, cutmix=0.5)
    assert stage.model.network.backbone.name == "vit_small_patch14_dinov2"


@pytest.mark.parametrize(
    ("name", "epochs", "unlabelled", "method"),
    [
        ("cps_cityscapes_371", 137, 2604, CPS(weight=5, cutmix=True)),
        ("unimatch_cityscapes_372", 180, 2603, UniMatch(threshold=0.95, decay=0.996, cutmix=0.5)),
    ],
)
def test_online_methods_have_the_published_schedules_of_cityscapes(
    name: str, epochs: int, unlabelled: int, method: CPS | UniMatch
) -> None:
    loaded = load_config(SemiSupervisedConfig, name)
    stage, training = loaded.student, loaded.student.training
    assert loaded.data.masks == 2975 - unlabelled
    assert (stage.strong_images, training.batch_size) == (8, 16)
    assert training.steps == epochs * (unlabelled // 8)
    assert (stage.augment.crop, stage.unlabelled_augment.crop) == (800, 800)
    assert stage.method == method


@pytest.mark.parametrize(
    ("name", "teacher", "student", "shares"),
    [  # images, epochs and images per step of the labelled, and of the others
        ("dars_cityscapes_372", (372, 200, 16), (2603, 200, 8), (0.4, 0.65)),
        ("dmt_cityscapes_371", (371, 170, 8), (2604, 10, 6), (0.2, 0.4, 0.6, 0.8, 1.0)),
    ],
)
def test_rounds_have_the_published_schedules_of_cityscapes(
    name: str,
    teacher: tuple[int, int, int],
    student: tuple[int, int, int],
    shares: tuple[float, ...],
) -> None:
    loaded = load_config(SelfTrainingConfig, name)
    taught, learnt = loaded.teacher.training, loaded.student.training
    images, epochs, batch = teacher
    assert (loaded.data.masks, taught.batch_size) == (images, batch)
    assert taught.steps == images * epochs // batch
    images, epochs, batch = student
    assert learnt.batch_size - loaded.student.strong_images == batch
    assert learnt.steps == epochs * -(-images // batch)
    assert isinstance(loaded.policy, CBST | DARS)
    assert loaded.policy.shares == shares and loaded.rounds == len(shares)


def test_cam_has_the_published_schedule_of_voc() -> None:
    loaded = load_config(CamConfig, "cam_voc")
    stage, training = loaded.classifier, loaded.classifier.training
    assert loaded.data.tags_alone and loaded.data.masks == 100
    assert training.steps == pytest.approx(5 * (10_582 - 100) / 16, abs=1)
    assert (training.learning_rate, training.weight_decay) == (0.1, 1e-4)
    assert (training.rate_factors, training.schedule) == ({"head": 10}, "poly")
    assert stage.augment.crop == 512
    assert [scale * 500 for scale in stage.augment.scale] == [320, 640]
    assert loaded.labelling.views.scales == (0.5, 1.0, 1.5, 2.0)
    policy = loaded.labelling.policy
    assert (policy.threshold, policy.sure_background, policy.sure_class) == (0.15, 0.05, 0.3)


def test_irn_has_the_published_schedule_of_voc() -> None:
    loaded = load_config(IRNConfig, "irn_voc")
    training, images = loaded.irnet.training, 10_582 - 100
    assert loaded.classifier.training.steps == pytest.approx(5 * images / 16, abs=1)
    assert training.steps == pytest.approx(3 * images / 32, abs=1)
    assert (training.batch_size, training.learning_rate, training.weight_decay) == (32, 0.1, 1e-4)
    assert loaded.irnet.model.radius == 10
    assert loaded.irnet.model.network.backbone.frozen
    policy, labels = loaded.cam.policy, loaded.labelling
    assert (policy.sure_background, policy.sure_class) == (0.05, 0.3)
    assert labels.walk == WalkConfig(radius=5, power=10, steps=256, background=0.25)
    assert labels.instances == InstancesConfig(short=2.5, background=0.25, least_area=0.01)

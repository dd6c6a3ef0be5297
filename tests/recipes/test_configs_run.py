"""Every configuration takes a few steps on real pictures, through all stages up to the student.

The recipe is the real one, and so are the learners, workers and files.  Only Ray stays out: what
its workers would do is done here, in this process, so that a configuration takes seconds.
"""

import json
from collections.abc import Set
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.config import load_config, shipped_configs
from ray_wssis.data.check.coco import check_file
from ray_wssis.data.coco.file import load_json
from ray_wssis.data.records import Records
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.split import STRONG, VALIDATION, WEAK
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.run import ROWS
from ray_wssis.streaming.table import read_rows
from tests.support.in_process import stream_here, train_here
from tests.support.made import make
from tests.support.real_data import COCO_MINI

pytestmark = pytest.mark.slow

FULL_SIZE = "coco_10p"  # its networks keep their depth and their widths
PUBLISHED = sorted(name for name in shipped_configs() if name.startswith("coco_"))
OURS = ["animals", "nuclei", "shapes"]
OF_EACH = {"percent", "steps", "drops", "early"}  # all that published configurations differ in

SMALL = [
    "estimate=false",  # it times trainings of Ray
    "teacher.training.early=[1, 2]",
    "refiner.training.batch_size=2",
    *(
        f"{stage}.training.{change}"
        for stage in ("teacher", "refiner", "student")
        for change in ("reference_batch=null", "steps=2", "max_validation_images=1")
    ),
    *(
        f"{stage}.{change}"
        for stage in ("teacher", "student")
        for change in (
            "model.shorter=96",
            "model.longest=160",
            "augment.shorter=[96]",
            "augment.longest=160",
            "training.batch_size=2",
        )
    ),
]
NARROW = [  # in place of the published networks
    "refiner.model={encoder: resnet18, weights: none, crop_size: 64, aspp_width: 16, "
    "decoder_widths: [16, 16, 8, 8]}",
    *(
        f"{stage}.model.network.{change}"
        for stage in ("teacher", "student")
        for change in (
            "backbone={name: resnet18, weights: none, frozen_stages: 1, norm: batch}",
            "pyramid_channels=16",
            "head_channels=16",
            "mask_channels=16",
            "kernel_channels=16",
            "norm_groups=4",
        )
    ),
]
HALF_GRIDS = [  # the published networks, on pictures of an eighth of the size
    "teacher.model.network.backbone={name: resnet101, weights: none, norm: batch}",
    "teacher.model.network.grids=[40, 32, 16, 12, 6]",
    "teacher.training.batch_size=1",
    "student.model.network.backbone={name: resnet101, weights: none, norm: batch}",
    "student.model.network.grids=[20, 18, 12, 8, 6]",
    "student.training.batch_size=1",
    "refiner.model.weights=none",
]
COCO_FILES = [  # for configurations that are meant for other data
    "data.shapes=null",
    "data.annotations=data/coco/annotations/instances_train2017.json",
    "data.images=data/coco/train2017",
    "data.validation=data/coco/annotations/instances_val2017.json",
    "data.validation_images=data/coco/val2017",
]


@pytest.fixture(autouse=True)
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray_wssis.training.run.train", train_here)
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three pictures of COCO to learn from, one to validate, and all 80 classes."""
    if not COCO_MINI.exists():
        pytest.skip(f"there is no {COCO_MINI}")
    root, pictures = tmp_path_factory.mktemp("coco"), (COCO_MINI / "images").resolve()
    data = load_json(str(COCO_MINI / "annotations/instances.json"))
    number = {entry["id"]: 0 for entry in data["images"]}
    for annotation in data["annotations"]:
        number[annotation["image_id"]] += 1
    chosen = [entry for entry in data["images"] if 2 <= number[entry["id"]] <= 6][:4]
    for name, images in (("train2017", chosen[:3]), ("val2017", chosen[3:])):
        part = root / "data/coco" / name
        part.mkdir(parents=True)
        for image in images:
            (part / image["file_name"]).symlink_to(pictures / image["file_name"])
        ids = {image["id"] for image in images}
        objects = [entry for entry in data["annotations"] if entry["image_id"] in ids]
        write_json(
            root / f"data/coco/annotations/instances_{name}.json",
            {"images": images, "annotations": objects, "categories": data["categories"]},
        )
    return root


def write_json(file: Path, data: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(data))


def check_run(made: dict[str, Artifact], num_classes: int) -> None:
    """Every stage up to the student leaves what it should."""
    data, teacher, cpu = made["split"], made["teacher"], torch.device("cpu")
    categories = Records.read(data / VALIDATION).categories
    assert len(categories) == num_classes
    for folder in (teacher / "early_1", teacher / "model", made["student"] / "model"):
        assert Segmenter.load(folder, cpu).categories == categories
    assert Refiner.load(made["refiner"] / "model", cpu).categories == categories

    weak = Records.read(data / WEAK)
    rows = read_rows(made["labels"] / ROWS, source=UPath(WEAK).stem)
    labelled = {row["image_id"]: row for row in rows}
    assert len(labelled) == len(weak)
    for record in weak:
        row = labelled[record.image_id]
        assert row["error"] is None
        assert row["annotation_id"] == [obj.annotation_id for obj in record.objects]

    merged = load_json(next(made["merged"].folder.glob("*_sw_refined.json")))
    num_points = sum(len(row["refined"]) for row in labelled.values())
    known = sum(len(record.objects) for record in Records.read(data / STRONG))
    assert num_points and len(merged["annotations"]) == known + num_points
    assert len({entry["id"] for entry in merged["images"]}) == len(merged["images"])
    assert all("segmentation" in entry for entry in merged["annotations"])


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configurations_differ_in_percent_and_schedule_alone(name: str) -> None:
    own, other = (load_config(PointWSSISConfig, each).model_dump() for each in (name, FULL_SIZE))
    assert without(own, OF_EACH) == without(other, OF_EACH)


def without(values: Any, names: Set[str]) -> Any:
    """Leave out the values of these names, however deep they are."""
    if not isinstance(values, dict):
        return values
    return {name: without(value, names) for name, value in values.items() if name not in names}


@pytest.mark.parametrize("name", ["coco_1p", FULL_SIZE, *OURS])
def test_a_configuration_takes_its_steps_on_coco(
    name: str, coco: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(coco)
    changes = COCO_FILES if name in OURS else HALF_GRIDS if name == FULL_SIZE else NARROW
    config = load_config(PointWSSISConfig, name, [*SMALL, *changes])
    check_run(make(config, tmp_path / "run", until="student"), num_classes=80)


BDD_CLASSES = ["pedestrian", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"]
BDD_SIZE = (72, 128)  # height, width of a picture


@pytest.fixture(scope="module")
def bdd100k(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as BDD100K and its toolkit leave it: every file numbers from 1, detection labels
    have two classes more and boxes only."""
    root = tmp_path_factory.mktemp("bdd100k")
    labels = root / "data/bdd100k/annotations"
    signs = ["traffic light", "traffic sign"]
    for part, num, classes, file in (
        ("10k/train", 2, BDD_CLASSES, "bdd100k_ins_labels_train.json"),
        ("10k/val", 1, BDD_CLASSES, "bdd100k_ins_labels_val.json"),
        ("100k/train", 3, BDD_CLASSES + signs, "bdd100k_det_labels_train.json"),
    ):
        write_json(labels / file, bdd_part(root / "data/bdd100k/images" / part, num, classes))
    return root


def bdd_part(folder: Path, num: int, classes: list[str]) -> dict[str, Any]:
    """Pictures with a bright rectangle for each class, and their labels."""
    folder.mkdir(parents=True)
    height, width = BDD_SIZE
    rng = np.random.default_rng(len(classes))
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for i in range(1, num + 1):
        pixels = rng.integers(0, 90, (height, width, 3), dtype=np.uint8)
        for k in range(len(classes)):
            x, y, w, h = 12 * k + i, 8 + 5 * (k % 3), 10, 30
            pixels[y : y + h, x : x + w] += 100 + 10 * k % 60
            entry: dict[str, Any] = {"id": len(annotations) + 1, "image_id": i}
            entry |= {"category_id": k + 1, "iscrowd": 0}
            if len(classes) == len(BDD_CLASSES):
                entry["segmentation"] = [[x, y, x + w, y, x + w, y + h, x, y + h]]
            annotations.append(entry | {"bbox": [x, y, w, h], "area": w * h, "ignore": 0})
        Image.fromarray(pixels).save(folder / f"{i}.jpg")
        images.append({"id": i, "file_name": f"{i}.jpg", "height": height, "width": width})
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(classes)]
    return {"images": images, "annotations": annotations, "categories": categories}


def test_detection_labels_of_bdd100k_can_be_checked(bdd100k: Path) -> None:
    data = bdd100k / "data/bdd100k"
    file = data / "annotations/bdd100k_det_labels_train.json"
    (problem,) = check_file(str(file), str(data / "images/100k/train"))
    assert (problem.severity, problem.found) == ("info", "30 boxes without mask and point")


def test_bdd100k_learns_from_masks_and_boxes(
    bdd100k: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bdd100k)
    config = load_config(PointWSSISConfig, "bdd100k", [*SMALL, *NARROW])
    made = make(config, tmp_path / "run", until="student")
    check_run(made, num_classes=8)
    weak = Records.read(made["split"] / WEAK)
    assert [record.image_id for record in weak] == [101, 102, 103]
    for i, record in enumerate(weak, start=1):
        assert not any(obj.mask for obj in record.objects)
        points = [(12 * k + i + 5, 8 + 5 * (k % 3) + 15) for k in range(8)]
        assert [obj.point for obj in record.objects] == points
    written = load_json(made["split"] / "bdd100k_ins_labels_train_10p_w.json")["annotations"]
    assert not any({"segmentation", "bbox", "area"} & set(entry) for entry in written)

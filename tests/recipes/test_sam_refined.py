"""A run whose teacher draws rough masks and a tiny random SAM refines them; only Ray's workers stay
out."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from upath import UPath

from ray_wssis.artifacts import Artifact, Part
from ray_wssis.config import ConfigError, load_config
from ray_wssis.data.coco.file import load_json
from ray_wssis.data.images.read import decode_image, read_bytes
from ray_wssis.data.records import Records
from ray_wssis.masks import area
from ray_wssis.models.model_folder import hash_model
from ray_wssis.recipes.annotate import LABELS, Annotate
from ray_wssis.recipes.compare import compare, read_run_config
from ray_wssis.recipes.labeller_config import LabellerConfig
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.recipes.sam_refined import SamRefined
from ray_wssis.recipes.zero_shot import compose_labeller, find_refiner
from ray_wssis.storage import read_json
from ray_wssis.streaming.decode import Decoder, Image
from ray_wssis.streaming.table import read_rows
from tests.recipes.test_zero_shot import TINY
from tests.support.in_process import stream_here, train_here
from tests.support.made import make
from tests.support.tiny_run import write_run
from tests.support.tiny_sam import write_sam

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def sam(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sam2:{write_sam(tmp_path_factory.mktemp('sam') / 'weights', 'sam2')}"


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("tiny") / "run") / "teacher/model"


def config(*changes: str) -> PointWSSISConfig:
    return load_config(PointWSSISConfig, "shapes", [*TINY, *changes])


@pytest.fixture(scope="module")
def made(
    sam: str, teacher: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Artifact]]:
    changes = [f"labeller.refiner={sam}", f"teacher.ready={teacher}", "student.start=null"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray_wssis.training.run.train", train_here)
        patch.setattr("ray_wssis.streaming.stream.stream", stream_here)
        yield make(config(*changes), tmp_path_factory.mktemp("refined") / "run")


def test_no_refiner_is_trained_and_masks_say_who_refined_them(made: dict[str, Artifact]) -> None:
    assert list(made) == config("labeller.refiner=sam2:x").stages()
    assert "teacher" in made and not {"refiner", "rough_masks"} & made.keys()
    changed = 0
    columns = ["image_id", "rough", "refined", "level", "predicted_iou", "error"]
    for row in read_rows(made["labels"] / "rows", columns):
        assert row["error"] is None
        for rough, refined in zip(row["rough"], row["refined"], strict=True):
            assert (rough is None) == (refined is None)
            changed += rough != refined
    assert changed
    merged = load_json(made["merged"] / "shapes_50p_sw_refined.json")["annotations"]
    drawn = [each for each in merged if "pseudo" in each]
    assert drawn and all({"teacher", "sam2"} <= each["pseudo"].keys() for each in drawn)
    assert {"student/val/AP", "teacher/val/AP"} <= read_json(
        made["evaluation"] / "metrics.json"
    ).keys()


def test_it_is_compared_with_others(
    made: dict[str, Artifact], sam: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    monkeypatch.setattr("ray_wssis.recipes.compare.cached", lambda: None)
    run = UPath(made["split"].folder.parent)
    other = f"teacher+sam:{write_sam(tmp_path / 'weights', 'sam')}"
    names = ["teacher", other, f"teacher+{sam}"]
    result = compare(run, read_run_config(run), names, price=None)
    own, *rivals = result["labellers"]
    assert [each["name"] for each in rivals] == ["teacher", other]  # the last one is the run's own
    assert own["num_objects"] == rivals[1]["num_objects"] > 0
    with pytest.raises(ValueError, match=r"labeller.refiner is sam3:x; wanted FAMILY:WEIGHTS"):
        compare(run, read_run_config(run), ["teacher+sam3:x"], price=None)


def test_it_labels_more_points(
    made: dict[str, Artifact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    split = made["split"]
    points = json.loads((split / "shapes_50p_w.json").read_text())
    for image in points["images"]:
        image["file_name"] = Path(image["file_name"]).name
    (tmp_path / "points.json").write_text(json.dumps(points))
    Annotate(
        split.folder.parent, tmp_path / "points.json", split / "shapes/images", tmp_path / "out"
    ).label()
    labels = json.loads((tmp_path / "out" / LABELS).read_text())["annotations"]
    assert any("sam2" in each.get("pseudo", {}) for each in labels)


def test_it_goes_round(
    sam: str, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray_wssis.training.run.train", train_here)
    monkeypatch.setattr("ray_wssis.streaming.stream.stream", stream_here)
    changes = [f"labeller.refiner={sam}", f"teacher.ready={teacher}", "student.start=null"]
    run = make(config(*changes, "rounds=2"), tmp_path / "run", until="labels")
    assert {"round_1_labels", "round_1_student", "round_1_verdict", "labels"} <= run.keys()
    for row in read_rows(run["labels"] / "rows", ["image_id", "refined", "error"]):
        assert row["error"] is None and any(mask is not None for mask in row["refined"])


@pytest.mark.parametrize("family", ["sam", "sam2", "sam_hq", "edgetam"])
def test_a_mask_depends_neither_on_the_batch_nor_on_the_order(
    family: str, teacher: Path, made: dict[str, Artifact], tmp_path: Path
) -> None:
    weights = write_sam(tmp_path / "weights", family)
    part = Part(path=UPath(teacher), digest=hash_model(UPath(teacher)))
    config = LabellerConfig(refiner=f"{family}:{weights}")
    labeller = compose_labeller(part, find_refiner(config), config)
    assert isinstance(labeller, SamRefined)
    decoder = Decoder(network_size=labeller.network_size, needs_original=True, max_megapixels=100)
    records = list(Records.read(made["split"] / "weak.parquet"))[:3]
    images = [Image(record=record, source="weak", key=i) for i, record in enumerate(records)]
    decoded, _ = decoder(images)
    infer = labeller.open()
    together = [labeller.finish(row) for row in infer(decoded)]
    alone = [labeller.finish(infer([image])[0]) for image in decoded]
    turned = [
        replace(image, record=replace(image.record, objects=image.record.objects[::-1]))
        for image in decoded
    ]
    backwards = [labeller.finish(row) for row in infer(turned)]
    num_drawn = 0
    for row, single, back in zip(together, alone, backwards, strict=True):
        assert row["refined"] == single["refined"] == back["refined"][::-1]
        size = row["height"], row["width"]
        num_drawn += sum(mask is not None and area(mask, *size) > 0 for mask in row["refined"])
    assert num_drawn
    assert np.array_equal(decoded[0].pixels, decode_image("", read_bytes(records[0].file)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["labeller.refiner=sam2"], "labeller sam2 needs weights"),
        (["labeller={name: sam, weights: x, refiner: 'sam2:x'}"], "only the rough masks of point_"),
        (["labeller={refiner: 'sam2:x', tile: {size: 64}}"], "a SAM sees every image at once"),
        (
            ["labeller.refiner=sam2:x", "data.unlabelled_percent=20"],
            "masks are drawn by sam2:x, which draws them for points alone",
        ),
    ],
)
def test_what_it_cannot_do_is_refused(changes: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises((ConfigError, ValueError), match=said):
        make(config(*changes), tmp_path / "run")

"""IRNet from end to end on a handful of images: every stage real, only Ray's workers stay out."""

import numpy as np
import pytest
import torch
from upath import UPath

from ray_wssis.artifacts import Artifact
from ray_wssis.cli.closing_table import print_results
from ray_wssis.config import ConfigError
from ray_wssis.data.class_maps.png import UNKNOWN, decode
from ray_wssis.data.records import Records
from ray_wssis.instance.merge import MERGED
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.masks import area
from ray_wssis.methods.irn.clicks import pick, read_clicks
from ray_wssis.methods.irn.found import FIGURES, OF_CLICKS
from ray_wssis.models.model_folder import find_model
from ray_wssis.recipes.catalogue import load_recipe
from ray_wssis.run import ROWS
from ray_wssis.semantic.merge import PSEUDO_LABELS
from ray_wssis.semantic.split import ALL, AUDIT, VALIDATION, WEAK
from ray_wssis.storage import read_json
from ray_wssis.streaming.table import read_rows
from tests.support.in_process import stream_here, train_here
from tests.support.made import make

FEW = [
    "data.semantic_shapes={num_images: 10, num_validation_images: 3}",
    "data.masks=3",
    "upper_bound=true",
    "clicks=true",
    "cam.views={scales: [1.0], flip: false}",
    "maps.views={scales: [1.0], flip: false}",
    "labelling.walk.steps=4",
    "labelling.instances={short: 1.5, background: 0.1, least_area: 0.0}",
    *(
        f"{stage}.training.{change}"
        for stage in ("classifier", "irnet", "student")
        for change in ("steps=2", "batch_size=4", "warmup_steps=0")
    ),
]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["data.audit=0.2"], "irn learns from tags alone, so give 1"),
        (["student.start=teacher"], "there is no teacher"),
        (
            ["data={voc: {root: /data/VOC2012}, audit: 1.0}"],
            "give annotations and images, a COCO file",
        ),
    ],
)
def test_what_cannot_be_is_refused_at_once(changes: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_recipe("irn_shapes", changes)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ray_wssis.training.run.train", train_here)
        patch.setattr("ray_wssis.streaming.stream.stream", stream_here)
        return make(load_recipe("irn_shapes", FEW), tmp_path_factory.mktemp("irn") / "run")


@pytest.mark.slow
def test_every_stage_is_made(made: dict[str, Artifact]) -> None:
    assert list(made) == load_recipe("irn_shapes", FEW).stages()


@pytest.mark.slow
def test_irnet_learns_from_pixels_that_are_sure(made: dict[str, Artifact]) -> None:
    maps = [
        decode(record.class_map or b"")
        for record in Records.read(made["cam_merged"] / PSEUDO_LABELS)
    ]
    assert len(maps) == 7
    assert any((own == UNKNOWN).any() for own in maps)


@pytest.mark.slow
def test_rows_hold_class_maps_and_instances_of_the_tags(made: dict[str, Artifact]) -> None:
    weak = {record.image_id: record for record in Records.read(made["split"] / WEAK)}
    rows = read_rows(made["labels"] / ROWS, source=UPath(WEAK).stem)
    assert sorted(row["image_id"] for row in rows) == sorted(weak)
    for row in rows:
        tags = set(weak[row["image_id"]].tags or ())
        assert set(np.unique(decode(row["class_map"]))) <= tags
        assert set(row["instance_label"]) <= tags - {0}
        assert row["instance_score"] == sorted(row["instance_score"], reverse=True)
        assert all(0.1 < score <= 1 for score in row["instance_score"])
    assert any(row["instance_mask"] for row in rows)


@pytest.mark.slow
def test_the_student_learns_the_clicked_instances_and_no_true_mask(
    made: dict[str, Artifact],
) -> None:
    clicks = read_clicks(made["objects"])
    rows = [
        pick(row, clicks[row["image_id"]])
        for row in read_rows(made["labels"] / ROWS, source=UPath(WEAK).stem)
    ]
    counted = read_json(made["instances"] / OF_CLICKS)
    assert counted["lost_clicks"] == sum(row["lost_clicks"] for row in rows) < counted["clicks"]
    learnt = Records.read(made["instances"] / MERGED)
    assert learnt.categories[0].name == "red disc"
    assert {record.image_id: [obj.mask for obj in record.objects] for record in learnt} == {
        row["image_id"]: row["instance_mask"] for row in rows if row["instance_mask"]
    }
    numbers = [obj.annotation_id for record in learnt for obj in record.objects]
    assert len(set(numbers)) == len(numbers)
    coco = read_json(made["instances"] / "semantic_shapes_tags.json")
    assert [entry["id"] for entry in coco["annotations"]] == numbers
    assert all(0.1 < entry["score"] <= 1 for entry in coco["annotations"])


@pytest.mark.slow
def test_true_objects_are_those_of_the_class_maps(made: dict[str, Artifact]) -> None:
    for part in (AUDIT, VALIDATION):
        objects = Records.read(made["objects"] / part)
        for record, known in zip(objects, Records.read(made["split"] / part), strict=True):
            true = decode(known.class_map or b"")
            for label in range(4):
                own = [obj.mask or b"" for obj in record.objects if obj.label == label]
                sizes = [area(mask, record.height, record.width) for mask in own]
                assert sum(sizes) == (true == label + 1).sum()
    assert len(Records.read(made["objects"] / ALL)) == 10


@pytest.mark.slow
def test_figures_are_there_and_on_the_page(made: dict[str, Artifact]) -> None:
    figures = read_json(made["instances_audit"] / FIGURES)
    assert figures["audit"]["images"] == 3
    assert figures["hidden"]["images"] == 7
    assert 0 <= figures["hidden"]["merged"] <= 100
    measured = read_json(made["evaluation"] / "metrics.json")
    assert {"student/val/AP", "upper_bound/val/AP"} <= set(measured)
    page = (made["report"] / "index.html").read_text()
    assert "From tags alone" in page
    assert "Instances from tags" in page and "hit no instance and teach nothing" in page


@pytest.mark.slow
def test_the_student_is_what_is_served(made: dict[str, Artifact]) -> None:
    run = made["student"].folder.parent
    assert find_model(run) == made["student"] / "model"
    served = Segmenter.load(find_model(run), torch.device("cpu"))
    assert [category.name for category in served.categories][:2] == ["red disc", "orange square"]
    print_results(run)

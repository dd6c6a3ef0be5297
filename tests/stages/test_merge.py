import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace, open_stage
from ray_wssis.data.records import Records
from ray_wssis.stages.label import SCHEMA
from ray_wssis.stages.merge import MERGED, merge
from ray_wssis.stages.split import STRONG, WEAK_TRUTH


def labels_like_the_truth(data: Artifact, folder: Path) -> Artifact:
    """Refined masks are the hidden ones, rough ones too; the first picture failed, and the first
    point of the second has no mask."""
    stage = open_stage(UPath(folder), {"split": data})
    assert isinstance(stage, Workspace)
    rows = []
    for number, record in enumerate(Records.read(data / WEAK_TRUTH)):
        masks: list[bytes | None] = list(record.masks)
        if number == 1:
            masks[0] = None
        drawn = {
            "annotation_id": record.annotation_ids,
            "label": record.labels,
            "rough": masks,
            "refined": masks,
        }
        failed = {"error": "cut short"}
        rows.append({"image_id": record.image_id} | (drawn if number else failed))
    (stage / "weak").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), str(stage / "weak" / "0.parquet"))
    return stage.finish()


def test_what_has_a_mask_is_learnt_and_nothing_else(data: Artifact, tmp_path: Path) -> None:
    made = merge(
        data,
        labels_like_the_truth(data, tmp_path / "labels"),
        "shapes_25p",
        UPath(tmp_path / "merged"),
        redo=False,
    )
    truth = list(Records.read(data / WEAK_TRUTH))
    merged = {record.image_id: record for record in Records.read(made / MERGED)}
    assert truth[0].image_id not in merged
    assert merged[truth[1].image_id].masks == truth[1].masks[1:]
    assert merged[truth[2].image_id] == truth[2]
    for strong in Records.read(data / STRONG):
        assert merged[strong.image_id] == strong
    assert len(merged) == 2 + 5


def test_other_tools_get_coco_files(data: Artifact, tmp_path: Path) -> None:
    labels = labels_like_the_truth(data, tmp_path / "labels")
    made = merge(data, labels, "shapes_25p", UPath(tmp_path / "merged"), redo=False)
    for name in ("shapes_25p_sw_refined.json", "shapes_25p_sw.json"):
        file = json.loads((made / name).read_text())
        assert len(file["images"]) == 7
        assert all(annotation["segmentation"]["counts"] for annotation in file["annotations"])

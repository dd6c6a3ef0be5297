import json
import logging
from pathlib import Path

import numpy as np
import pytest
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace, open_stage
from ray_wssis.data.records import Records
from ray_wssis.instance.split import AUDIT, split
from ray_wssis.instance.split_config import DataConfig, ShapesConfig
from ray_wssis.instance.verdict import audited_miou, report
from ray_wssis.masks import iou
from ray_wssis.verdict import said
from tests.support.drawn_labels import label_row, write_rows
from tests.support.run_in import run_in


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    shapes = ShapesConfig(num_images=16, num_validation_images=2, size=96)
    return split(
        run_in(tmp_path_factory.mktemp("run")), DataConfig(shapes=shapes, percent=50, audit=0.5)
    )


def test_the_better_kind_of_masks_counts(data: Artifact, tmp_path: Path) -> None:
    audited = list(Records.read(data / AUDIT))
    rows = [label_row(record, "audit") for record in audited]
    stage = open_stage(UPath(tmp_path), {})
    assert isinstance(stage, Workspace)
    write_rows(rows, stage / "rows/0.parquet")
    ious: dict[str, list[float]] = {"rough": [], "refined": []}
    for record, row in zip(audited, rows, strict=True):
        for kind, own in ious.items():
            for obj, mask in zip(record.objects, row[kind], strict=True):
                assert obj.mask is not None
                size = record.height, record.width
                own.append(0.0 if mask is None else iou(mask, obj.mask, *size))
    expected = 100 * max(np.mean(own) for own in ious.values())
    assert audited_miou(data, stage) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("teacher", "student", "draws"),
    [(70.0, 71.0, "student"), (70.0, 60.0, "teacher"), (None, None, "student")],
)
def test_the_log_says_who_draws(
    teacher: float | None,
    student: float | None,
    draws: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "verdict.json").write_text(json.dumps(said(3, teacher, student)))
    with caplog.at_level(logging.INFO):
        report(Artifact(folder=UPath(tmp_path), manifest={}))
    assert f"the {draws} draws" in caplog.text

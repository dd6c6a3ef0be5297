import json
import re
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from ray_wssis.instance.report_rounds import rounds_section
from ray_wssis.report.run_folder import RunFolder
from ray_wssis.verdict import said


def stage(folder: Path, name: str, seconds: float, **files: Any) -> None:
    (folder / name).mkdir()
    (folder / name / "manifest.json").write_text(json.dumps({"seconds": seconds}))
    for file, content in files.items():
        (folder / name / f"{file}.json").write_text(json.dumps(content))


def judged(miou: float, rough: float, masks: str) -> dict[str, Any]:
    weak = {"mean_expected_iou": 0.75, "share_below_threshold": 12.5}
    return {"audit": {"mIoU": miou, "rough_mIoU": rough}, "masks": masks, "weak": weak}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two rounds; the second one's refined masks are worse than its rough ones."""
    (tmp_path / "config.resolved.yaml").write_text("rounds: 2\n")
    stage(tmp_path, "round_1_audit", 2, audit=judged(71.2, 60.4, "refined"))
    stage(tmp_path, "round_1_student", 100)
    stage(tmp_path, "round_1_verdict", 10, verdict=said(3, 71.2, 74.9))
    stage(tmp_path, "audit", 3, audit=judged(66.6, 74.8, "rough"))
    stage(tmp_path, "student", 200)
    figures = {"round_1_student/val/AP": 31.5, "student/val/AP": 33.3}
    figures |= {"round_1_pseudo/refined/mIoU": 70.7, "pseudo/rough/mIoU": 74.2}
    (tmp_path / "metrics.json").write_text(json.dumps(figures))
    return tmp_path


def rows(folder: Path) -> list[list[str]]:
    section = rounds_section(RunFolder.read(UPath(folder)))
    assert section is not None
    lines = str(section.html).partition("<tbody>")[2].split("</tr>")[:-1]
    return [re.findall(r">([^<>\n]+)</t[hd]>", line) for line in lines]


def test_each_round_has_a_row_with_the_masks_that_were_used(folder: Path) -> None:
    assert rows(folder) == [
        ["1", "teacher", "71.2", "70.7", "0.75", "12.5", "31.5", "1.9 min"],
        ["2", "student of round 1", "74.8", "74.2", "0.75", "12.5", "33.3", "3.4 min"],
    ]


def test_a_student_that_draws_worse_masks_does_not_draw(folder: Path) -> None:
    (folder / "round_1_verdict/verdict.json").write_text(json.dumps(said(3, 71.2, 70.0)))
    assert [row[1] for row in rows(folder)] == ["teacher", "teacher"]


def test_a_run_of_one_round_has_no_section(tmp_path: Path) -> None:
    stage(tmp_path, "audit", 3, audit=judged(66.6, 74.8, "rough"))
    assert rounds_section(RunFolder.read(UPath(tmp_path))) is None

import json
from pathlib import Path
from typing import Any

from upath import UPath

from ray_wssis.instance.advice import advise
from ray_wssis.instance.report_labellers import RESULT, compared, labellers_section
from ray_wssis.report.run_folder import RunFolder


def write(folder: Path, own: str, low: float) -> UPath:
    """A run whose labeller was compared with a SAM that is better by 5."""
    common = {"calibration_error": 0.1, "num_without_mask": 0, "num_objects": 9, "seconds": 4.0}
    ours: dict[str, Any] = {"name": own, "role": "own", "saw": False, "mIoU": 70.0, **common}
    ours |= {"difference": None, "low": None, "high": None}
    other = {"name": "sam2:w", "role": "zero-shot", "saw": False, "mIoU": 75.0, **common}
    other |= {"difference": 5.0, "low": low, "high": 8.0}
    result = {"num_images": 3, "price": None, "labellers": [ours, other], "verdict": "So it is."}
    file = folder / RESULT
    file.parent.mkdir()
    file.write_text(json.dumps(result))
    return UPath(folder)


def test_the_page_says_loudly_that_zero_shot_is_better(tmp_path: Path) -> None:
    first, *_ = advise(write(tmp_path, "point_wssis", low=2.0))
    assert first.seen.startswith("Zero-shot beats the trained teacher: on the audit images, sam2:w")
    assert "--set labeller=sam2:w" in first.do


def test_what_may_be_chance_or_was_not_trained_is_no_advice(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert not advise(write(tmp_path / "a", "point_wssis", low=-1.0))
    assert not advise(write(tmp_path / "b", "sam", low=2.0))


def test_a_comparison_has_a_section_and_makes_the_page_again(tmp_path: Path) -> None:
    assert labellers_section(RunFolder.read(UPath(tmp_path))) is None
    assert compared(UPath(tmp_path)) == {}
    folder = write(tmp_path, "point_wssis", low=2.0)
    section = labellers_section(RunFolder.read(folder))
    assert section is not None and "So it is." in section.html and "sam2:w" in section.html
    assert list(compared(folder)) == ["compare"]

"""The page, from a run folder like a real one, and from ones that lack this or that."""

import base64
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from upath import UPath

from ray_wssis.instance.report import instance_sections
from ray_wssis.report.page import write_page
from tests.support.elements import Elements

SIZE_LIMIT = 5_000_000  # bytes
MODELS = {role: role for role in ("teacher", "refiner", "student", "upper_bound")}


def page_of(run: UPath, out: Path) -> str:
    write_page(run, UPath(out), instance_sections(run, MODELS))
    return (out / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(run: UPath, tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of(run, tmp_path_factory.mktemp("report"))


@pytest.fixture
def copy(run: UPath, tmp_path: Path) -> Path:
    """The run folder, to take things away from."""
    return Path(shutil.copytree(str(run), tmp_path / "copy"))


def change_metrics(run: Path, **figures: float | None) -> None:
    file = run / "metrics.json"
    values: dict[str, Any] = json.loads(file.read_text())
    file.write_text(json.dumps(values | {key.replace("__", "/"): x for key, x in figures.items()}))


def words(page: str) -> str:
    text = re.sub(r"<(style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_every_element_is_closed_and_every_id_is_there_once(page: str) -> None:
    ids = Elements(page).values("id")
    assert len(ids) == len(set(ids))


def test_there_is_a_space_between_sentences(page: str) -> None:
    intros = re.findall(r'<p class="intro">(.*?)</p>', page, flags=re.DOTALL)
    assert intros
    for intro in intros:
        assert not re.search(r"[a-z]\.[A-Z0-9]", re.sub(r"<[^>]+>", "", intro)), intro


def test_links_within_the_page_lead_somewhere(page: str) -> None:
    elements = Elements(page)
    targets = [
        x[1:] for x in elements.values("href") + elements.values("xlink:href") if x[:1] == "#"
    ]
    assert targets
    assert set(targets) <= set(elements.values("id"))


def test_the_page_needs_nothing_else(page: str) -> None:
    assert not re.search(r"https?://|<script|<link|@import", page)
    assert not re.search(r"url\((?!#)", page)
    assert len(page) < SIZE_LIMIT


def test_every_image_decodes(page: str) -> None:
    images = re.findall(r'href="data:image/jpeg;base64,([^"]+)"', page)
    assert len(images) > 20
    for image in images:
        Image.open(io.BytesIO(base64.b64decode(image))).load()


def test_every_drawing_says_in_words_what_it_shows(page: str) -> None:
    drawings = [attrs for _, attrs in Elements(page).found if attrs.get("role") == "img"]
    assert len(drawings) > 30
    assert all(attrs.get("aria-label") for attrs in drawings)


def test_the_figures_are_on_the_page(page: str, run: UPath) -> None:
    figures = json.loads((run / "metrics.json").read_text())
    text = words(page)
    for name in ("teacher/val/AP", "student/val/AP75", "upper_bound/val/AP_medium"):
        assert f" {figures[name]:.1f} " in text
    for name in ("pseudo/rough/mIoU", "pseudo/refined/share_good", "pseudo/refined/mIoU/ring"):
        assert f" {figures[name]:.1f} " in text
    share = 100 * figures["student/val/AP"] / figures["upper_bound/val/AP"]
    assert f"the student gets {share:.0f}&nbsp;% of that" in text


def test_what_could_not_be_read_is_listed(page: str) -> None:
    assert "1 image was left out of <b>labels</b>" in page
    assert "the file has zero bytes" in page


def test_points_that_could_not_be_used_are_listed(page: str) -> None:
    assert "Labels that could not be used" in page
    assert "<code>7</code> outside the image" in page


def test_the_page_says_how_far_to_trust_the_masks(page: str, run: UPath) -> None:
    figures = json.loads((run / "audit/audit.json").read_text())
    text = words(page)
    assert f"Expected calibration error {error(figures):.3f} " in text
    assert f"mIoU of the audit images, % {figures['audit']['mIoU']:.1f} " in text
    for row in figures["audit"]["by_class"] + figures["audit"]["by_size"]:
        assert f"{row['name']} {row['num_objects']} {row['mIoU']:.1f} " in text
    assert f"Flag: empty {figures['weak']['flags']['empty']} " in text
    assert "Reliability diagram" in page
    assert 'href="../audit/review.html"' in page


def error(figures: dict[str, Any]) -> float:
    return float(figures["reliability"]["expected_calibration_error"])


def test_a_run_without_an_audit_says_so(copy: Path, tmp_path: Path) -> None:
    shutil.rmtree(copy / "audit")
    page = page_of(UPath(copy), tmp_path / "out")
    Elements(page)
    assert "This run has no audit" in page
    assert "../audit" not in page


@pytest.mark.parametrize(
    ("num_objects", "says"), [(0, "There were no audit images"), (8, "One audit image is too few")]
)
def test_an_audit_of_few_images_says_what_it_lacks(
    copy: Path, tmp_path: Path, num_objects: int, says: str
) -> None:
    file = copy / "audit/audit.json"
    figures = json.loads(file.read_text())
    figures["audit"]["num_objects"] = num_objects
    figures |= {"reliability": None}
    figures["weak"] |= {"mean_expected_iou": None, "share_below_threshold": None}
    file.write_text(json.dumps(figures))
    page = page_of(UPath(copy), tmp_path / "out")
    Elements(page)
    assert says in page
    assert "Reliability diagram" not in page


def test_a_run_without_upper_bound_says_so(copy: Path, tmp_path: Path) -> None:
    shutil.rmtree(copy / "upper_bound")
    values = json.loads((copy / "metrics.json").read_text())
    kept = {key: value for key, value in values.items() if not key.startswith("upper_bound")}
    (copy / "metrics.json").write_text(json.dumps(kept))
    page = page_of(UPath(copy), tmp_path / "out")
    Elements(page)
    assert "No upper bound" in page


def test_a_run_without_hidden_truth_orders_by_the_refiners_score(
    copy: Path, tmp_path: Path
) -> None:
    (copy / "split/weak_truth.parquet").unlink()
    values = json.loads((copy / "metrics.json").read_text())
    kept = {key: value for key, value in values.items() if not key.startswith("pseudo")}
    (copy / "metrics.json").write_text(json.dumps(kept))
    page = page_of(UPath(copy), tmp_path / "out")
    Elements(page)
    assert "true masks of the weak images are not known" in page
    assert "score 0.60" in page
    assert 'class="truth"' not in page


def test_figures_without_a_value_are_dashes(copy: Path, tmp_path: Path) -> None:
    change_metrics(copy, student__val__AP=None, pseudo__refined__mIoU=None)
    page = page_of(UPath(copy), tmp_path / "out")
    Elements(page)
    assert "No figure for the student" in page
    assert "None" not in words(page).replace("None.", "")
    assert "nan" not in re.findall(r"\w+", words(page))


def test_a_student_below_its_teacher_is_no_success(copy: Path, tmp_path: Path) -> None:
    change_metrics(copy, student__val__AP=3.0, teacher__val__AP=5.0)
    assert "stayed below its teacher" in page_of(UPath(copy), tmp_path / "out")


def test_a_bound_of_zero_is_not_a_missing_one(copy: Path, tmp_path: Path) -> None:
    change_metrics(copy, upper_bound__val__AP=0.0)
    assert "No upper bound" not in page_of(UPath(copy), tmp_path / "out")


def test_names_of_classes_cannot_break_the_page(copy: Path, tmp_path: Path) -> None:
    change_metrics(copy, **{"pseudo__refined__mIoU__<b>tea & cake": 50.0})
    page = page_of(UPath(copy), tmp_path / "out")
    Elements(page)
    assert "&lt;b&gt;tea &amp; cake" in page


def test_images_that_are_gone_leave_their_outlines(copy: Path, tmp_path: Path) -> None:
    for file in ("0.parquet", "1.parquet"):
        hide_images(copy / "labels/rows" / file)
    page = page_of(UPath(copy), tmp_path / "out")
    Elements(page)
    assert 'class="refined" d="M' in page


def hide_images(file: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(str(file))
    names = pa.array(["/nowhere.png"] * len(table))
    pq.write_table(table.set_column(table.schema.get_field_index("file"), "file", names), str(file))


def test_a_folder_with_next_to_nothing_still_gives_a_page(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    page = page_of(UPath(tmp_path / "run"), tmp_path / "out")
    Elements(page)
    assert "No model was measured" in page


def test_a_page_can_be_written_to_any_uri(run: UPath) -> None:
    out = UPath("memory://reports/one")
    write_page(run, out, instance_sections(run, MODELS))
    assert (out / "index.html").read_text().startswith("<!doctype html>")

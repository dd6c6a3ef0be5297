"""The frame of the page, from a run folder of nothing in particular."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup
from upath import UPath

from ray_wssis.report.page import Section, write_page
from ray_wssis.report.run_folder import RunFolder
from tests.support.elements import Elements


def manifest(name: str, started: str, seconds: float, says: str) -> dict[str, Any]:
    return {
        "stage": name,
        "says": says,
        "started": started,
        "seconds": seconds,
        "digest": f"digest of {name}",
        "seed": 7,
        "code_version": "1+abc",
    }


@pytest.fixture
def run(tmp_path: Path) -> UPath:
    """Three stages whose names are not in the order in which they were made, and the page."""
    folder = UPath(tmp_path / "toy")
    for name, started, seconds, says in (
        ("maps", "2026-01-01T10:00:05+00:00", 90.0, "Labels <all> images."),
        ("apples", "2026-01-01T10:00:05+00:00", 30.0, "Counts apples."),
        ("weights", "2026-01-01T09:00:00+00:00", 0.5, "Learns."),
        ("report", "2026-01-01T11:00:00+00:00", 5.0, "Draws this page."),
    ):
        (folder / name).mkdir(parents=True)
        note = manifest(name, started, seconds, says)
        (folder / name / "manifest.json").write_text(json.dumps(note))
    (folder / "unfinished").mkdir()
    lines = [{"image_id": 4, "reason": "zero bytes"}, {"annotation_id": 9, "reason": "beside it"}]
    (folder / "maps/failed.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "weights/metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n')
    (folder / "apples/metrics.json").write_text('{"apples": 3.25, "pears": null}')
    (folder / "config.resolved.yaml").write_text("seed: 7\n")
    return folder


def page_of(run: UPath, *sections: Section) -> str:
    out = run.parent / "out"
    write_page(run, out, sections)
    page = (out / "index.html").read_text(encoding="utf-8")
    Elements(page)
    return page


def test_stages_are_read_from_their_manifests_in_the_order_they_started(run: UPath) -> None:
    found = RunFolder.read(run)
    assert list(found.stages) == ["weights", "apples", "maps", "report"]
    stage = found.stages["maps"]
    assert (stage.says, stage.seconds, stage.seed) == ("Labels <all> images.", 90.0, 7)
    assert stage.failed == [{"image_id": 4, "reason": "zero bytes"}]
    assert stage.rejected == [{"annotation_id": 9, "reason": "beside it"}]
    assert found.stages["weights"].log == [{"step": 1, "loss": 2.0}]


def test_figures_of_the_run_come_from_its_own_file_or_from_the_stages(run: UPath) -> None:
    assert RunFolder.read(run).figures == {"apples": 3.25, "pears": None}
    (run / "metrics.json").write_text('{"apples": 4.0, "plums": NaN}')
    found = RunFolder.read(run)
    assert (found.figure("apples"), found.figure("plums"), found.figure("pears")) == (4, None, None)


def test_every_run_shows_its_time_failures_configuration_and_lineage(run: UPath) -> None:
    page = page_of(run)
    rows = re.findall(r'<th scope="row">(\w+)</th><td class="text optional">(.*?)</td>', page)
    assert rows == [
        ("weights", "Learns."),
        ("apples", "Counts apples."),
        ("maps", "Labels &lt;all&gt; images."),
        ("total", ""),
    ]
    assert ">2.0 min<" in page  # without the page itself
    assert "1 image was left out of <b>maps</b>" in page
    assert "<code>4</code> zero bytes" in page and "<code>9</code> beside it" in page
    assert "seed: 7" in page and "digest of weights" in page and ">3.25<" in page


def test_sections_stand_before_the_run_in_the_order_they_are_given(run: UPath) -> None:
    first = Section(
        anchor="fruit",
        title="Fruit & more",
        html=Markup("<h2>Apples</h2>"),
        headline=Markup("<h1>Three apples</h1>"),
        style=".apple { color: red; }",
    )
    second = Section(anchor="nuts", title="Nuts", html=Markup("<h2>Nuts</h2>"), style=first.style)
    page = page_of(run, first, second)
    assert re.findall(r'<a href="#(\w+)">(.*?)</a>', page) == [
        ("fruit", "Fruit &amp; more"),
        ("nuts", "Nuts"),
        ("run", "The run"),
    ]
    assert re.findall(r'<section id="(\w+)">', page) == ["fruit", "nuts", "run"]
    assert re.findall("<h1>.*?</h1>", page) == ["<h1>Three apples</h1>"]
    assert page.count(first.style) == 1


def test_a_run_without_a_headline_is_headed_by_its_name(run: UPath) -> None:
    assert "<h1>toy</h1>" in page_of(run)


def test_an_empty_folder_still_gives_a_page(tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    page = page_of(UPath(tmp_path / "toy"))
    assert "No stage left a manifest" in page
    assert "<p>None.</p>" in page

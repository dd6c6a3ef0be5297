"""The frame of the page, from a run folder of nothing in particular."""

import re
from pathlib import Path

from markupsafe import Markup
from upath import UPath

from ray_wssis.report.page import Section, write_page
from tests.support.elements import Elements


def page_of(run: UPath, *sections: Section) -> str:
    out = run.parent / "out"
    write_page(run, out, sections)
    page = (out / "index.html").read_text(encoding="utf-8")
    Elements(page)
    return page


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

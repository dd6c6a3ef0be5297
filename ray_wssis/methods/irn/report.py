"""Sections of the page about a run that ends in an instance segmenter and began with tags.

They are made from the run folder alone; a figure without a value is a dash.
"""

from collections.abc import Mapping

from upath import UPath

from ray_wssis.data.records import Records
from ray_wssis.instance.gallery import gallery
from ray_wssis.instance.label_numbers import RecordsById
from ray_wssis.instance.report import (
    AP_COLUMNS,
    NUM_COLORS,
    ap_rows,
    compare_models,
    style,
    training_section,
)
from ray_wssis.instance.report import (
    HERE as INSTANCE,
)
from ray_wssis.instance.report_classes import read_confusion
from ray_wssis.methods.irn.found import FIGURES, OF_CLICKS
from ray_wssis.report.page import Section
from ray_wssis.report.run_folder import RunFolder, read_counts, read_json
from ray_wssis.report.template import render
from ray_wssis.semantic.split import VALIDATION

HERE = "ray_wssis.methods.irn"
PARTS = {"audit": "audit images", "hidden": "images to learn from"}  # of the figures


def instances_sections(folder: UPath, models: Mapping[str, str]) -> list[Section]:
    """Build the sections about the run in `folder`; `models` names stages by their role."""
    run = RunFolder.read(folder)
    measured = read_json(folder / "instances_audit" / FIGURES)
    figures = [
        {"part": spoken, **measured[part]} for part, spoken in PARTS.items() if part in measured
    ]
    result = compare_models(run, models)
    headline = render(
        "headline", HERE, result=result, counts=read_counts(folder), pseudo=figures[-1]
    )
    accuracy = render(
        "accuracy", INSTANCE, rows=ap_rows(run, models), columns=AP_COLUMNS, bound=result["bound"]
    )
    clicks = read_json(folder / "instances" / OF_CLICKS)
    found = render("instances", HERE, figures=figures, clicks=clicks)
    return [
        Section(anchor="accuracy", title="Accuracy", html=accuracy, headline=headline),
        Section(anchor="instances", title="Instances from tags", html=found),
        training_section(run, models),
        predictions_section(run, models),
    ]


def predictions_section(run: RunFolder, models: Mapping[str, str]) -> Section:
    """Show what the student finds, beside the truth."""
    truth = Records.read(run.folder / "objects" / VALIDATION)
    names = [category.name for category in truth.categories]
    score, _ = read_confusion(run, models)
    rows, by_id = run.folder / "evaluation/rows", RecordsById(truth)
    found = gallery(rows, models["student"], by_id, names, NUM_COLORS, score)
    html = render("predictions", INSTANCE, gallery=found)
    return Section(anchor="predictions", title="Predictions", html=html, style=style())

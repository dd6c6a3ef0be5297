"""Sections of the page about a run that ends in a semantic segmenter.

They are made from the run folder alone; a figure without a value is a dash.
"""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from markupsafe import Markup
from upath import UPath

from ray_wssis.data.records import Records
from ray_wssis.report.charts import Curve, figure_chart, loss_chart, read_curve
from ray_wssis.report.page import Section
from ray_wssis.report.run_folder import RunFolder, read_counts, read_json
from ray_wssis.report.template import render
from ray_wssis.semantic.colour_maps import label_tiles, palette, prediction_tiles
from ray_wssis.semantic.split import VALIDATION

HERE = "ray_wssis.semantic"
COLORS = {
    "hybrid": "orange",
    "agmm": "orange",
    "teacher": "amber",
    "first_teacher": "amber",
    "second_teacher": "amber",
    "student": "blue",
    "upper_bound": "gray",
    "baseline": "amber",
}
MAIN = ("student", "agmm")  # the first of them that was trained is what the run is for
COLUMNS = {
    "mIoU": "mIoU",
    "mIoU@tags": "with tags",
    "mIoU@views": "all views",
    "pixel_accuracy": "pixels right",
    "boundary_IoU": "boundary IoU",
}


def semantic_sections(
    folder: UPath, models: Sequence[str], *, tags: bool = True, baseline: str = "baseline"
) -> list[Section]:
    """Build the sections about the run in `folder`; `models` names the stages that trained one.

    `tags` tells whether those of the weak images were used; `baseline` is the model that did
    without weak images.
    """
    run = RunFolder.read(folder)
    categories = Records.read(folder / "split" / VALIDATION).categories
    names = [category.name for category in categories]
    models = [name for name in COLORS if name in models]
    main = next(name for name in MAIN if name in models)
    labels = [labels_section(folder, run, names)] if "labels" in run.stages else []
    result = {name: run.figure(f"{name}/val/mIoU") for name in COLORS}
    result["baseline"] = run.figure(f"{baseline}/val/mIoU")
    headline = render(
        "headline",
        HERE,
        main=main,
        result=result,
        pseudo=run.figure("pseudo/mIoU"),
        counts=read_counts(folder),
        tags=tags,
    )
    return [
        accuracy_section(run, models, main, names, headline),
        *labels,
        training_section(run, models),
        predictions_section(folder, main, names),
    ]


def accuracy_section(
    run: RunFolder, models: Sequence[str], main: str, names: list[str], headline: Markup
) -> Section:
    """The mIoU of each model and of each class, below the headline of the page."""
    rows: list[dict[str, Any]] = [
        {
            "model": name,
            "color": COLORS[name],
            "figures": {column: run.figure(f"{name}/val/{column}") for column in COLUMNS},
        }
        for name in models
    ]
    best = max((row["figures"]["mIoU"] or 0 for row in rows), default=0)
    classes = [
        {"name": name, "ious": [run.figure(f"{model}/val/IoU/{name}") for model in models]}
        for name in names
    ]
    columns = {
        column: title
        for column, title in COLUMNS.items()
        if any(row["figures"][column] is not None for row in rows)
    }
    html = render(
        "accuracy",
        HERE,
        rows=rows,
        main=main,
        columns=columns,
        best=best or 1,
        classes=classes,
        models=models,
        colors=COLORS,
    )
    return Section(anchor="accuracy", title="Accuracy", html=html, headline=headline)


def labels_section(folder: UPath, run: RunFolder, names: list[str]) -> Section:
    """The pseudo labels: how good, and the worst of them."""
    html = render(
        "labels",
        HERE,
        summary=read_json(folder / "labels/summary.json"),
        audit=read_json(folder / "audit/audit.json"),
        pseudo={column: run.figure(f"pseudo/{column}") for column in ("mIoU", "pixel_accuracy")},
        tiles=label_tiles(folder, names),
        legend=legend(names),
    )
    return Section(anchor="labels", title="Pseudo labels", html=html, style=style())


def training_section(run: RunFolder, models: Sequence[str]) -> Section:
    charts = []
    if losses := curves(run, models, "loss"):
        charts.append({"title": "Loss", "svg": loss_chart(losses, "losses")})
    if measured := curves(run, models, "val/mIoU"):
        svg = figure_chart(measured, "miou", "mIoU on validation images, %")
        charts.append({"title": "Validation", "svg": svg})
    html = render("training", HERE, charts=charts)
    return Section(anchor="training", title="Training", html=html)


def curves(run: RunFolder, models: Sequence[str], key: str) -> list[Curve]:
    found = [
        read_curve(run.stages[name].log, key, label=name.replace("_", " "), color=COLORS[name])
        for name in models
        if name in run.stages
    ]
    return [curve for curve in found if curve.values]


def predictions_section(folder: UPath, main: str, names: list[str]) -> Section:
    """Validation images: what the main model sees beside the truth, the worst first."""
    tiles = prediction_tiles(folder, main, names)
    html = render("predictions", HERE, main=main, tiles=tiles, legend=legend(names))
    return Section(anchor="predictions", title="Predictions", html=html, style=style())


def legend(names: list[str]) -> list[Mapping[str, Any]]:
    colors = palette(len(names))
    return [
        {"name": name, "color": "#{:02x}{:02x}{:02x}".format(*colors[label])}
        for label, name in enumerate(names)
    ]


def style() -> str:
    return (resources.files(HERE) / "templates/semantic.css").read_text(encoding="utf-8")

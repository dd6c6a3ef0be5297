"""Section of the page about the background threshold."""

from upath import UPath

from ray_wssis.methods.cam.curve import CURVE
from ray_wssis.report.charts import COLORS, finish, new_chart
from ray_wssis.report.page import Section
from ray_wssis.report.run_folder import read_json
from ray_wssis.report.template import render

HERE = "ray_wssis.methods.cam"


def curve_section(folder: UPath) -> Section:
    """Show how good the labels of the run in `folder` are at every threshold."""
    found = read_json(folder / "curve" / CURVE)
    points, threshold = found["points"], found["threshold"]
    best, chart = None, ""
    if points:
        best = max(points, key=lambda point: point[1] or 0)
        chart = curve_chart(points, threshold)
    html = render("curve", HERE, chart=chart, best=best, threshold=threshold)
    return Section(anchor="threshold", title="Background threshold", html=html)


def curve_chart(points: list[list[float]], threshold: float) -> str:
    figure, axes = new_chart("score above which a pixel is of a class", "mIoU on audit images, %")
    axes.plot(*zip(*points, strict=True), color=COLORS["orange"])
    axes.axvline(threshold, color=COLORS["gray"], linestyle=":")
    axes.set_xlim(0, 1)
    axes.set_ylim(bottom=0)
    return finish(figure, axes, "threshold", has_legend=False)

"""Charts of a report as SVG for the middle of a page: they take its colours, light or dark."""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, ScalarFormatter
from numpy.typing import NDArray

SIZE = (4.8, 2.7)  # inches; also the smallest size at which text is easy to read
MOST_POINTS = 400  # of a curve
LOG_FROM = 12.0  # a loss that falls by more than this factor is drawn on a logarithmic axis
# A colour that matplotlib writes, and the page's colour of that name that takes its place.
COLORS = {
    name: f"#fe01{index:02x}"
    for index, name in enumerate(
        ["ink", "muted", "grid", "teacher", "student", "upper-bound", "rough", "refined"]
    )
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "font.size": 9,
    "text.color": COLORS["ink"],
    "axes.edgecolor": COLORS["grid"],
    "axes.labelcolor": COLORS["muted"],
    "xtick.color": COLORS["grid"],
    "ytick.color": COLORS["grid"],
    "xtick.labelcolor": COLORS["muted"],
    "ytick.labelcolor": COLORS["muted"],
    "grid.color": COLORS["grid"],
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "ytick.major.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 1.7,
    "lines.solid_capstyle": "round",
}
Curve = tuple[Sequence[float], Sequence[float]]  # steps, values


def curve(lines: Iterable[Mapping[str, float | None]], key: str) -> Curve:
    """Steps and values of the log lines that have a finite value of this name."""
    found = [(line["step"], line[key]) for line in lines if line.get(key) is not None]
    finite = [(step, value) for step, value in found if np.isfinite(value)]  # type: ignore[arg-type]
    return [float(step or 0) for step, _ in finite], [float(value or 0) for _, value in finite]


def loss_chart(curves: Mapping[str, Curve], name: str) -> str:
    """Losses over steps; `curves` by the name of a colour."""
    figure, axes = new_chart("step", "loss")
    for color, (steps, values) in curves.items():
        x, y = thin(steps, values)
        axes.plot(x, y, color=COLORS[color], label=label(color))
    axes.set_xlim(left=0)
    losses = [value for _, values in curves.values() for value in values]
    if min(losses) > 0 and max(losses) / min(losses) > LOG_FROM:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    return finish(figure, axes, curves, name)


def figure_chart(curves: Mapping[str, Curve], name: str, unit: str) -> str:
    """Figures of the validation over steps, from 0 on."""
    figure, axes = new_chart("step", unit)
    for color, (steps, values) in curves.items():
        axes.plot(steps, values, color=COLORS[color], marker="o", ms=3.5, label=label(color))
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0, top=max(1.0, axes.get_ylim()[1]))
    return finish(figure, axes, curves, name)


def iou_histogram(rough: NDArray[np.float64], refined: NDArray[np.float64], name: str) -> str:
    """Share of the masks per tenth of IoU, before and after refining."""
    figure, axes = new_chart("IoU with the true mask", "% of the points")
    edges = np.linspace(0, 1, 11)
    for shift, color, values in ((0.004, "rough", rough), (0.05, "refined", refined)):
        counts, _ = np.histogram(values, bins=edges)
        shares = 100 * counts / max(1, len(values))
        axes.bar(edges[:-1] + shift, shares, 0.042, align="edge", color=COLORS[color], label=color)
    axes.set_xlim(0, 1)
    axes.set_xticks(edges[::2])
    return finish(figure, axes, {"rough": (), "refined": ()}, name)


def reliability_chart(bins: Sequence[Mapping[str, float]], name: str) -> str:
    """Expected against true IoU of each bin, in which there are about as many objects.

    On the diagonal an expectation is right; the stroke of a bin is the gap to it.
    """
    figure, axes = new_chart("expected IoU", "true IoU")
    expected, true = [each["expected"] for each in bins], [each["true"] for each in bins]
    axes.plot([0, 1], [0, 1], color=COLORS["muted"], linestyle=(0, (3, 3)), linewidth=1)
    axes.vlines(expected, expected, true, color=COLORS["refined"], linewidth=1.2)
    axes.plot(expected, true, "o", color=COLORS["refined"], ms=5)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    return finish(figure, axes, {}, name)


def new_chart(x_label: str, y_label: str) -> tuple[Figure, Any]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
    axes.set_xlabel(x_label)
    axes.set_title(y_label, loc="left", fontsize=9, color=COLORS["muted"])
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 2.5, 5, 10)))
    return figure, axes


def finish(figure: Figure, axes: Any, shown: Mapping[str, object], name: str) -> str:
    """The chart as an <svg> element; `name` keeps its inner ids apart from other charts'."""
    if len(shown) > 1:
        with mpl.rc_context(STYLE):
            axes.legend(
                loc="lower right",
                bbox_to_anchor=(1.0, 0.99),
                ncols=len(shown),
                handlelength=1.1,
                borderaxespad=0.2,
                columnspacing=1.2,
            )
    stream = io.StringIO()
    with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
        figure.savefig(stream, format="svg", transparent=True)
    return for_page(stream.getvalue(), name)


def for_page(svg: str, name: str) -> str:
    """Only the element, scalable, in the page's font and colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (xmlns(:xlink)?)="[^"]*"', "", svg)
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1">', svg, count=1)
    svg = re.sub(r"(font: [0-9.]+px )[^;\"]+", r"\1var(--font)", svg)
    svg = re.sub(r'id="(?!(?:m|p)[0-9a-f]{10})[^"]*"', "", svg)  # names of groups: nobody asks
    for color, written in COLORS.items():
        svg = svg.replace(written, f"var(--{color})")
    return svg.strip()


def thin(steps: Sequence[float], values: Sequence[float]) -> Curve:
    """At most MOST_POINTS means of neighbours."""
    return means(steps), means(values)


def means(values: Sequence[float]) -> list[float]:
    parts = np.array_split(np.asarray(values), max(1, min(MOST_POINTS, len(values))))
    return [float(part.mean()) for part in parts if part.size]


def label(color: str) -> str:
    return color.replace("-", " ")

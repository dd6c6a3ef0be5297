"""Charts as SVG inside a page, in the colours of the page, light or dark.

matplotlib is imported only to draw: it takes a quarter of a second, and every run imports this.
"""

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = (4.8, 2.7)  # inches; also the smallest size at which text is easy to read
MOST_POINTS = 400  # of a curve
LOG_FROM = 12.0  # a loss that falls by more than this factor is drawn on a logarithmic axis
# matplotlib writes these placeholders; the page's colours of the same name replace them.
COLORS = {
    name: f"#fe01{index:02x}"
    for index, name in enumerate(["ink", "muted", "grid", "orange", "blue", "gray", "amber", "sky"])
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


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A figure over the steps of a training."""

    label: str
    color: str  # a name in COLORS
    steps: Sequence[float]
    values: Sequence[float]


def read_curve(
    lines: Iterable[Mapping[str, float | None]], key: str, *, label: str, color: str
) -> Curve:
    """Steps and values of the log lines that have a finite value under `key`."""
    found = [(line["step"], line[key]) for line in lines if line.get(key) is not None]
    finite = [(step, value) for step, value in found if np.isfinite(value)]  # type: ignore[arg-type]
    return Curve(
        label=label,
        color=color,
        steps=[float(step or 0) for step, _ in finite],
        values=[float(value or 0) for _, value in finite],
    )


def loss_chart(curves: Sequence[Curve], name: str) -> str:
    """Chart of losses over steps."""
    from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

    figure, axes = new_chart("step", "loss")
    for curve in curves:
        x, y = thin(curve.steps), thin(curve.values)
        axes.plot(x, y, color=COLORS[curve.color], label=curve.label)
    axes.set_xlim(left=0)
    losses = [value for curve in curves for value in curve.values]
    if min(losses) > 0 and max(losses) / min(losses) > LOG_FROM:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_ylim(bottom=0)
    return finish(figure, axes, name, has_legend=len(curves) > 1)


def figure_chart(curves: Sequence[Curve], name: str, unit: str) -> str:
    """Chart of validation figures over steps, from 0; of bars if there is one figure per curve."""
    if all(len(curve.values) == 1 for curve in curves):
        return bar_chart(curves, name, unit)
    figure, axes = new_chart("step", unit)
    for curve in curves:
        color = COLORS[curve.color]
        axes.plot(
            curve.steps,
            curve.values,
            color=color,
            marker="o",
            ms=3.5,
            label=curve.label,
            clip_on=False,  # a dot on the edge is a whole dot
        )
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0, top=max(1.0, axes.get_ylim()[1]))
    return finish(figure, axes, name, has_legend=len(curves) > 1)


def bar_chart(curves: Sequence[Curve], name: str, unit: str) -> str:
    """Chart of the first figure of each curve as a bar, the first curve on top."""
    figure, axes = new_chart("", unit)
    for place, curve in enumerate(curves):
        value, step = curve.values[0], curve.steps[0]
        axes.barh(place, value, height=0.5, color=COLORS[curve.color])
        axes.annotate(
            f"{value:.1f} (step {step:.0f})",
            (value, place),
            (5, 0),
            textcoords="offset points",
            va="center",
            color=COLORS["ink"],
            fontsize=9,
        )
    axes.set_yticks(range(len(curves)), [curve.label for curve in curves])
    axes.set_ylim(max(len(curves), 3) - 0.5, -0.5)
    axes.set_xlim(0, 1.3 * max(1.0, *(curve.values[0] for curve in curves)))  # room for the text
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.grid(visible=False)
    axes.tick_params(axis="y", labelcolor=COLORS["ink"])
    return finish(figure, axes, name, has_legend=False)


def new_chart(x_label: str, y_label: str) -> "tuple[Figure, Any]":
    """Figure and axes in the style of the page."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
    axes.set_xlabel(x_label)
    axes.set_title(y_label, loc="left", fontsize=9, color=COLORS["muted"])
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=(1, 2, 2.5, 5, 10)))
    return figure, axes


def finish(figure: "Figure", axes: Any, name: str, *, has_legend: bool) -> str:
    """The chart as an <svg> element; `name` keeps its ids apart from those of other charts."""
    import matplotlib as mpl

    if has_legend:
        with mpl.rc_context(STYLE):
            axes.legend(
                loc="lower right",
                bbox_to_anchor=(1.0, 0.99),
                ncols=len(axes.get_legend_handles_labels()[1]),
                handlelength=1.1,
                borderaxespad=0.2,
                columnspacing=1.2,
            )
    stream = io.StringIO()
    with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
        figure.savefig(stream, format="svg", transparent=True)
    return for_page(stream.getvalue())


def for_page(svg: str) -> str:
    """The <svg> element alone, scalable, in the font and colours of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (xmlns(:xlink)?)="[^"]*"', "", svg)
    svg = re.sub(r'<svg [^>]*?viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1">', svg, count=1)
    svg = re.sub(r"(font: [0-9.]+px )[^;\"]+", r"\1var(--font)", svg)
    svg = re.sub(r'id="(?!(?:m|p)[0-9a-f]{10})[^"]*"', "", svg)  # names of groups: unused
    for color, written in COLORS.items():
        svg = svg.replace(written, f"var(--{color})")
    return svg.strip()


def thin(values: Sequence[float]) -> list[float]:
    """At most MOST_POINTS means of neighbours."""
    parts = np.array_split(np.asarray(values), max(1, min(MOST_POINTS, len(values))))
    return [float(part.mean()) for part in parts if part.size]

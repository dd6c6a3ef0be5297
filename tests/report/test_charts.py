from ray_wssis.report.charts import MOST_POINTS, Curve, figure_chart, loss_chart, read_curve, thin


def curve(values: list[float]) -> Curve:
    steps = [float(step) for step in range(1, len(values) + 1)]
    return Curve(label="upper bound", color="orange", steps=steps, values=values)


def test_a_curve_skips_lines_without_the_figure() -> None:
    lines: list[dict[str, float | None]] = [
        {"step": 1, "loss": 2.0},
        {"step": 2, "val/AP": 1.0},
        {"step": 3, "loss": None},
    ]
    found = read_curve(lines, "loss", label="teacher", color="orange")
    assert found == Curve(label="teacher", color="orange", steps=[1.0], values=[2.0])


def test_long_curves_are_thinned_to_means() -> None:
    steps, values = thin(range(4 * MOST_POINTS)), thin([1.0, 3.0] * 2 * MOST_POINTS)
    assert len(steps) == MOST_POINTS
    assert steps[0] == 1.5
    assert set(values) == {2.0}


def test_charts_take_the_colours_of_the_page() -> None:
    svg = loss_chart([curve([100.0, 10.0, 1.0])], "a")
    assert "var(--orange)" in svg
    assert "#fe01" not in svg
    assert "http" not in svg


def test_only_charts_of_several_curves_have_a_legend() -> None:
    one = curve([1.0, 2.0])
    assert "upper bound" not in loss_chart([one], "a")
    assert loss_chart([one, one], "a").count("upper bound") == 2


def test_dots_of_figures_are_whole_at_the_edge() -> None:
    assert "<g clip-path" not in figure_chart([curve([50.0, 100.0])], "a", "mask AP")


def test_one_figure_per_curve_is_a_bar_with_its_value() -> None:
    svg = figure_chart([curve([21.8]), curve([40.2])], "a", "mask AP")
    assert "21.8 (step 1)" in svg and "40.2 (step 1)" in svg
    assert "(step" not in figure_chart([curve([21.8]), curve([21.8, 40.2])], "a", "mask AP")

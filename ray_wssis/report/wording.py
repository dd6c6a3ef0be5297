"""Numbers as people read them; a missing number is a dash."""

DASH = "–"


def show_figure(value: float | None, digits: int = 1) -> str:
    return DASH if value is None else f"{value:.{digits}f}"


def show_count(value: float | None) -> str:
    return DASH if value is None else f"{value:,.0f}".replace(",", "\u202f")


def show_duration(seconds: float) -> str:
    """Duration to two significant digits: 8.3 s, 47 s, 6.5 min, 41 h."""
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            value = seconds / size
            return f"{value:.1f} {unit}" if value < 10 else f"{show_count(value)} {unit}"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"

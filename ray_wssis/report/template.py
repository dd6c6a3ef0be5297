"""Templates of pages: the files `*.html.jinja` in this package and in the one that asks."""

from typing import Any

import jinja2
from markupsafe import Markup

from ray_wssis.report.wording import show_count, show_duration, show_figure

OURS = ("ray_wssis.report", "templates")


def render(name: str, package: str = OURS[0], /, **values: Any) -> Markup:
    """Render the template `name` of `package`, or else of this package.

    Text among `values` cannot break the page; a value that the template needs and does not get is
    an error.
    """
    places = [jinja2.PackageLoader(*place) for place in dict.fromkeys([(package, OURS[1]), OURS])]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(places),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": show_figure, "duration": show_duration, "count": show_count}
    return Markup(environment.get_template(f"{name}.html.jinja").render(values))

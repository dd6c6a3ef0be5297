"""The templates of the pages, which are the files `*.html.jinja` beside this one."""

import jinja2

from ray_wssis.report.wording import show_count, show_duration, show_figure


def template(name: str) -> jinja2.Template:
    """The page `name`; what it is not given is an error, and text cannot break it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ray_wssis.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": show_figure, "duration": show_duration, "count": show_count}
    return environment.get_template(f"{name}.html.jinja")

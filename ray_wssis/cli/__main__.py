"""`python -m ray_wssis.cli`: the same as `wssis`."""

from ray_wssis.cli.app import app

app()

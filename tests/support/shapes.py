"""Types and shapes at the borders of the modules that hold tensors, checked while tests run."""

import sys

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

CHECKED = (
    "ray_wssis.models",
    "ray_wssis.metrics",
    "ray_wssis.methods.irn",
    "ray_wssis.methods.point_wssis",
    "ray_wssis.instance.segmenter",
)

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int may stand for a float


def check_shapes() -> None:
    """Check every call into `CHECKED`, none of which may have been imported before."""
    assert not set(CHECKED) & set(sys.modules)
    install_import_hook(CHECKED, f"{__name__}.checked")

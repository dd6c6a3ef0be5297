"""Where the real pictures that tests may use are, if they are."""

import os
from pathlib import Path

BESIDE = Path(__file__).parents[2] / ".." / "shared" / "data"  # the checkout
DATA = Path(os.environ.get("WSSIS_DATA", BESIDE))
COCO_MINI = DATA / "coco_mini"

"""Where the recorded inputs and outputs of the published networks are, if they are."""

import os
from pathlib import Path

BESIDE = Path(__file__).parents[1] / ".." / "shared" / "parity"  # the checkout
PARITY = Path(os.environ.get("WSSIS_PARITY", BESIDE))

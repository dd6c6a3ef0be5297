"""Two behaviours with names (docs/method.md, "compat").

`fixed` is ours.  `reference` does as the published code where published weights depend on it, or
where their pseudo masks cannot be had again otherwise; imported models carry it.
"""

from typing import Literal

Compat = Literal["fixed", "reference"]

"""The compiler of torch, left out of processes that compile nothing.

It is larger than the rest of torch: each process with a network would start two to four seconds
later.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch  # noqa: F401  # the rest of it, before the stand-in is there

COMPILER, USED = "torch._dynamo", "torch._dynamo.utils"


@contextmanager
def without_compiler() -> Iterator[None]:
    """Put a stand-in in the place of the compiler, unless it is there already.

    Whoever imports it later gets the real one.
    """
    if COMPILER in sys.modules:
        yield
        return
    compiler: Any = ModuleType(COMPILER)
    used: Any = ModuleType(USED)
    compiler.disable = lambda function, *_, **__: function
    compiler.graph_break = lambda: None
    used.is_compile_supported = lambda device: False
    sys.modules |= {COMPILER: compiler, USED: used}
    try:
        yield
    finally:
        del sys.modules[COMPILER], sys.modules[USED]

"""A labeller: what draws, finds or measures something in every image of a stream."""

from collections.abc import Callable
from typing import Any, Protocol

import pyarrow as pa

from ray_wssis.streaming.decode import Image

Row = dict[str, Any]
Infer = Callable[[list[Image]], list[Row]]  # each row names the `image_id` it is about


class Labeller(Protocol):
    """Small enough to be sent to every process: it holds paths and numbers, no networks.

    It is also sent to the processes that write rows, so importing its module loads no torch.
    """

    @property
    def made_from(self) -> str: ...  # stands for all that decides its rows, the images aside
    @property
    def schema(self) -> pa.Schema: ...  # of its finished rows
    @property
    def network_size(self) -> tuple[int, int]: ...  # shorter and longest side, pixels
    @property
    def canvas_multiple(self) -> int: ...  # pixels; images of equal canvases share a batch
    @property
    def needs_original(self) -> bool: ...  # False: `Image.pixels` stay empty, JPEGs decode faster

    def open(self) -> Infer:
        """Load the networks; called once per actor, whose batches all go to what it returns."""
        ...

    def finish(self, row: Row) -> Row:
        """Complete a row.  Runs in a CPU process of its own: the part that needs no network."""
        ...

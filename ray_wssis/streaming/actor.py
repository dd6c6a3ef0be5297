"""The actor behind a stream: a labeller's networks, fed with decoded batches."""

import os
import pickle
import sys
import time

import ray

from ray_wssis.streaming.decode import Failure, Image
from ray_wssis.streaming.labeller import Infer, Labeller, Row


class StreamActor:
    """Turns decoded batches into rows.

    Its constructor takes nothing and cannot fail, so an actor that is there can say why its
    networks are not.
    """

    infer: Infer

    def node(self) -> str:
        """Return the id of its node, as soon as it has a place there."""
        return str(ray.get_runtime_context().get_node_id())

    def open(self, labeller: Labeller, share_cpu: int | None) -> str:
        """Load the networks; return the id of the node."""
        self.infer = labeller.open()
        if share_cpu is not None and "torch" in sys.modules:  # not every labeller has a network
            threads = max(1, (os.cpu_count() or 1) // share_cpu)
            sys.modules["torch"].set_num_threads(threads)
        return self.node()

    def label(self, batch: bytes) -> tuple[float, bytes]:
        """Return the seconds that a batch took, and its rows; both travel as bytes."""
        start = time.perf_counter()
        rows = pickle.dumps(self.rows(pickle.loads(batch)), protocol=5)
        return time.perf_counter() - start, rows

    def rows(self, images: list[Image]) -> list[Row]:
        """Rows of all images; if a batch fails, each of its images is tried alone."""
        rows = [failed_row(image, image.failure) for image in images if image.failure is not None]
        readable = [image for image in images if image.failure is None]
        if not readable:
            return rows
        try:
            return rows + self.rows_of(readable)
        except Exception as error:  # whatever it was, the other images have nothing to do with it
            if len(readable) == 1:
                reason = f"{readable[0].record.file}: {type(error).__name__}: {error}"
                return [*rows, failed_row(readable[0], Failure(stage="model", reason=reason))]
        return rows + [row for image in readable for row in self.rows([image])]

    def rows_of(self, images: list[Image]) -> list[Row]:
        known = {image.record.image_id: image for image in images}
        return [
            {"error": None, "stage": None}
            | row
            | {"source": known[row["image_id"]].source, "key": known[row["image_id"]].key}
            for row in self.infer(images)
        ]


def failed_row(image: Image, failure: Failure) -> Row:
    record = image.record
    return {
        "source": image.source,
        "image_id": record.image_id,
        "key": image.key,
        "file": record.file,
        "width": record.width,
        "height": record.height,
        "stage": failure.stage,
        "error": failure.reason,
    }

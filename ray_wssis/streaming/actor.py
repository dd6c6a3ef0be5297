"""The actor behind a stream: a labeller's networks, fed with decoded batches."""

import os
import pickle
import sys
import time
from collections.abc import Iterator

import pyarrow as pa

from ray_wssis.streaming.decode import BATCH, Failure, Image, one_row
from ray_wssis.streaming.labeller import Labeller, Row


class StreamActor:
    """Turns decoded batches into rows; both travel as cells of Arrow tables."""

    def __init__(self, labeller: Labeller, share_cpu: int | None) -> None:
        self.network = labeller.open()
        if share_cpu is not None and "torch" in sys.modules:  # not every labeller has a network
            threads = max(1, (os.cpu_count() or 1) // share_cpu)
            sys.modules["torch"].set_num_threads(threads)

    def __call__(self, batches: pa.Table) -> Iterator[pa.Table]:
        for row in batches.to_pylist():
            start = time.perf_counter()
            rows = self.infer(pickle.loads(row[BATCH]))
            seconds = {step: row[step] for step in ("read", "decode")}
            yield one_row(rows, seconds | {"model": time.perf_counter() - start})

    def infer(self, images: list[Image]) -> list[Row]:
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
        return rows + [row for image in readable for row in self.infer([image])]

    def rows_of(self, images: list[Image]) -> list[Row]:
        known = {image.record.image_id: image for image in images}
        return [
            {"error": None, "stage": None}
            | row
            | {"source": known[row["image_id"]].source, "key": known[row["image_id"]].key}
            for row in self.network(images)
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

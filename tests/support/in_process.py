"""A streaming pass in this process: what Ray Data's tasks and one actor do, one after the other."""

import pyarrow as pa

from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.decode import Decoder, Picture, one_row, read_task
from ray_wssis.streaming.plan import Source, plan_batches
from ray_wssis.streaming.shards import finish_and_write
from ray_wssis.streaming.stream import Pass, StreamActor, Throughput


def batches_of(job: Pass, batch_size: int) -> list[list[Picture]]:
    """The decoded pictures of each batch."""
    decoder = Decoder(
        network_size=job.network_size, needs_original=job.needs_original, max_megapixels=100
    )
    batches = []
    for file in job.records:
        source = Source(file, job.made_from, job.network_size, needs_original=job.needs_original)
        planned = plan_batches(source, job.canvas_multiple, batch_size)
        batches += [decoder(pictures)[0] for pictures in read_task(source.task(planned))]
    return batches


def stream_here(job: Pass, workers: LabellingWorkers, **_: object) -> Throughput:
    actor = StreamActor(job.worker, job.arguments, None)
    read = {"read": 0.0, "decode": 0.0}
    rows = [
        row
        for pictures in batches_of(job, workers.batch_size)
        for row in actor(one_row(pictures, read))
    ]
    finish_and_write(pa.concat_tables(rows), job.out, job.schema, job.finish)
    return Throughput()

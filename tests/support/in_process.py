"""A streaming pass in this process: what Ray's tasks and one actor do, one after the other."""

import pickle

from ray_wssis.streaming.actor import StreamActor
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.decode import Decoder, Image, read_task
from ray_wssis.streaming.plan import Source, plan_batches
from ray_wssis.streaming.shards import finish_and_write
from ray_wssis.streaming.stream import Pass
from ray_wssis.streaming.throughput import Throughput


def batches_of(job: Pass, batch_size: int) -> list[list[Image]]:
    """Decode the images of each batch."""
    labeller = job.labeller
    decoder = Decoder(
        network_size=labeller.network_size,
        needs_original=labeller.needs_original,
        max_megapixels=100,
    )
    batches = []
    for file in job.records:
        source = Source(
            file,
            labeller.made_from,
            labeller.network_size,
            needs_original=labeller.needs_original,
        )
        planned = plan_batches(source, labeller.canvas_multiple, batch_size)
        batches += [decoder(images)[0] for images in read_task(source.task(planned))]
    return batches


def stream_here(job: Pass, workers: LabellingWorkers, **_: object) -> Throughput:
    actor = StreamActor()
    actor.infer = job.labeller.open()
    rows = [pickle.dumps(actor.rows(images)) for images in batches_of(job, workers.batch_size)]
    finish_and_write(job.out, job.labeller, *rows)
    return Throughput()

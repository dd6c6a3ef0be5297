"""The way of batches through Ray: tasks decode, a crew of actors labels, tasks write.

Only a few batches are in memory at any time, however many images there are.  Every call to Ray
ends, with a result or because its process or node is gone; then its batches begin again.
"""

import logging
import pickle
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import ray
from ray.exceptions import RayError, RuntimeEnvSetupError
from upath import UPath

from ray_wssis.nodes import reason
from ray_wssis.outage import StorageAway
from ray_wssis.session import is_lent
from ray_wssis.shared_folder import working_nodes
from ray_wssis.streaming.actor import failed_row
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.crew import IN_HAND, Crew, LabellingStopped, is_lost
from ray_wssis.streaming.decode import Decoder, Failure, decode_batches, read_task
from ray_wssis.streaming.item import Item, Ref
from ray_wssis.streaming.labeller import Labeller, Row
from ray_wssis.streaming.pool import DECODE_CPUS, WRITE_CPUS, Pool
from ray_wssis.streaming.shards import finish_and_write
from ray_wssis.streaming.throughput import STEPS

STORE_SHARE = 0.3  # of Ray's object store that decoded batches may fill
AHEAD = 4  # decoded batches for each one that an actor may have in hand
MOST_SHARDS = 64  # written at the same time; labelling waits for a storage that is slower
LOOK_EVERY = 10.0  # seconds between looks at the size of the cluster
A_MOMENT = 1.0  # seconds that a call is waited for before there is a look at the clock
MOST_REFUSED = 20  # looks for nodes that start no processes, in vain
QUIET = 60.0  # seconds without a result after which the log says what is waited for
WRITTEN_WITHIN = 10.0  # seconds for shards that are being written when labelling stops
ONCE: Any = {"max_retries": 0}  # by Ray: what is lost begins again here

logger = logging.getLogger(__name__)


class Flow:
    """Batches from plan to shard.  All that is under way ends with `with`."""

    def __init__(
        self,
        name: str,  # in the log
        labeller: Labeller,
        out: UPath,  # folder of the shards
        workers: LabellingWorkers,
        shares: Iterable[list[Item]],  # each is decoded by one task
        num_items: int,
    ) -> None:
        self.name, self.labeller, self.out, self.workers = name, labeller, out, workers
        self.shares = iter(shares)
        self.again: deque[list[Item]] = deque()  # shares that come before these
        self.decoding: dict[Ref, list[Item]] = {}
        self.ready: deque[Item] = deque()  # decoded
        self.num_decoders = 2.0  # at the same time; more as soon as actors have to wait for them
        self.labelled: list[Item] = []
        self.writing: dict[Ref, list[Item]] = {}
        self.num_left = num_items  # not yet in a shard
        self.decoder = Decoder(
            network_size=labeller.network_size,
            needs_original=labeller.needs_original,
            max_megapixels=workers.max_megapixels,
        )
        self.decode_task: Any = ray.remote(num_cpus=DECODE_CPUS, **ONCE)(decode_batches)
        self.write_task: Any = ray.remote(num_cpus=WRITE_CPUS, **ONCE)(finish_and_write)
        self.places: dict[str, float] = {}  # processes that fit in, by step
        nodes = self.look()
        if not is_lent() and not self.pool.fits(nodes):
            raise LabellingStopped(
                f"{name}: each process that labels needs {self.pool.size} on one node, which this "
                f"machine does not have: lower labelling_workers.gpus_each or cpus_each"
            )
        self.crew = Crew(name, labeller, self.pool)
        self.num_refused = 0  # looks for nodes that start no processes, since a shard was written
        self.refused_at = -LOOK_EVERY
        self.working = self.crew.working = working_nodes()
        self.moved_at = self.told_at = time.monotonic()  # when the last call ended

    def look(self) -> Sequence[Mapping[str, float]]:
        """Divide the cluster as it is now; return the resources of its nodes."""
        self.looked_at = time.monotonic()
        cluster, nodes = ray.cluster_resources(), [node for node in ray.nodes() if node["Alive"]]
        self.pool = Pool.of(self.workers, cluster, len(nodes))
        gpus_each = self.pool.gpus_each  # GPUs that join later change nothing
        self.workers = self.workers.model_copy(update={"gpus_each": gpus_each})
        self.budget = STORE_SHARE * cluster.get("object_store_memory", 0)  # bytes
        self.places |= {
            step: self.pool.most if step == "model" else self.pool.others for step in STEPS
        }
        return [node["Resources"] for node in nodes]

    def __enter__(self) -> "Flow":
        return self

    def __exit__(self, *_: object) -> None:
        self.crew.dismiss_all()
        for call in self.decoding:
            ray.cancel(call, force=True)
        if self.writing:
            ray.wait(list(self.writing), num_returns=len(self.writing), timeout=WRITTEN_WITHIN)

    def rows(self) -> Iterator[Row]:
        """Yield a row for every shard that was written: what is in it, and how long it took."""
        while self.num_left:
            self.decode()
            self.label()
            self.write()
            for call in self.ended():
                if call in self.decoding:
                    self.take_decoded(call)
                elif call in self.writing:
                    yield from self.take_written(call)
                else:
                    self.take_labelled(call)

    def decode(self) -> None:
        """Start decoding, as far ahead as is useful and there is room for."""
        ahead = AHEAD * IN_HAND * max(1, len(self.crew.members))
        while len(self.decoding) < min(self.num_decoders, max(1, self.pool.others)):
            if not self.again:
                self.again.extend(islice(self.shares, 1))
            full = len(self.ready) >= ahead or not self.again
            if full or not self.has_memory(self.again[0]):
                return
            items = self.again.popleft()
            task = items[0].source.task([item.batch for item in items])
            where: Any = {"label_selector": self.working}
            decode = self.decode_task.options(num_returns=len(items) + 1, **where)
            *batches, call = decode.remote(task, self.decoder)
            for item, batch in zip(items, batches, strict=True):
                item.decoded = batch
            self.decoding[call] = items

    def has_memory(self, share: list[Item]) -> bool:
        there = [*chain(*self.decoding.values()), *self.ready, *self.crew.in_hand()]
        return not there or sum(item.num_bytes for item in [*there, *share]) < self.budget

    def label(self) -> None:
        """Give decoded batches to the crew, which grows while there are more than it can take."""
        self.crew.grow(min(max(self.workers.number, len(self.crew.members)), self.num_left))
        if len(self.writing) >= MOST_SHARDS:
            return
        while self.ready and (member := self.crew.free(self.ready[0])) is not None:
            self.crew.give(member, self.ready.popleft())
        if self.ready:
            self.crew.grow(min(self.pool.most, self.num_left))

    def write(self) -> None:
        """Start writing whole shards; at the end, and for batches that are alone, smaller ones."""
        size = max(1, self.workers.shard_size // self.workers.batch_size)
        shards = [[item] for item in self.labelled if item.is_suspect]
        rest = [item for item in self.labelled if not item.is_suspect]
        shards += [rest[i : i + size] for i in range(0, len(rest), size)]
        is_end = self.num_left == len(self.labelled) + sum(map(len, self.writing.values()))
        self.labelled = []
        for shard in shards:
            if len(shard) == size or shard[0].is_suspect or is_end:
                rows = [item.rows for item in shard]
                write = self.write_task.options(label_selector=self.working)
                self.writing[write.remote(self.out, self.labeller, *rows)] = shard
            else:
                self.labelled += shard

    def ended(self) -> list[Ref]:
        """Wait a moment for calls to end, and return those that have.

        Raises LabellingStopped when there was none for longer than one is to wait.
        """
        calls = [*self.decoding, *self.crew.calls(), *self.writing]
        if not calls:  # the next actor starts in a moment
            time.sleep(A_MOMENT)
            return []
        ended, _ = ray.wait(calls, num_returns=1, timeout=A_MOMENT, fetch_local=False)
        if ended:
            ended, _ = ray.wait(calls, num_returns=len(calls), timeout=0, fetch_local=False)
            self.moved_at = time.monotonic()
        self.watch()
        return ended

    def watch(self) -> None:
        """Look at the clock, and at the size of the cluster."""
        now = time.monotonic()
        if now - self.looked_at > LOOK_EVERY:
            self.look()
            self.ready.extendleft(reversed(self.crew.shrink(self.pool)))
        if now - max(self.moved_at, self.told_at) < min(QUIET, self.workers.patience):
            return
        self.told_at = now
        doing = [*self.crew.doing()]
        doing += [f"{len(self.decoding)} decoding"] if self.decoding else []
        doing += [f"{len(self.writing)} writing"] if self.writing else []
        text = f"{self.name}: nothing was finished for {now - self.moved_at:.0f} s; processes: "
        text += ", ".join(doing)
        if now - self.moved_at < self.workers.patience:
            logger.warning("%s", text)
            return
        raise LabellingStopped(
            f"{text}. Finished work is kept, and the same command continues it; if they only need "
            "longer, raise labelling_workers.patience"
        )

    def take_decoded(self, call: Ref) -> None:
        items = self.decoding.pop(call)
        try:
            told: Any = ray.get(call)
        except RayError as error:
            self.died(items, error)
            return
        if not self.ready and self.crew.is_hungry():
            self.num_decoders += 1
        node, seconds = told
        for item, spent in zip(items, seconds, strict=True):
            item.node, item.seconds = node, spent
        self.ready.extend(items)

    def take_labelled(self, call: Ref) -> None:
        outcome = self.crew.take(call)
        if self.crew.refusal is not None:
            self.refused(self.crew.refusal)
            self.crew.refusal = None
        self.labelled += outcome.labelled
        self.ready.extendleft(reversed(outcome.untouched))
        self.died(outcome.died, outcome.error)

    def take_written(self, call: Ref) -> Iterator[Row]:
        items = self.writing.pop(call)
        try:
            row: Any = ray.get(call)
        except RayError as error:
            self.died(items, error)
            return
        self.num_left -= len(items)
        self.num_refused = 0
        yield row | {
            step: sum(item.seconds.get(step, 0.0) for item in items)
            for step in ("read", "decode", "model")
        }

    def died(self, items: list[Item], error: RayError | None) -> None:
        """Plan the batches of a process that is gone once more; raise an error of its code."""
        if isinstance(error, RuntimeEnvSetupError):
            again = [
                Item(source=item.source, batch=item.batch, num_deaths=item.num_deaths)
                for item in items
            ]
            self.again.extend([item] for item in again)
            self.refused(error)
            return
        if error is not None and not is_lost(error):
            if isinstance(cause := getattr(error, "cause", None), StorageAway):
                text = "Finished work is kept, and the same command continues it"
                raise LabellingStopped(f"{self.name}: {cause}. {text}") from error
            raise error
        if items:
            num_images = sum(len(item.batch) for item in items)
            logger.warning("%s: a process died with %d images", self.name, num_images)
        for item in items:
            others = item.after_a_death()
            self.again.extend([other] for other in others)
            self.num_left += len(others) - 1
            if not others:
                self.give_up(item)

    def refused(self, error: RuntimeEnvSetupError) -> None:
        """Find the nodes that start no processes, and give the work to others."""
        if time.monotonic() - self.refused_at < LOOK_EVERY:  # one more of the same node
            return
        self.num_refused += 1
        if self.num_refused > MOST_REFUSED:
            raise LabellingStopped(
                f"{self.name}: processes cannot be started: {reason(error)}. Finished work is "
                "kept, and the same command continues it"
            )
        self.working = self.crew.working = working_nodes()
        self.refused_at = time.monotonic()

    def give_up(self, item: Item) -> None:
        """Label the images of an item as failed: each process that worked on them died."""
        reason = "each process that worked on it died; out of memory?"
        failure = Failure(stage="model", reason=reason)
        (images,) = read_task(item.source.task([item.batch]))
        rows = [failed_row(image, failure) for image in images]
        item.rows = ray.put(pickle.dumps(rows))
        self.labelled.append(item)
        self.num_left += 1

"""Run the pipeline on hosts that share nothing, and do things to them.

    python -m tests.cluster.hosts [--only WORDS ...]

Three hosts of one machine (`tests/support/hosts.py`): a head without CPUs and two workers, each
with two.  A bucket stands in the middle, behind a proxy that answers as a bucket in trouble does.

Prints
for each trouble what became of the run, whether what it left is equal byte for byte to that of an
undisturbed one, how long it took, the lines of its log, and the load average then.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray.util.state import list_nodes
from s3fs import S3FileSystem

from tests.support.faulty_s3 import BUSY, CUT, SAME, FaultyS3, faulty_s3
from tests.support.hosts import MIDDLE, Host, hosts, move_in, why_not
from tests.support.small_run import RAY, SMALL
from tests.support.waiting import wait_until

STARTS_WITHIN, BEGINS_WITHIN, ENDS_WITHIN = 600, 900, 1800  # seconds
ROOM = "400m"  # of /tmp of a host
STORE = 150_000_000  # bytes of each object store
BEFORE_LABELS = ("split", "teacher", "rough_masks", "refiner")
MERGED, TEACHER = "merged/*_refined.json", "teacher/model/*.safetensors"
ENVIRONMENT = {
    "HOME": "/tmp",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "RAY_AUTH_MODE": "disabled",
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": f"{STARTS_WITHIN}",
    "RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT": f"{STARTS_WITHIN}",
    "RAY_JOB_STOP_WAIT_TIME_S": "60",  # as the operator guide says
    "RAY_USAGE_STATS_ENABLED": "0",
    "TMPDIR": "/tmp",
}
SETTINGS = [
    *SMALL,
    "data.shapes.num_images=48",
    "teacher.training.steps=12",  # with a checkpoint every 2
    "training_workers.cpus_each=1",
    "labelling_workers.number=2",
    "labelling_workers.batch_size=2",
    "labelling_workers.shard_size=2",
]
SUBMIT_ENDS_WITH = 4  # lines
LOOP = "while true; do {start}; ray stop --force; sleep 10; done"  # the operator guide's


@dataclass
class Cluster:
    """A head and workers, given by the names of their hosts."""

    hosts: dict[str, Host]
    storage: FaultyS3
    head: str
    log: Path
    rays: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, name: str) -> None:
        """Start Ray on a host."""
        host, head = self.hosts[name], self.hosts[self.head].address
        words = ["ray", "start", "--block", f"--node-ip-address={host.address}"]
        words += ["--object-store-memory", str(STORE)]
        if name == self.head:
            words += ["--head", "--port=6379", "--dashboard-host=0.0.0.0", "--num-cpus=0"]
        else:
            words += [f"--address={head}:6379", "--num-cpus=2"]
        loop = LOOP.format(start=" ".join(words))
        with self.log.open("ab") as stream:
            ray = subprocess.Popen(host.command("sh", "-c", loop), stdout=stream, stderr=stream)
        self.rays.append(ray)

    def wait_for_all(self) -> None:
        everywhere = {host.address for host in self.hosts.values()}
        wait_until(lambda: self.alive() == everywhere, seconds=STARTS_WITHIN, every=2)

    def alive(self) -> set[str]:
        """Return the addresses of the nodes that are there."""
        try:
            nodes: Any = list_nodes(self.dashboard, timeout=20)
        except Exception:  # there are many reasons why it does not answer yet
            return set()
        return {node.node_ip for node in nodes if node.state == "ALIVE"}

    @property
    def dashboard(self) -> str:
        return f"http://{self.hosts[self.head].address}:8265"

    def submit(self, host: str, job: str, out: str, until: str | None, log: Path) -> Any:
        """Submit the whole pipeline from a host, as the operator guide says."""
        line = [RAY, "job", "submit", "--address", self.dashboard, "--working-dir", "."]
        line += ["--submission-id", job, "--", sys.executable, "jobs/full_pipeline.py"]
        line += ["--config", "shapes", "--out", out]
        line += [word for setting in SETTINGS for word in ("--set", setting)]
        line += ["--until", until] if until else []
        with log.open("ab") as stream:
            return subprocess.Popen(self.hosts[host].command(*line), stdout=stream, stderr=stream)


@contextmanager
def cluster(storage: FaultyS3, log: Path) -> Iterator[Cluster]:
    with hosts("a", "b", "c", room=ROOM) as machines:
        made = Cluster(machines, storage, "a", log)
        for name in machines:
            made.start(name)
        made.wait_for_all()
        yield made


@dataclass(frozen=True)
class Trouble:
    name: str
    begins: str | None  # as soon as the run has such a file; None: before it starts
    strikes: Callable[[Cluster], None]
    ends: Callable[[Cluster], None]  # when the run is over
    result: str  # the file that is compared
    made: tuple[str, ...] = BEFORE_LABELS  # stages that are finished before
    stops: bool = False  # the job ends, and is submitted again


def nothing(_: Cluster) -> None:
    pass


def cut_off(cluster: Cluster) -> None:
    cluster.hosts["b"].cut()
    time.sleep(45)
    cluster.hosts["b"].join()


def is_back(cluster: Cluster) -> None:
    cluster.wait_for_all()


def lost(cluster: Cluster) -> None:
    cluster.hosts["b"].lose()


def is_replaced(cluster: Cluster) -> None:
    old = cluster.hosts["b"]
    addresses = {host.name: host.address for host in cluster.hosts.values()}
    number = max(int(host.port.removeprefix("port")) for host in cluster.hosts.values()) + 1
    cluster.hosts["b"] = Host("b", number, ROOM, addresses=addresses)
    assert old.address == cluster.hosts["b"].address
    cluster.start("b")
    cluster.wait_for_all()


def away(answers: str, seconds: float) -> Callable[[Cluster], None]:
    def strikes(cluster: Cluster) -> None:
        cluster.storage.answers = answers
        time.sleep(seconds)
        cluster.storage.answers = SAME

    return strikes


def fill_disk(cluster: Cluster) -> None:
    fill = "dd if=/dev/zero of=/tmp/filler bs=1M 2>/dev/null; dd if=/dev/zero of=/tmp/last bs=512"
    cluster.hosts["b"].run("sh", "-c", f"{fill} 2>/dev/null; true")


def make_room(cluster: Cluster) -> None:
    cluster.hosts["b"].run("rm", "/tmp/filler", "/tmp/last")
    cluster.wait_for_all()


LABELLING, TRAINING = "labels/rows/*.parquet", "teacher/ray_train/checkpoint_*/*"
TROUBLES = [
    Trouble("none: the whole pipeline", None, nothing, nothing, MERGED, made=()),
    Trouble("a worker cut off for 45 s, labelling", LABELLING, cut_off, is_back, MERGED),
    Trouble("a worker lost, labelling", LABELLING, lost, is_replaced, MERGED),
    Trouble("storage away for 120 s, labelling", LABELLING, away(CUT, 120), nothing, MERGED),
    Trouble("ray job stop from another host", LABELLING, nothing, nothing, MERGED, stops=True),
    Trouble("a worker's disk full, labelling", None, fill_disk, make_room, MERGED),
    Trouble(
        "storage away for 120 s, training",
        TRAINING,
        away(BUSY, 120),
        nothing,
        TEACHER,
        made=("split",),
    ),
    Trouble("a worker lost, training", TRAINING, lost, is_replaced, TEACHER, made=("split",)),
]


@dataclass(frozen=True)
class Outcome:
    left: bytes
    seconds: float
    num_lines: int
    num_failed: int | None


def play(cluster: Cluster, number: int, trouble: Trouble) -> Outcome:
    """Run once with a trouble; the stages that are finished before are those of run 0."""
    bucket = S3FileSystem(use_listings_cache=False)
    out, log = f"runs/{number}", cluster.log.with_name(f"job{number}")
    for name in (*trouble.made, *(["config.resolved.yaml"] if trouble.made else [])):
        bucket.copy(f"runs/0/{name}", f"{out}/{name}", recursive=True)
    until = {MERGED: "merged", TEACHER: "teacher"}[trouble.result] if trouble.made else None
    start = time.monotonic()
    if trouble.begins is None:
        trouble.strikes(cluster)
    job = cluster.submit("c", f"run{number}", f"s3://{out}", until, log)
    if trouble.begins is not None:
        begins = f"{out}/{trouble.begins}"
        wait_until(
            lambda: bool(bucket.glob(begins)) or job.poll() is not None,
            seconds=BEGINS_WITHIN,
            every=0.5,
        )
        trouble.strikes(cluster)
    if trouble.stops:
        stop = [RAY, "job", "stop", "--address", cluster.dashboard, f"run{number}"]
        cluster.hosts["b"].run(*stop)
        job.wait(timeout=ENDS_WITHIN)
        assert "Stopped. The same command continues from here." in log.read_text()
        job = cluster.submit("c", f"run{number}again", f"s3://{out}", until, log)
    status = job.wait(timeout=ENDS_WITHIN)
    seconds = time.monotonic() - start
    trouble.ends(cluster)
    lines = log.read_text().splitlines()
    files = bucket.glob(f"{out}/{trouble.result}")
    if status or not files:  # 0 also if somebody stopped it
        raise RuntimeError("\n".join(lines[-60:]))
    failed = f"{out}/labels/failed.jsonl"
    return Outcome(
        left=bucket.cat(files[0]),
        seconds=seconds,
        num_lines=len(said_by(lines)),
        num_failed=len(bucket.cat(failed).splitlines()) if bucket.exists(failed) else None,
    )


def said_by(lines: list[str]) -> list[str]:
    """Leave out what `ray job submit` says."""
    begins = [number for number, line in enumerate(lines) if line.startswith("Running entrypoint")]
    return lines[begins[0] + 1 : -SUBMIT_ENDS_WITH]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="*", default=[], help="words of troubles' names")
    parser.add_argument("--logs", type=Path, help="folder; default: one that is removed")
    options = parser.parse_args()
    if reason := why_not():
        sys.exit(reason)
    move_in("tests.cluster.hosts", *sys.argv[1:])
    os.environ |= ENVIRONMENT
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    first, *rest = TROUBLES
    chosen = [x for x in rest if not options.only or any(w in x.name for w in options.only)]
    with tempfile.TemporaryDirectory() as folder, faulty_s3(MIDDLE) as storage:
        S3FileSystem().mkdir("runs")
        logs = options.logs or Path(folder)
        logs.mkdir(parents=True, exist_ok=True)
        with cluster(storage, logs / "cluster") as made:
            print("| what was done | result | failed images | equal | seconds | lines | load |")
            print("|---|---|---|---|---|---|---|", flush=True)
            calm: dict[str, bytes] = {}
            for number, trouble in enumerate([first, *chosen]):
                row(made, number, trouble, calm)


def row(cluster: Cluster, number: int, trouble: Trouble, calm: dict[str, bytes]) -> None:
    """Print a row of the table."""
    try:
        done = play(cluster, number, trouble)
    except RuntimeError as error:
        if not number:
            raise
        print(f"| {trouble.name} | failed | | | | | |\n{error}", file=sys.stderr, flush=True)
        return
    if not number:
        bucket = S3FileSystem(use_listings_cache=False)
        for result in (MERGED, TEACHER):
            (file,) = bucket.glob(f"runs/0/{result}")
            calm[result] = bucket.cat(file)
    equal = "yes" if done.left == calm[trouble.result] else "no"
    failed = "" if done.num_failed is None else done.num_failed
    print(
        f"| {trouble.name} | succeeded | {failed} | {equal} | {done.seconds:.0f} "
        f"| {done.num_lines} | {os.getloadavg()[1]:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()

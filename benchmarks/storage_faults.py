"""Label or train from a bucket into a bucket that is away for a while, and compare with an
undisturbed run.

    uv run python -m benchmarks.storage_faults RUN --images 60
    uv run python -m benchmarks.storage_faults RUN --train

RUN is a finished run of the built-in shapes, whose models and images are copied into the bucket of
a server on this machine; to train, its split is enough.  Prints for each fault how long the run
took, the lines of its log, the images that failed, and whether the merged file, or the teacher, is
equal byte for byte.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from s3fs import S3FileSystem

from tests.support.faulty_s3 import (
    BUSY,
    CUT,
    HANG,
    RESET,
    SAME,
    SLOW,
    FaultyS3,
    faulty_s3,
)

SETTINGS = [
    "estimate=false",
    "data.shapes=null",
    "data.strong=s3://data/s.json",
    "data.weak=s3://data/w.json",
    "data.validation=s3://data/s.json",
    "data.images=s3://data/images",
]
LABELLING = [
    "teacher.ready=s3://data/teacher",
    "refiner.ready=s3://data/refiner",
    "labelling_workers.batch_size=2",
    "labelling_workers.shard_size=2",
]
TRAINING = [
    "teacher.training.steps=40",
    "teacher.training.batch_size=4",
    "teacher.training.save_every=2",
    "teacher.training.early=[2, 4]",
    "training_workers.cpus_each=1",
]
ENDS_WITHIN = 1800  # seconds


@dataclass(frozen=True)
class Fault:
    name: str
    answers: str  # what a request gets
    only: str  # of the path of a request
    seconds: float
    begins: str  # as soon as there is such a file


FAULTS = [
    Fault("none", SAME, "", 0, "labels/started.json"),
    Fault("503 for every image, 75 s", BUSY, "/images/", 75, "labels/started.json"),
    Fault("503 for everything, 30 s", BUSY, "", 30, "labels/*/*.parquet"),
    Fault("connections cut, 120 s", CUT, "", 120, "labels/*/*.parquet"),
    Fault("connections reset, 30 s", RESET, "", 30, "labels/*/*.parquet"),
    Fault("no answer, 30 s", HANG, "", 30, "labels/*/*.parquet"),
    Fault("answers after 3 s, 120 s", SLOW, "", 120, "labels/*/*.parquet"),
]


WHILE_TRAINING = [
    Fault("none", SAME, "", 0, "teacher/manifest.json"),
    Fault(
        "503 for everything while training, 120 s",
        BUSY,
        "",
        120,
        "teacher/ray_train/checkpoint_*/*",
    ),
    Fault(
        "connections cut while training, 120 s", CUT, "", 120, "teacher/ray_train/checkpoint_*/*"
    ),
]


@dataclass(frozen=True)
class Outcome:
    made: bytes
    failed: int
    seconds: float
    lines: int
    refused: int


def fill(bucket: S3FileSystem, run: Path, num_images: int) -> None:
    """Copy models, images and both halves of a split."""
    bucket.mkdir("data")
    bucket.mkdir("runs")
    for part in ("s", "w"):
        (file,) = run.glob(f"split/*p_{part}.json")
        content = json.loads(file.read_text())
        content["images"] = content["images"][:num_images]
        known = {image["id"] for image in content["images"]}
        content["annotations"] = [x for x in content["annotations"] if x["image_id"] in known]
        for image in content["images"]:
            name = Path(image["file_name"]).name
            bucket.put(str(run / "split/shapes/images" / name), f"data/images/{name}")
            image["file_name"] = name
        bucket.pipe(f"data/{part}.json", json.dumps(content).encode())
    for model in ("teacher", "refiner"):
        if not (run / model).exists():
            continue
        bucket.put(str(run / model / "model"), f"data/{model}", recursive=True)


def work(service: FaultyS3, fault: Fault, out: str, log: Path, *, trains: bool) -> Outcome:
    """Label or train with one fault."""
    bucket = S3FileSystem(use_listings_cache=False)
    settings = SETTINGS + (TRAINING if trains else LABELLING)
    command = [sys.executable, "-m", "ray_wssis.cli", "run", "--until"]
    command += ["teacher" if trains else "merged"]
    command += ["--config", "shapes", "--out", f"s3://{out}"]
    command += [word for setting in settings for word in ("--set", setting)]
    environment = {name: x for name, x in os.environ.items() if name != "AWS_MAX_ATTEMPTS"}
    start, refused = time.monotonic(), service.num_refused
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
        while not bucket.glob(f"{out}/{fault.begins}") and process.poll() is None:
            time.sleep(0.2)
        service.only, service.answers = fault.only, fault.answers
        time.sleep(fault.seconds)
        service.answers = SAME
        if process.wait(timeout=ENDS_WITHIN) != 0:
            raise SystemExit(log.read_text())
    result = "teacher/model/*.safetensors" if trains else "merged/*_refined.json"
    (made,) = bucket.glob(f"{out}/{result}")
    failed = f"{out}/labels/failed.jsonl"
    return Outcome(
        made=bucket.cat(made),
        failed=0 if trains else len(bucket.cat(failed).splitlines()),
        seconds=time.monotonic() - start,
        lines=len(log.read_text().splitlines()),
        refused=service.num_refused - refused,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--train", action="store_true")
    options = parser.parse_args()
    print("| fault | requests refused | images failed | equal | seconds | lines of log |")
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder, faulty_s3() as service:
        fill(S3FileSystem(), options.run, options.images)
        calm: bytes | None = None
        for number, fault in enumerate(WHILE_TRAINING if options.train else FAULTS):
            out, log = f"runs/{number}", Path(folder) / "log"
            done = work(service, fault, out, log, trains=options.train)
            calm = done.made if calm is None else calm
            print(
                f"| {fault.name} | {done.refused} | {done.failed} "
                f"| {'yes' if done.made == calm else 'no'} | {done.seconds:.0f} | {done.lines} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

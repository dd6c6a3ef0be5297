"""Time a labelling that finds everything done, in a bucket of a server on this machine.

    uv run python -m benchmarks.resuming --images 1000000 --shards 8000

Records and shards are made up; each image has seven points.  Prints seconds, those of the CPU among
them, and the requests that the bucket got.
"""

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
from s3fs import S3FileSystem
from upath import UPath

from benchmarks.labelling_engine import StandIn
from benchmarks.planning import CATEGORIES, records
from ray_wssis.data.records import RecordsWriter
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.session import free_port
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.plan import Source
from ray_wssis.streaming.shards import with_common, write_table
from ray_wssis.streaming.stream import Pass, stream
from ray_wssis.streaming.table import shards

STARTS_WITHIN = 60  # seconds


@contextmanager
def bucket() -> Iterator[tuple[str, Path]]:
    """Serve a bucket from a process of its own; yield its URI, and the log of its requests."""
    port = free_port()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        command = [sys.executable, "-m", "moto.server", "-p", f"{port}"]
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            for _ in range(STARTS_WITHIN):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(1)
            S3FileSystem(anon=False).mkdir("bucket")
            yield "s3://bucket", Path(folder) / "log"
        finally:
            server.terminate()
            server.wait()


def make_up(file: UPath, out: UPath, num_images: int, num_shards: int) -> None:
    """Write records, and rows for all of them."""
    with RecordsWriter(file, CATEGORIES) as writer:
        for record in records(num_images):
            writer.add(record)
    labeller = StandIn()
    keys = Source(file, labeller.made_from, labeller.network_size, needs_original=True).keys
    schema = with_common(PointLabeller.schema)

    def write(part: Any) -> None:
        known = {"key": pa.array(part), "hash": pa.array(part)}
        rows = {x.name: known.get(x.name, pa.nulls(len(part), x.type)) for x in schema}
        write_table(out, pa.table(rows, schema=schema))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, np.array_split(keys, num_shards)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=8_000)
    options = parser.parse_args()
    with bucket() as (place, log):
        file, out = UPath(f"{place}/weak.parquet"), UPath(f"{place}/run/labels/rows")
        make_up(file, out, options.images, options.shards)
        print(f"{options.images:,} images in {len(shards(out)):,} shards", flush=True)
        before, start, spent = log.read_bytes().count(b"\n"), time.perf_counter(), os.times()
        job = Pass(name="resumed", records=[file], labeller=StandIn(), out=out)
        assert stream(job, LabellingWorkers()).num_images == 0
        seconds, now = time.perf_counter() - start, os.times()
        cpu = now.user + now.system - spent.user - spent.system
        requests = log.read_bytes().count(b"\n") - before
        print(f"nothing to do after {seconds:.0f} s, CPU {cpu:.0f} s, {requests:,} requests")


if __name__ == "__main__":
    main()

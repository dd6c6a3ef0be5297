"""`wssis label`, killed at random moments: is anything lost, doubled or different?

    python -m benchmarks.labelling_kills RUN --kills 20 --images 3000

Teacher and refiner are those of a finished run of shapes.  One run is left alone, the other is
killed with SIGKILL again and again; then both training sets must be the same bytes.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from upath import UPath

from ray_wssis.storage import hash_file
from ray_wssis.streaming.table import read_columns, shards

MERGED = ("train.parquet", "shapes_20p_sw.json", "shapes_20p_sw_refined.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", type=Path, help="folder of a finished run of shapes")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--images", type=int, default=3000)
    options = parser.parse_args()
    changes = [
        f"data.shapes.num_images={options.images}",
        "labelling_workers.shard_size=8",
        *(f"{name}.ready={options.run / name / 'model'}" for name in ("teacher", "refiner")),
    ]
    words = ["--config", "shapes", *(word for change in changes for word in ("--set", change))]
    chance = random.Random(0)
    # Both runs have the same folder, one after the other: its name is in the files.
    with tempfile.TemporaryDirectory() as folder:
        out, aside = Path(folder) / "run", Path(folder) / "aside"
        words += ["--out", str(out)]
        line = [sys.executable, "-m", "ray_wssis.cli", "label", *words]
        split = [sys.executable, "-m", "ray_wssis.cli", "run", "--until", "split"]
        subprocess.run([*split, *words], check=True)
        kills = 0
        while kills < options.kills:
            seen = num_done(out)
            process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(6, 22))
            if process.poll() is not None:
                raise SystemExit(f"finished after {kills} kills: use more --images")
            process.kill()
            process.wait()
            kills += 1
            print(f"kill {kills}: {seen} -> {num_done(out)} images", flush=True)
        subprocess.run(line, check=True)
        out.rename(aside)
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
        for name in MERGED:
            assert hash_file(out / "merged" / name) == hash_file(aside / "merged" / name), name
        images = [entry["id"] for entry in load(aside / "merged" / MERGED[1])["images"]]
        assert len(images) == len(set(images))
        print(f"{kills} kills: {len(images)} images, none lost or doubled, the same bytes")


def num_done(out: Path) -> int:
    rows = UPath(out) / "labels/rows"
    if not rows.exists():
        return 0
    return sum(read_columns(file, ["key"]).num_rows for file in shards(rows))


def load(file: Path) -> dict[str, list[dict[str, int]]]:
    values: dict[str, list[dict[str, int]]] = json.loads(file.read_text())
    return values


if __name__ == "__main__":
    main()

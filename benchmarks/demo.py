"""Runs the demonstration on fresh folders and prints what came out as a table.

    python benchmarks/demo.py /tmp/demo --seeds 0 1 2

Each seed runs twice: as a newcomer runs it (timed, with the peak memory of the whole machine over
what was in use before), and once more for the bound, a student that learns from all true masks.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

WSSIS = [sys.executable, "-m", "ray_wssis.cli", "demo"]
HEAD = ["seed", "minutes", "peak GiB", "rough mIoU", "refined mIoU", "teacher AP", "student AP"]
HEAD += ["bound AP", "student / bound"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="an empty folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for seed in options.seeds:
        folder = options.out / f"seed{seed}"
        command = [*WSSIS, "--out", str(folder), "--seed", str(seed)]
        minutes, peak = measured(command)
        measured([*command, "--upper-bound", "--redo"])
        print(row(seed, minutes, peak, json.loads((folder / "metrics.json").read_text())))


def measured(command: list[str]) -> tuple[float, float]:
    """Minutes, and GiB of memory at most."""
    before, peak, begin = available(), 0.0, time.monotonic()
    with Path("/dev/null").open("w") as nowhere:
        process = subprocess.Popen(command, stdout=nowhere, stderr=nowhere)
    while process.poll() is None:
        peak = max(peak, before - available())
        time.sleep(0.5)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return (time.monotonic() - begin) / 60, peak


def available() -> float:
    """GiB, from the kernel's estimate."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    values = {line.partition(":")[0]: int(line.split()[1]) for line in lines}
    return values["MemAvailable"] / 2**20


def row(seed: int, minutes: float, peak: float, figures: dict[str, float]) -> str:
    student, bound = figures["student/val/AP"], figures["upper_bound/val/AP"]
    values = [str(seed), f"{minutes:.1f}", f"{peak:.1f}"]
    values += [f"{figures[f'pseudo/{kind}/mIoU']:.1f}" for kind in ("rough", "refined")]
    values += [f"{figures['teacher/val/AP']:.1f}", f"{student:.1f}", f"{bound:.1f}"]
    return f"| {' | '.join([*values, f'{100 * student / bound:.0f} %'])} |"


if __name__ == "__main__":
    main()

from pathlib import Path

import pytest

from ray_wssis.doctor.finding import State
from ray_wssis.doctor.machine import (
    GIB,
    Gpu,
    check_clock,
    check_cpus,
    check_cuda,
    check_gpu,
    check_memory,
    check_shared_memory,
    check_threads,
    memory,
    usable_cpus,
)

MEMINFO = "MemTotal: 8388608 kB\nMemFree: 10 kB\nMemAvailable: 4194304 kB\nHugePages_Total: 0\n"


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


@pytest.mark.parametrize(
    "files",
    [
        {"cpu.max": "50000 100000\n"},
        {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"},
    ],
)
def test_a_container_may_use_half_a_cpu(tmp_path: Path, files: dict[str, str]) -> None:
    assert usable_cpus(write(tmp_path, files)) == 0.5


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu.max": "max 100000\n"},
        {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
    ],
)
def test_without_a_quota_it_is_what_the_affinity_says(
    tmp_path: Path, files: dict[str, str]
) -> None:
    assert usable_cpus(write(tmp_path, files)) >= 1


@pytest.mark.parametrize(
    "files",
    [
        {
            "memory.max": f"{2 * GIB}\n",
            "memory.current": f"{GIB}\n",
            "memory.stat": f"anon 7\ninactive_file {GIB // 2}\n",
        },
        {
            "memory/memory.limit_in_bytes": f"{2 * GIB}\n",
            "memory/memory.usage_in_bytes": f"{GIB}\n",
            "memory/memory.stat": f"cache 7\ntotal_inactive_file {GIB // 2}\n",
        },
    ],
)
def test_a_container_has_what_its_limit_leaves(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, {"meminfo": MEMINFO} | files)
    assert memory(tmp_path / "meminfo", tmp_path) == (2 * GIB, GIB + GIB // 2)


def test_without_a_limit_memory_is_that_of_the_machine(tmp_path: Path) -> None:
    write(tmp_path, {"meminfo": MEMINFO, "memory.max": "max\n", "memory.current": "7\n"})
    assert memory(tmp_path / "meminfo", tmp_path) == (8 * GIB, 4 * GIB)


def test_fewer_cpus_than_are_present_are_to_be_told_to_ray() -> None:
    assert check_cpus(8, 8).state is State.OK
    found = check_cpus(2.5, 8)
    assert (found.state, found.found) == (State.WARNING, "this process may use 2.5 of 8")
    assert "--num-cpus=2" in found.to_do


@pytest.mark.parametrize(
    ("asked", "state"),
    [(None, State.OK), ("2", State.OK), ("64", State.WARNING), ("many", State.WARNING)],
)
def test_threads_are_no_more_than_cpus(asked: str | None, state: State) -> None:
    assert check_threads(asked, 4).state is state


@pytest.mark.parametrize(
    ("build", "driver", "num_gpus", "state", "says"),
    [
        ("13.0", None, 0, State.OK, "on the CPU"),
        (None, "13.0", 0, State.WARNING, "built without"),
        (
            "13.0",
            "12.8",
            0,
            State.PROBLEM,
            "is built for CUDA 13.0, the driver supports only 12.8",
        ),
        ("12.8", "12.4", 1, State.OK, "GPUs: 1"),
        ("12.8", "13.0", 0, State.WARNING, "CUDA_VISIBLE_DEVICES is '7'"),
    ],
)
def test_torch_and_the_driver_fit(
    build: str | None, driver: str | None, num_gpus: int, state: State, says: str
) -> None:
    found = check_cuda(build, driver, num_gpus, "7")
    assert found.state is state
    assert says in found.found


def test_a_gpu_that_somebody_else_uses_is_worth_a_word() -> None:
    assert check_gpu(0, Gpu(name="H100", total=80 * GIB, free=79 * GIB)).state is State.OK
    used = check_gpu(1, Gpu(name="H100", total=80 * GIB, free=20 * GIB))
    assert (used.about, used.state) == ("GPU 1", State.WARNING)


def test_little_memory_is_worth_a_word() -> None:
    assert check_memory(16 * GIB, 8 * GIB).state is State.OK
    assert check_memory(16 * GIB, GIB).state is State.WARNING


def test_shared_memory_holds_the_object_store() -> None:
    assert check_shared_memory(8 * GIB, 16 * GIB).state is State.OK
    small = check_shared_memory(64 << 20, 16 * GIB)  # what a container gets by default
    assert small.state is State.WARNING
    assert "--shm-size=6g" in small.to_do


def test_a_clock_that_is_behind_the_installation_is_wrong() -> None:
    assert check_clock(2000.0, 1000.0).state is State.OK
    assert check_clock(0.0, 1000.0).state is State.PROBLEM

"""Processors, GPUs, memory and clock of this machine."""

import ctypes
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ray_wssis.doctor.finding import Finding, fine, problem, warning

GIB = 1 << 30
CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
SHARED_MEMORY = Path("/dev/shm")
OBJECT_STORE_SHARE = 0.3  # of the memory, if Ray is not told otherwise
LEAST_FREE = 0.1  # of the memory: Ray ends worker processes where 95 % are in use
USED_BY_OTHERS = 0.1  # of a GPU's memory, before it is worth a word


def findings() -> Iterator[Finding]:
    usable = usable_cpus(CGROUP)
    yield check_cpus(usable, os.cpu_count() or 1)
    yield check_threads(os.environ.get("OMP_NUM_THREADS"), usable)
    yield from check_gpus(os.environ)
    total, free = memory(MEMINFO, CGROUP)
    yield check_memory(total, free)
    if SHARED_MEMORY.is_dir():
        yield check_shared_memory(shutil.disk_usage(SHARED_MEMORY).total, total)
    yield check_clock(time.time(), Path(__file__).stat().st_mtime)


def usable_cpus(cgroup: Path) -> float:
    """How many this process may use: its affinity, and the quota of its container."""
    allowed = len(os.sched_getaffinity(0))
    limit = numbers_in(cgroup / "cpu.max")  # quota and period in microseconds
    if not limit:  # the first version of cgroups
        limit = [
            *numbers_in(cgroup / "cpu/cpu.cfs_quota_us"),
            *numbers_in(cgroup / "cpu/cpu.cfs_period_us"),
        ]
    return min(allowed, limit[0] / limit[1]) if len(limit) == 2 and limit[0] > 0 else allowed


def memory(meminfo: Path, cgroup: Path) -> tuple[int, int]:
    """Bytes in all and free, of the machine or of the container, whichever has less."""
    lines = [line.split() for line in meminfo.read_text().splitlines()]
    kibibytes = {words[0].rstrip(":"): int(words[1]) for words in lines}
    total, free = (kibibytes[name] * 1024 for name in ("MemTotal", "MemAvailable"))
    for folder, limit, used, cache in (
        (cgroup, "memory.max", "memory.current", "inactive_file"),
        (
            cgroup / "memory",
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ),
    ):
        most, now = numbers_in(folder / limit), numbers_in(folder / used)
        if most and now and most[0] < total:
            stat = (folder / "memory.stat").read_text().split()
            reclaimable = int(stat[stat.index(cache) + 1])
            return most[0], min(free, most[0] - now[0] + reclaimable)
    return total, free


def numbers_in(file: Path) -> list[int]:
    """Of a file of the kernel; none where it is missing, or says that there is no limit."""
    try:
        return [int(word) for word in file.read_text().split()]
    except (OSError, ValueError):
        return []


def check_cpus(usable: float, present: int) -> Finding:
    if usable < present:
        return warning(
            "CPUs",
            f"{usable:g} of {present} may be used here",
            f"Tell Ray so where it counts more: ray start --num-cpus={max(1, int(usable))}.",
        )
    return fine("CPUs", f"{present}")


def check_threads(asked: str | None, usable: float) -> Finding:
    if asked is None:
        return fine("OMP_NUM_THREADS", "not set; Ray gives each worker as many as it has CPUs")
    if not asked.isdigit() or not 1 <= int(asked) <= usable:
        return warning(
            "OMP_NUM_THREADS",
            f"{asked}, and {usable:g} CPUs may be used: threads would wait for each other",
            "Unset it, or set it to the CPUs of one worker.",
        )
    return fine("OMP_NUM_THREADS", asked)


@dataclass(frozen=True, kw_only=True)
class Gpu:
    name: str
    total: int  # bytes
    free: int


def check_gpus(environment: Mapping[str, str]) -> Iterator[Finding]:
    """What torch sees.  A torch that does not fit its torchvision may fail to be imported."""
    try:
        import torch
        import torchvision  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        yield problem(
            "torch",
            f"cannot be imported: {str(error).splitlines()[0]}",
            "Install torch and torchvision in one command.",
        )
        return
    gpus = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            gpus.append(Gpu(name=torch.cuda.get_device_name(index), total=total, free=free))
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    yield check_cuda(torch.version.cuda, driver_version(), len(gpus), visible)
    yield from (check_gpu(index, gpu) for index, gpu in enumerate(gpus))


def driver_version() -> str | None:
    """The newest CUDA that the NVIDIA driver knows; None without a driver."""
    version = ctypes.c_int()
    try:
        failed = ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except OSError:
        return None
    return None if failed else f"{version.value // 1000}.{version.value % 1000 // 10}"


def check_cuda(
    build: str | None, driver: str | None, num_gpus: int, visible: str | None
) -> Finding:
    """`build` and `driver` are versions of CUDA; a driver runs all of its major version."""
    if driver is None:
        return fine("CUDA", "no NVIDIA driver: networks run on CPUs")
    if build is None:
        return warning(
            "CUDA",
            f"the driver knows CUDA {driver}, and torch is built without: GPUs stay idle",
            "Install torch and torchvision from the index of wheels for CUDA.",
        )
    if int(build.split(".")[0]) > int(driver.split(".")[0]):
        return problem(
            "CUDA",
            f"torch is built for CUDA {build}, the driver knows {driver}",
            "Update the driver, or install torch and torchvision for the older CUDA.",
        )
    if not num_gpus:
        return warning(
            "CUDA",
            f"driver {driver}, torch for {build}, and no GPU can be seen"
            + (f" (CUDA_VISIBLE_DEVICES is {visible!r})" if visible is not None else ""),
            "Give the container its GPUs (--gpus all), or unset CUDA_VISIBLE_DEVICES.",
        )
    return fine("CUDA", f"driver {driver}, torch for {build}, {num_gpus} GPUs")


def check_gpu(index: int, gpu: Gpu) -> Finding:
    found = f"{gpu.name}, {gpu.free / GIB:.1f} of {gpu.total / GIB:.1f} GiB free"
    if gpu.free < (1 - USED_BY_OTHERS) * gpu.total:
        return warning(
            f"GPU {index}",
            f"{found}: another process has the rest",
            "Look at nvidia-smi, and end what is not needed or lower labelling_workers.batch_size.",
        )
    return fine(f"GPU {index}", found)


def check_memory(total: int, free: int) -> Finding:
    found = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free"
    if free < LEAST_FREE * total:
        return warning(
            "memory",
            f"{found}; Ray ends worker processes when 95 % are in use",
            "End what is not needed, or give the container more.",
        )
    return fine("memory", found)


def check_shared_memory(shared: int, total: int) -> Finding:
    """Ray keeps what processes hand over to each other in shared memory, if it fits."""
    wanted = OBJECT_STORE_SHARE * total
    if shared < wanted:
        return warning(
            "/dev/shm",
            f"{shared / GIB:.1f} GiB, and Ray would use up to {wanted / GIB:.1f} GiB of it: its "
            "object store becomes small, or a file on the disk",
            f"Start the container with --shm-size={wanted / GIB + 1:.0f}g; on Kubernetes, mount "
            "an emptyDir of medium Memory there.",
        )
    return fine("/dev/shm", f"{shared / GIB:.1f} GiB")


def check_clock(now: float, installed: float) -> Finding:
    if now < installed:
        return problem(
            "clock",
            f"{time.ctime(now)}, before this package was installed ({time.ctime(installed)})",
            "Set the clock (timedatectl set-ntp true): tokens and buckets refuse a wrong one.",
        )
    return fine("clock", time.ctime(now))

"""Checks of the processors, GPUs, memory and clock of this machine."""

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
OBJECT_STORE_SHARE = 0.3  # of the memory: the default of Ray
LEAST_FREE = 0.1  # of the memory: Ray kills workers when 95 % are in use
USED_BY_OTHERS = 0.1  # of a GPU's memory: more is worth a warning


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
    """Number of CPUs that the affinity of this process and the quota of its container allow."""
    allowed = len(os.sched_getaffinity(0))
    limit = numbers_in(cgroup / "cpu.max")  # quota and period in microseconds
    if not limit:  # the first version of cgroups
        limit = [
            *numbers_in(cgroup / "cpu/cpu.cfs_quota_us"),
            *numbers_in(cgroup / "cpu/cpu.cfs_period_us"),
        ]
    return min(allowed, limit[0] / limit[1]) if len(limit) == 2 and limit[0] > 0 else allowed


def memory(meminfo: Path, cgroup: Path) -> tuple[int, int]:
    """Total and free bytes of the machine or of the container, whichever has less."""
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
    """Numbers in a file of the kernel; none when it is missing or says that there is no limit."""
    try:
        return [int(word) for word in file.read_text().split()]
    except (OSError, ValueError):
        return []


def check_cpus(usable: float, present: int) -> Finding:
    if usable < present:
        return warning(
            "CPUs",
            f"this process may use {usable:g} of {present}",
            f"If Ray counts more, limit it: ray start --num-cpus={max(1, int(usable))}.",
        )
    return fine("CPUs", f"{present}")


def check_threads(asked: str | None, usable: float) -> Finding:
    if asked is None:
        return fine("OMP_NUM_THREADS", "not set; Ray sets it to the CPUs of each worker")
    if not asked.isdigit() or not 1 <= int(asked) <= usable:
        return warning(
            "OMP_NUM_THREADS",
            f"{asked}, but this process may use {usable:g} CPUs: threads would compete for them",
            "Unset it, or set it to the number of CPUs of one worker.",
        )
    return fine("OMP_NUM_THREADS", asked)


@dataclass(frozen=True, kw_only=True)
class Gpu:
    name: str
    total: int  # bytes
    free: int


def check_gpus(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Check the GPUs that torch sees.

    Importing a torch that does not match its torchvision may fail.
    """
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
    """Newest version of CUDA that the NVIDIA driver supports; None without a driver."""
    version = ctypes.c_int()
    try:
        failed = ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except OSError:
        return None
    return None if failed else f"{version.value // 1000}.{version.value % 1000 // 10}"


def check_cuda(
    build: str | None, driver: str | None, num_gpus: int, visible: str | None
) -> Finding:
    """Check that the CUDA version torch was built for (`build`) runs on that of the `driver`.

    A driver runs every version with its own major number.
    """
    if driver is None:
        return fine("CUDA", "no NVIDIA driver: networks run on the CPU")
    if build is None:
        return warning(
            "CUDA",
            f"the driver supports CUDA {driver}, but torch is built without CUDA: GPUs stay idle",
            "Install torch and torchvision from the wheel index for CUDA.",
        )
    if int(build.split(".")[0]) > int(driver.split(".")[0]):
        return problem(
            "CUDA",
            f"torch is built for CUDA {build}, the driver supports only {driver}",
            "Update the driver, or install torch and torchvision for the older version of CUDA.",
        )
    if not num_gpus:
        return warning(
            "CUDA",
            f"driver {driver}, torch for {build}, but no GPU is visible"
            + (f" (CUDA_VISIBLE_DEVICES is {visible!r})" if visible is not None else ""),
            "Start the container with --gpus all, or unset CUDA_VISIBLE_DEVICES.",
        )
    return fine("CUDA", f"driver {driver}, torch for {build}, GPUs: {num_gpus}")


def check_gpu(index: int, gpu: Gpu) -> Finding:
    found = f"{gpu.name}, {gpu.free / GIB:.1f} of {gpu.total / GIB:.1f} GiB free"
    if gpu.free < (1 - USED_BY_OTHERS) * gpu.total:
        return warning(
            f"GPU {index}",
            f"{found}: another process uses the rest",
            "Find it with nvidia-smi and stop it, or lower labelling_workers.batch_size.",
        )
    return fine(f"GPU {index}", found)


def check_memory(total: int, free: int) -> Finding:
    found = f"{free / GIB:.1f} of {total / GIB:.1f} GiB free"
    if free < LEAST_FREE * total:
        return warning(
            "memory",
            f"{found}; Ray kills workers when 95 % are in use",
            "Stop processes that are not needed, or give the container more memory.",
        )
    return fine("memory", found)


def check_shared_memory(shared: int, total: int) -> Finding:
    """Check that the object store, through which processes exchange data, fits in /dev/shm."""
    wanted = OBJECT_STORE_SHARE * total
    if shared < wanted:
        return warning(
            "/dev/shm",
            f"{shared / GIB:.1f} GiB, but Ray would use up to {wanted / GIB:.1f} GiB: its object "
            "store becomes smaller, or moves to disk",
            f"Start the container with --shm-size={wanted / GIB + 1:.0f}g; on Kubernetes, mount an "
            "emptyDir with medium: Memory there.",
        )
    return fine("/dev/shm", f"{shared / GIB:.1f} GiB")


def check_clock(now: float, installed: float) -> Finding:
    if now < installed:
        return problem(
            "clock",
            f"{time.ctime(now)}, which is before this package was installed "
            f"({time.ctime(installed)})",
            "Set the clock (timedatectl set-ntp true): tokens and buckets depend on it.",
        )
    return fine("clock", time.ctime(now))

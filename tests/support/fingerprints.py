"""A data set in numbers, and machines to plan for."""

from ray_wssis.instance.fingerprint.fingerprint import Fingerprint
from ray_wssis.recipes.plan.machine import Machine

TWO_CPUS = Machine(cpus=2)
GPU = Machine(cpus=8, gpu_gib=40)
FOUND = Fingerprint(
    num_strong=40,
    num_weak=200,
    num_validation=50,
    num_masks=400,
    num_points=2000,
    masks_per_class={"cat": 100, "dog": 300},
    shorter=256,
    longest=512,
    aspect=1.0,
    widest=1.25,
    small=12,
    medium=30,
    large=60,
    crowd=10,
    most=30,
)

"""Runs the recipe of tags alone on the built-in semantic images and prints tables.

    python -m benchmarks.cam OUT --seeds 0 1 2                     # the chain, link by link
    python -m benchmarks.cam OUT --seeds 0 1 2 --regularisers      # what each changes in the maps
    python -m benchmarks.cam OUT --seeds 0 --refiners              # what each makes of the maps

Every figure of labels is of the training images, whose class maps no stage sees; it is given at the
threshold of the configuration and, as "best", at the one that would have been best for these very
images.  The masks of the row "16 masks" are those that only audit in the other rows.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from time import process_time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from upath import UPath

from ray_wssis.artifacts import read_artifact
from ray_wssis.data.class_maps.png import decode
from ray_wssis.data.images.read import read_image
from ray_wssis.data.records import Records
from ray_wssis.methods.cam.config import CRF, PAMR, Graph, Policy, Walk, Walker
from ray_wssis.methods.cam.curve import miou_at
from ray_wssis.methods.cam.maps import read_model
from ray_wssis.methods.cam.policy import LEVELS, count_levels
from ray_wssis.methods.cam.refined_maps import RefinedMaps
from ray_wssis.methods.cam.refiners.refine import Refine, refiner_of
from ray_wssis.semantic.segmenter import network_image, to_size
from ray_wssis.semantic.segmenter_config import Views
from ray_wssis.semantic.truth import beside_truth
from ray_wssis.streaming.table import each_row

REGULARISERS = ("puzzle", "seam", "drs", "fickle", "icd", "group")
RAMPS = {"puzzle": ", ramp_steps: 250", "icd": ", warmup_steps: 100"}  # half and a fifth of all
REFINERS = {
    "none": None,
    "pamr": PAMR(dilations=(1, 2, 4, 8)),  # as configured
    "crf": CRF(),
    "walk": Walk(steps=64),
    "walker": Walker(),
    "graph": Graph(),
}
AFFINITY = (  # the backbone, the crops and the training of the classifier, in fewer steps
    "{model: {network: {backbone: {name: tf_efficientnet_lite0, weights: offline, "
    "frozen_stages: 0, norm: frozen}, stride: 4}}, "
    "augment: {crop: 96, scale: [1.5, 1.5], flip: true, turn: true, colour: 0.2}, "
    "policy: {threshold: 0.45, sure_background: 0.2, sure_class: 0.6}, "
    "refine: {name: pamr, dilations: [1, 2, 4, 8]}, "
    "training: {steps: 100, batch_size: 16, optimizer: adamw, learning_rate: 1.0e-3, "
    "weight_decay: 0.01, warmup_steps: 20, schedule: poly, max_grad_norm: 10}}"
)
THRESHOLD = 0.45  # of configs/cam_shapes.yaml
POLICY = Policy(threshold=THRESHOLD, sure_background=0.2, sure_class=0.6)  # of the same
VIEWS = Views(scales=(1.0, 1.5), flip=True)
HEAD = ("seed", "CAM", "best", "+ PAMR", "best", "student", "16 masks", "all masks")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("out", type=Path, help="a folder; what is finished there is not done again")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--regularisers", action="store_true", help="compare them instead")
    parser.add_argument("--set", action="append", default=[], help="as for wssis run")
    parser.add_argument("--refiners", action="store_true", help="compare them instead")
    options = parser.parse_args()
    if options.regularisers:
        return compare(options.out, options.seeds, options.set)
    if options.refiners:
        return refine(options.out, options.seeds, options.set)
    print(f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}")
    for seed in options.seeds:
        folder = options.out / f"seed{seed}"
        own = [f"seed={seed}", *options.set]
        run(folder, [*own, "baseline=true", "upper_bound=true"])
        plain = again(folder, "plain")
        run(plain, [*own, "labelling.refine=null"], until="labels")
        figures = json.loads((folder / "metrics.json").read_text())
        values = [*of_labels(plain), *of_labels(folder)]
        values += [figures[f"{name}/val/mIoU"] for name in ("student", "baseline", "upper_bound")]
        print(f"| {seed} | {' | '.join(f'{value:.1f}' for value in values)} |", flush=True)
    return None


def compare(out: Path, seeds: list[int], changes: list[str]) -> None:
    """Print the quality of the maps, before and after PAMR, for every regulariser."""
    head = ["regulariser", "seed", "CAM", "best", "+ PAMR", "best"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for name in ("none", *REGULARISERS):
        for seed in seeds:
            folder, own = out / f"{name}{seed}", [f"seed={seed}", *changes]
            if name != "none":
                own.append(f"classifier.model.regulariser={{name: {name}{RAMPS.get(name, '')}}}")
            run(folder, own, until="labels")
            plain = again(folder, "plain")
            run(plain, [*own, "labelling.refine=null"], until="labels")
            values = [f"{value:.1f}" for value in (*of_labels(plain), *of_labels(folder))]
            print(f"| {name} | {seed} | {' | '.join(values)} |", flush=True)


def refine(out: Path, seeds: list[int], changes: list[str]) -> None:
    """Print the quality of the labels that every refiner makes of the same maps, and the seconds of
    a processor that an image takes."""
    head = ["refiner", "seed", "labels", "best", "seconds"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for seed in seeds:
        folder, own = out / f"refiners{seed}", [f"seed={seed}", *changes]
        own += ["labelling.refine={name: walk, steps: 64}", f"affinity={AFFINITY}"]
        run(folder, own, until="affinity")
        drawn = drawn_maps(UPath(folder))
        for name, how in REFINERS.items():
            affinity = str(folder / "affinity/model") if isinstance(how, Walk) else None
            found, best, seconds = of_refiner(drawn, refiner_of(how, POLICY, affinity))
            print(f"| {name} | {seed} | {found:.1f} | {best:.1f} | {seconds:.3f} |", flush=True)


class Drawn(NamedTuple):
    image: NDArray[np.uint8]  # as the classifier sees it
    maps: Tensor  # (K, H, W), before any refinement
    truth: NDArray[np.uint8]


def drawn_maps(folder: UPath) -> list[Drawn]:
    """Draw the maps of the images to learn from, whose class maps the run does not see."""
    classifier = read_artifact(folder / "classifier").part("model")
    draw = RefinedMaps.of(classifier, VIEWS, None, POLICY).open()
    model = read_model(classifier.path)
    drawn = []
    for record in Records.read(folder / "split/weak_truth.parquet"):
        image = read_image(record.file, (record.height, record.width))
        (maps,) = draw([image], [record.tags])
        drawn.append(Drawn(network_image(image, model), maps, decode(record.class_map or b"")))
    return drawn


def of_refiner(drawn: list[Drawn], refined: Refine | None) -> tuple[float, float, float]:
    """Return the mIoU of the labels at the threshold and at the best one, and seconds an image."""
    number = len(drawn[0].maps)
    counts, seconds = np.zeros((number, number, LEVELS), np.int64), 0.0
    for image, maps, truth in drawn:
        maps = maps.clone()
        present = maps.flatten(1).amax(dim=1) > 0
        began = process_time()
        if refined is not None and present.any():
            maps[present] = refined(maps[present], image)
        seconds += process_time() - began
        maps[~present] = -1
        scores, classes = to_size(maps, truth.shape).max(dim=0)
        levels = (255 * scores.clamp(min=0)).round().byte().numpy()
        counts += count_levels(truth, classes.byte().numpy(), levels, number)
    found = [miou_at(counts, level, 0) for level in range(LEVELS)]
    return found[int(THRESHOLD * (LEVELS - 1))], max(found), seconds / len(drawn)


def run(folder: Path, changes: list[str], until: str | None = None) -> None:
    command = [sys.executable, "-m", "ray_wssis.cli", "run", "--config", "cam_shapes", "--redo"]
    command += ["--out", str(folder), *([] if until is None else ["--until", until])]
    subprocess.run([*command, *(word for own in changes for word in ("--set", own))], check=True)


def again(folder: Path, name: str) -> Path:
    """Copy what was trained in a run, to label with other settings."""
    copy = folder.with_name(f"{folder.name}_{name}")
    for stage in ("split", "classifier"):
        shutil.copytree(folder / stage, copy / stage, dirs_exist_ok=True)
    return copy


def of_labels(folder: Path) -> tuple[float, float]:
    """Return the mIoU of the labels of a run, at its threshold and at the best one."""
    truth = Records.read(UPath(folder) / "split/weak_truth.parquet")
    number = len(truth.categories)
    counts = np.zeros((number, number, LEVELS), np.int64)
    columns = ["image_id", "class_map", "classes", "scores", "error"]
    for row, true, _ in beside_truth(
        each_row(UPath(folder) / "labels/rows", columns, source="weak"), truth
    ):
        counts += count_levels(true, decode(row["classes"]), decode(row["scores"]), number)
    found = [miou_at(counts, level, 0) for level in range(LEVELS)]
    return found[int(THRESHOLD * (LEVELS - 1))], max(found)


if __name__ == "__main__":
    main()

"""Cost of the published code's ways with points and crops, one fault at a time.

    python -m benchmarks.ablations runs/demo

Takes the split, the teacher and the rough masks of a finished run whose hidden masks are known,
trains a refiner as the run did for each way of cutting crops, and draws the weak images' masks
with it.  A point without a mask counts as IoU 0.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from upath import UPath

from ray_wssis.config import load_config
from ray_wssis.data.images.read import read_image, resize_image, resize_mask
from ray_wssis.data.points.draw import with_points
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Record, Records
from ray_wssis.instance.mask_quality import MaskQuality
from ray_wssis.instance.segmenter import Segmenter, network_image
from ray_wssis.instance.truth import compare_row
from ray_wssis.methods.point_wssis.drafts import Draft, PointNetworks, pointed
from ray_wssis.methods.point_wssis.labeller import finish_row
from ray_wssis.methods.point_wssis.point_segmenter import RoughMasks
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.methods.point_wssis.refiner_input import RefinerInput, mask_in_box
from ray_wssis.methods.point_wssis.refiner_learner import RefinerLearner
from ray_wssis.methods.point_wssis.refiner_pairs import RefinerPairs, RefinerSample, read_rough
from ray_wssis.methods.point_wssis.refiner_task import PAIRS
from ray_wssis.models.mask_refine_net import MaskRefineNet
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.training.feeding import batches_from_processes
from ray_wssis.training.schedule import build_optimizer, learning_rate, set_rate
from ray_wssis.training.streams import LoadedStreams, Stream

CPU = torch.device("cpu")
NOWHERE = (-1.0, -1.0)  # a point beside the crop: no heat is drawn


def main() -> None:
    options = read_options()
    bench = Bench.read(UPath(options.run))
    print(f"{options.run}: {len(bench.truth)} weak images, seed {bench.config.seed}\n")
    print("| | points | mIoU, % | points without a mask, % |")
    print("|---|---|---|---|")
    for name, kind, quality in bench.rows():
        missing = 100 * quality.num_missing / len(quality.ious)
        figures = quality.figures([])
        print(f"| {name} | {kind} | {figures['mIoU']:.1f} | {missing:.1f} |", flush=True)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", help="folder of a finished run")
    return parser.parse_args()


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A weak image with its points and what the teacher drew for them."""

    record: Record
    rough: RoughMasks


class Bench:
    def __init__(self, run: UPath, config: PointWSSISConfig, truth: Records) -> None:
        self.run = run
        self.config = config
        self.truth = truth

    @classmethod
    def read(cls, run: UPath) -> "Bench":
        config = load_config(PointWSSISConfig, str(run / "config.resolved.yaml"), [])
        return cls(run, config, Records.read(run / "split/weak_truth.parquet"))

    def rows(self) -> Iterator[tuple[str, str, MaskQuality]]:
        centroids, anywhere = self.draw("fixed", "centroid"), self.draw("fixed", "random")
        ours = self.train(RefinerPairs)
        yield "rough masks", "centroid", self.measure(centroids, None)
        yield "ours", "centroid", self.measure(centroids, ours)
        merged = self.draw("reference", "centroid")
        yield "points merged and dropped (B5)", "centroid", self.measure(merged, ours)
        shifted = self.train(ShiftedClasses)
        yield "channel k, class 0 as empty (B1)", "centroid", self.measure(centroids, shifted)
        square = self.train(SquareCrops)
        yield (
            "crops keep their aspect in training (B2)",
            "centroid",
            self.measure(centroids, square),
        )
        recut = self.recut(ours)
        yield "`reference` crops in use", "centroid", self.measure(centroids, recut)
        yield "rough masks", "random", self.measure(anywhere, None)
        same = self.train(RefinerPairs, random_point=1.0)
        yield "ours, trained with points like these", "random", self.measure(anywhere, same)
        yield "trained with centroids (B3)", "random", self.measure(anywhere, ours)

    def draw(self, compat: str, kind: str) -> list[Drawn]:
        """The teacher's masks for a point of this kind in every object of the weak images."""
        teacher = Segmenter.load(self.run / "teacher/model", CPU)
        teacher.config = teacher.config.model_copy(update={"compat": compat})
        networks, drawn = PointNetworks(teacher, None), []
        for record in self.truth:
            bare = tuple(replace(obj, point=None) for obj in record.objects)
            bare_record = replace(record, objects=bare)
            clicked = pointed(with_points(bare_record, PointKind(kind), self.config.seed))
            pixels = read_image(record.file)
            small = network_image(pixels, teacher.config)
            output = teacher.forward([small])
            draft = networks.draft_of(output, 0, clicked, pixels, small.shape[:2])
            drawn.append(Drawn(record=clicked, rough=draft.rough))
        return drawn

    def measure(self, drawn: list[Drawn], refiner: Refiner | None) -> MaskQuality:
        networks = PointNetworks(Segmenter.load(self.run / "teacher/model", CPU), refiner)
        quality = MaskQuality()
        for case in drawn:
            record = case.record
            answers = networks.answer(read_image(record.file), case.rough, record)
            row = finish_row(Draft(record=record, rough=case.rough, answers=answers).to_row())
            quality.add(record, compare_row(row, "refined", record))
        return quality

    def recut(self, refiner: Refiner) -> Refiner:
        """The same weights, fed with the published crops."""
        config = refiner.network.config.model_copy(update={"compat": "reference"})
        network = MaskRefineNet(config, len(refiner.categories))
        network.load_state_dict(refiner.network.state_dict())
        return Refiner(network, refiner.categories)

    def train(self, pairs_of: Callable[..., RefinerPairs], random_point: float = 0.0) -> Refiner:
        """A refiner trained as the run's own, on one process, from pairs of another kind."""
        stage, seed = self.config.refiner, self.config.seed
        strong = Records.read(self.run / "split/strong.parquet")
        rough = read_rough(str(self.run / "rough/masks"), "taught")
        augment = stage.augment.model_copy(update={"random_point": random_point})
        pairs = pairs_of(strong, rough, stage.model, augment)
        torch.manual_seed(seed)
        torch.set_flush_denormal(True)
        learner = RefinerLearner(stage.model, len(strong.categories))
        learner.to(memory_format=torch.channels_last).train()
        optimizer = build_optimizer(learner, stage.training)
        steps = range(1, stage.training.steps + 1)
        streams = LoadedStreams({PAIRS: Stream(lambda: pairs, stage.training.batch_size)}, seed)
        loader = batches_from_processes(streams, streams.sampler(steps), 0, pin_memory=False)
        for step, batches in zip(steps, loader, strict=True):
            set_rate(optimizer, learning_rate(stage.training, step))
            loss = learner(batches)["dice"]
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learner.parameters(), stage.training.max_grad_norm)
            optimizer.step()
        return Refiner(learner.network, strong.categories)


class ShiftedClasses(RefinerPairs):
    """Class k speaks through channel k, and class 0 teaches that empty follows empty."""

    def sample(self, index: int, rng: np.random.Generator) -> RefinerSample:
        made = super().sample(index, rng)
        crop = made.input
        if crop.label:
            return replace(made, input=replace(crop, label=crop.label - 1))  # k - 1 + 1
        empty = replace(crop, rough=np.zeros_like(crop.rough), point=NOWHERE)
        return replace(made, input=empty, truth=np.zeros_like(made.truth))


class SquareCrops(RefinerPairs):
    """The crop keeps its aspect, is made larger or smaller, and its middle is cut or padded."""

    def sample(self, index: int, rng: np.random.Generator) -> RefinerSample:
        made = super().sample(index, rng)
        record, item, rough = self.pair(index)
        x0, y0, x1, y1 = made.input.box
        factor = self.config.crop_size * rng.uniform(0.5, 1.5) / min(x1 - x0, y1 - y0)
        height, width = (max(1, round(side * factor)) for side in (y1 - y0, x1 - x0))
        image = np.ascontiguousarray(self.images.read(record)[y0:y1, x0:x1])
        rough_part = mask_in_box(rough, record.height, made.input.box)
        truth_part = mask_in_box(record.objects[item].mask or b"", record.height, made.input.box)
        x, y = record.objects[item].point or NOWHERE
        rgb, dx, dy = middle(resize_image(image, height, width), self.config.crop_size)
        crop = RefinerInput(
            rgb=rgb,
            rough=middle(resize_mask(rough_part, height, width), self.config.crop_size)[0],
            point=((x - x0) * factor + dx, (y - y0) * factor + dy),
            label=made.input.label,
            box=made.input.box,
        )
        truth = middle(resize_mask(truth_part, height, width), self.config.crop_size)[0]
        if rng.random() < 0.5:
            flipped = (self.config.crop_size - crop.point[0], crop.point[1])
            crop = replace(crop, rgb=flip(crop.rgb), rough=flip(crop.rough), point=flipped)
            truth = flip(truth)
        return replace(made, input=crop, truth=truth)


def middle(array: np.ndarray, size: int) -> tuple[np.ndarray, int, int]:
    """The middle [size, size] of [H, W, ...], zero beyond it, and how far x and y moved."""
    made = np.zeros((size, size, *array.shape[2:]), dtype=np.uint8)
    (y, to_y, rows), (x, to_x, columns) = (
        (max(0, (length - size) // 2), max(0, (size - length) // 2), min(length, size))
        for length in array.shape[:2]
    )
    made[to_y : to_y + rows, to_x : to_x + columns] = array[y : y + rows, x : x + columns]
    return made, to_x - x, to_y - y


def flip(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array[:, ::-1])


if __name__ == "__main__":
    main()

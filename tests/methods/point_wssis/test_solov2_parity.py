"""Published SOLOv2 weights give the recorded numbers (skipped without the recordings).

Points are compared under `compat: reference`.  In training, one rule is ours and left out of the
comparison: a contested cell belongs to one instance, and the cell of a centre is the floor of its
place (published: one cell lower on some boundaries).
"""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ray_wssis.instance.samples import Sample, collate, quarter_size
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.segmenter_config import OVERLAPPING_RANGES
from ray_wssis.masks import pairwise_iou
from ray_wssis.methods.point_wssis.point_prompt import decode_points
from ray_wssis.methods.point_wssis.published_prompt import (
    cells_as_published,
    painted_cells,
    painted_over,
)
from ray_wssis.models.full_size_masks import encode_full_size
from ray_wssis.models.published.weights import SEGMENTER_NAMES, renamed
from ray_wssis.models.solov2 import SOLOv2Output
from ray_wssis.models.solov2_config import InferenceConfig
from ray_wssis.models.solov2_inference import detect, draw, maskness
from ray_wssis.models.solov2_loss import solov2_losses
from ray_wssis.models.solov2_targets import Instances, Targets, assign_cells
from tests.support.recordings import PARITY, imported_model

RECORDINGS = sorted(PARITY.glob("solov2_r*_seed*/"))
GRIDS = {"student": (40, 36, 24, 16, 12), "teacher": (80, 64, 32, 24, 12)}
RANGES = {
    "student": OVERLAPPING_RANGES,
    "teacher": ((1, 72), (72, 144), (144, 288), (288, 584), (584, 2048)),
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not RECORDINGS, reason=f"no recordings in {PARITY}"),
]


class Recording:
    """One folder of recordings and the network that it was made with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pictures: dict[str, Any] = json.loads((folder / "points.json").read_text())
        self.images = np.load(folder / "images_rgb.npz")
        with TemporaryDirectory() as place:
            model = imported_model(folder, Path(place))
            self.network = Segmenter.load(model, torch.device("cpu")).network
        self.output = functools.cache(self._output)

    def _output(self, key: str, kind: str) -> SOLOv2Output:
        self.network.instance_head.grids = GRIDS[kind]  # the same weights serve both
        pixels = torch.from_numpy(self.images[key]).permute(2, 0, 1)[None]
        with torch.inference_mode():
            output: SOLOv2Output = self.network(pixels, torch.tensor([pixels.shape[-2:]]))
        return output

    def sizes(self, key: str) -> tuple[tuple[int, int], tuple[int, int]]:
        picture = self.pictures[key]
        return tuple(picture["input_height_width"]), tuple(picture["original_height_width"])

    def batch(self, kind: str) -> tuple[Tensor, Tensor, Instances]:
        """The two pictures of the loss recordings, with published centres and boxes."""
        truth = np.load(self.folder / "losses_truth.npz")
        samples = []
        for i, key in enumerate(truth["image_keys"]):
            found = [quarter_size(mask.astype(np.uint8)) for mask in truth[f"masks_{i}"]]
            objects = [each for each in found if each is not None]
            assert len(objects) == len(found)
            x0, y0, x1, y1 = truth[f"boxes_xyxy_{i}"].T
            samples.append(
                Sample(
                    image_id=i,
                    image=self.images[key],
                    labels=truth[f"labels_{i}"].tolist(),
                    # published centres are means of whole pixel numbers, ours of pixel centres
                    centres=[(x - 0.5, y - 0.5) for (x, y), _, _ in objects],
                    box_sizes=list(zip((x1 - x0).tolist(), (y1 - y0).tolist(), strict=True)),
                    masks=[small for _, _, small in objects],
                )
            )
        batch = collate(samples)
        return batch.images, batch.sizes, batch.instances


@pytest.fixture(scope="module", params=RECORDINGS, ids=lambda folder: folder.name)
def recording(request: pytest.FixtureRequest) -> Iterator[Recording]:
    yield Recording(request.param)


def relative_error(ours: Tensor, published: np.ndarray) -> float:
    return float(np.abs(ours.detach().numpy() - published).max() / np.abs(published).max())


def counts_of(rles: list[dict[str, Any]]) -> list[bytes]:
    return [rle["counts"].encode() for rle in rles]


def test_pyramid_and_heads_are_the_published_ones(recording: Recording) -> None:
    for key in recording.pictures:
        heads = np.load(recording.folder / f"{key}_student_heads.npz")
        pixels = torch.from_numpy(recording.images[key]).permute(2, 0, 1)[None]
        network = recording.network
        with torch.inference_mode():
            normalised = network.normalise(pixels, torch.tensor([pixels.shape[-2:]]))
            levels = network.pyramid(network.backbone(normalised))
        for i, level in enumerate(levels):
            assert relative_error(level[0, ::16], heads[f"p{i + 2}"]) < 1e-4
        for kind in GRIDS:
            heads = np.load(recording.folder / f"{key}_{kind}_heads.npz")
            output = recording.output(key, kind)
            assert output.canvas == tuple(heads["padded_height_width"])
            if "mask_features" in heads:
                assert relative_error(output.mask_features[0, ::8], heads["mask_features"]) < 1e-4
            for i in range(5):
                logits, kernels = output.class_logits[i][0, ::5], output.kernels[i][0, ::8]
                assert relative_error(logits, heads[f"class_logits_{i}"]) < 1e-4
                assert relative_error(kernels, heads[f"kernels_{i}"]) < 1e-4


def test_plain_inference_finds_the_published_instances(recording: Recording) -> None:
    for key in recording.pictures:
        network_size, original_size = recording.sizes(key)
        plain = json.loads((recording.folder / f"{key}_student_plain.json").read_text())
        found = detect(recording.output(key, "student"), InferenceConfig())[0]
        ours = encode_full_size(found.masks, network_size, original_size, 0.5)
        assert len(ours) == len(plain["scores"])
        iou = pairwise_iou(
            [mask or b"" for mask in ours], counts_of(plain["masks_rle"]), *original_size
        )
        left = list(range(len(ours)))
        for i, (score, label) in enumerate(
            zip(found.scores.tolist(), found.labels.tolist(), strict=True)
        ):
            same = [
                j
                for j in left  # near-equal scores may swap places
                if plain["classes"][j] == label
                and abs(plain["scores"][j] - score) < 1e-4
                and iou[i, j] > 0.995
            ]
            assert same, (key, i, score, label)
            left.remove(same[0])


def point_sets(recording: Recording) -> Iterator[tuple[str, Tensor, Tensor, dict[str, Any]]]:
    for key, picture in recording.pictures.items():
        for name, points in picture["points_x_y_class"].items():
            file = recording.folder / f"{key}_teacher_point_{name}.json"
            table = torch.tensor(points)
            yield key, table[:, :2].float(), table[:, 2], json.loads(file.read_text())


def recorded_evidence(record: dict[str, Any]) -> Tensor:
    """(P, L, 5): row, column, maskness, class probability, area."""
    return torch.tensor(
        record["per_point_per_level_row_column_maskness_classprob_area"], dtype=torch.float64
    )


def test_the_evidence_of_each_point_on_each_level_is_the_published_one(
    recording: Recording,
) -> None:
    for key, _, labels, record in point_sets(recording):
        output = recording.output(key, "teacher")
        for level, expected in enumerate(recorded_evidence(record).unbind(dim=1)):
            row, column = expected[:, 0].long(), expected[:, 1].long()
            probability = output.class_logits[level][0, labels, row, column].sigmoid()
            torch.testing.assert_close(probability.double(), expected[:, 3], rtol=1e-4, atol=0)
            masks = draw(output.kernels[level][0][:, row, column].T, output.mask_features[0])
            inside = masks > 0.5
            sureness, area = maskness(masks, inside).double(), inside.sum(dim=(1, 2))
            assert ((area - expected[:, 4]).abs() <= 1).all()  # a pixel at 0.5 may go either way
            same = area == expected[:, 4]
            torch.testing.assert_close(sureness[same], expected[same, 2], rtol=1e-4, atol=0)
            assert ((sureness - expected[:, 2]).abs() <= 1e-4 + 0.5 / area.clamp(min=1)).all()


def test_the_chosen_level_is_the_published_one_where_the_cells_are(recording: Recording) -> None:
    num_compared = 0
    for key, xy, labels, record in point_sets(recording):
        output = recording.output(key, "teacher")
        expected = recorded_evidence(record)
        exact = xy[:, None] / torch.tensor(output.canvas).flip(0) * sides("teacher")[:, None]
        exact = exact.flip(2)  # (P, L, 2): row, column
        agrees = exact.long() == expected[:, :, :2]
        on_boundary = (exact - exact.round()).abs() < 0.01  # the published coordinate is cut
        assert (agrees | on_boundary).all()
        selected = {tuple(each) for each in record["selected_level_row_column_class"]}
        found = decode_points(output, 0, xy, labels)
        score = expected[:, :, 2] * expected[:, :, 3]  # (P, L)
        for i in torch.nonzero(agrees.all(dim=2).all(dim=1)).flatten().tolist():
            level = int(found.level[i])
            assert score[i, level] >= score[i].max() * (1 - 1e-4)
            assert (level, *exact[i, level].long().tolist(), int(labels[i])) in selected
            num_compared += 1
    assert num_compared


def test_reference_finds_the_published_cells_and_levels(recording: Recording) -> None:
    for key, xy, labels, record in point_sets(recording):
        output = recording.output(key, "teacher")
        place = xy / torch.tensor(output.canvas).flip(0)
        cells = cells_as_published(place, list(GRIDS["teacher"]))  # (P, L, 2)
        expected = recorded_evidence(record)
        assert torch.equal(cells, expected[:, :, :2].long())
        painted = ~painted_over(painted_cells(place, list(GRIDS["teacher"])))
        best = (expected[:, :, 2] * expected[:, :, 3]).argmax(dim=1)
        chosen = {
            (int(best[i]), *cells[i, best[i]].tolist(), int(labels[i]))
            for i in torch.nonzero(painted).flatten().tolist()
        }
        assert chosen == {tuple(each) for each in record["selected_level_row_column_class"]}


def test_reference_keeps_the_published_masks(recording: Recording) -> None:
    for key, xy, labels, record in point_sets(recording):
        found = decode_points(recording.output(key, "teacher"), 0, xy, labels, compat="reference")
        kept = torch.nonzero(found.level >= 0).flatten()
        masks = encode_full_size(found.masks[kept], *recording.sizes(key), 0.5)
        published = counts_of(record["masks_rle"])
        assert len(masks) == len(published)
        original_size = recording.sizes(key)[1]
        iou = pairwise_iou([mask or b"" for mask in masks], published, *original_size)
        same_class = labels[kept][:, None] == torch.tensor(record["classes"])[None, :]
        matches = (iou > 0.995) & same_class.numpy()
        left = list(range(len(published)))
        for row, point in enumerate(kept.tolist()):
            a_pixel = 0.5 / int((found.masks[point] > 0.5).sum())  # at 0.5 may go either way
            sure = float(found.maskness[point])
            same = [
                j
                for j in left
                if matches[row, j] and abs(sure - record["scores"][j]) < 1e-4 + a_pixel
            ]
            assert same, (key, point)
            left.remove(same[0])


def sides(kind: str) -> Tensor:
    return torch.tensor(GRIDS[kind], dtype=torch.float32)


@pytest.mark.parametrize("kind", GRIDS)
def test_positive_cells_are_the_published_ones(recording: Recording, kind: str) -> None:
    """All but those of an instance whose centre or shrunk box ends on a cell boundary."""
    images, _, instances = recording.batch(kind)
    canvas = (images.shape[-2], images.shape[-1])
    pairs = recorded_pairs(np.load(recording.folder / f"losses_{kind}.npz"), instances, kind)
    assert len(pairs) == len(set(pairs))
    clear = clear_of_boundaries(instances, canvas, kind)  # (N, L)
    assert clear.float().mean() > 0.7
    ours = rows_of(assign_cells(instances, canvas, GRIDS[kind], RANGES[kind]))
    holder = {(image, cell): instance for image, cell, instance in ours}
    assert len(holder) == len(ours)
    ends = np.cumsum([side * side for side in GRIDS[kind]])
    area = instances.box_sizes.prod(dim=1)
    for image, cell, instance in ours:
        if clear[instance, np.searchsorted(ends, cell, side="right")]:
            assert (image, cell, instance) in pairs
    for image, cell, instance in pairs:
        if clear[instance, np.searchsorted(ends, cell, side="right")]:
            # of a contested cell ours keeps the smallest instance
            assert area[holder[image, cell]] <= area[instance]


def clear_of_boundaries(instances: Instances, canvas: tuple[int, int], kind: str) -> Tensor:
    """(N, L) bool: neither the centre nor an end of the shrunk box lies on a cell boundary."""
    half = 0.1 * instances.box_sizes
    ends = torch.stack([instances.centres + shift * half for shift in (-1, 0, 1)])  # (3, N, 2)
    place = ends / torch.tensor(canvas).flip(0)
    cells = place[:, :, None] * sides(kind)[:, None]  # (3, N, L, 2)
    return ((cells - cells.round()).abs() > 1e-3).all(dim=3).all(dim=0)


def rows_of(targets: Targets) -> list[tuple[int, int, int]]:
    fields = (targets.image, targets.cell, targets.instance)
    return list(zip(*(field.tolist() for field in fields), strict=True))


def recorded_pairs(recorded: Any, instances: Instances, kind: str) -> list[tuple[int, int, int]]:
    """All published (image, cell among all levels, instance); the instance is found by its mask."""
    pairs = []
    for image in range(2):
        mine = torch.nonzero(instances.image == image).flatten().tolist()
        masks = {instances.masks[n].numpy().astype(bool).tobytes(): n for n in mine}
        offset = 0
        for level, side in enumerate(GRIDS[kind]):
            drawn = recorded[f"mask_of_pair_{image}_{level}"]
            for cell, mask in zip(recorded[f"cell_of_pair_{image}_{level}"], drawn, strict=True):
                pairs.append((image, offset + int(cell), masks[mask.tobytes()]))
            offset += side * side
    return pairs


@pytest.mark.parametrize("kind", GRIDS)
def test_losses_and_gradients_are_the_published_ones(recording: Recording, kind: str) -> None:
    """On the published targets: all pairs for the masks, the last instance of a cell for the
    class."""
    images, sizes, instances = recording.batch(kind)
    recorded = np.load(recording.folder / f"losses_{kind}.npz")
    expected = json.loads((recording.folder / "losses.json").read_text())[kind]
    pairs = recorded_pairs(recorded, instances, kind)
    recording.network.instance_head.grids = GRIDS[kind]
    output = recording.network(images, sizes)
    mask = solov2_losses(output, instances, targets_of(pairs))["mask"]
    last = list({(image, cell): (image, cell, n) for image, cell, n in sorted(pairs)}.values())
    focal = solov2_losses(output, instances, targets_of(last))["class"]
    assert abs(mask.item() / expected["mask_loss_times_weight"] - 1) < 1e-4
    assert abs(focal.item() / expected["class_loss"] - 1) < 1e-4

    ours = functools.partial(renamed, names=SEGMENTER_NAMES, network="SOLOv2")
    recording.network.zero_grad()
    (mask + focal).backward()
    gradients = {name: p.grad for name, p in recording.network.named_parameters()}
    norms = {ours(published): norm for published, norm in expected["grad_l2"].items()}
    assert {name for name, grad in gradients.items() if grad is not None} == set(norms)
    for name, norm in norms.items():
        gradient = gradients[name]
        assert gradient is not None
        assert abs(float(gradient.norm()) - norm) < 1e-3 * norm + 1e-6, name
    for published in (key.removeprefix("grad/") for key in recorded if key.startswith("grad/")):
        gradient = gradients[ours(published)]
        assert gradient is not None
        assert relative_error(gradient, recorded[f"grad/{published}"]) < 1e-3


def targets_of(rows: list[tuple[int, int, int]]) -> Targets:
    image, cell, instance = torch.tensor(rows).T
    return Targets(image=image, cell=cell, instance=instance)

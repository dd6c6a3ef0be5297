"""Tiny random models of all four families: mechanics, not quality."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ray_wssis.data.images.read import RGB, resize_image, shortest_edge_size
from ray_wssis.data.records import Click, Object, Point, Record
from ray_wssis.methods.sam.labeller import SamLabeller
from ray_wssis.methods.sam.networks import SamNetworks
from ray_wssis.methods.sam.prompts import chunks
from ray_wssis.methods.sam.weights import CLASSES, SamWeights
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Row
from tests.support.tiny_sam import SIDE, write_sam

SIZES = [(96, 128), (150, 60), (64, 64)]  # height, width
NUMBERS = [7, 1, 70]  # of objects; the last needs two chunks


@pytest.fixture(scope="module", params=list(CLASSES))
def labeller(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = write_sam(tmp_path_factory.mktemp("sam") / "weights", request.param)
    return SamLabeller.of(SamWeights.find(request.param, str(folder)))


@pytest.fixture(scope="module")
def networks(labeller: SamLabeller) -> SamNetworks:
    return SamNetworks.load(labeller.weights, labeller.negatives)


def image_of(labeller: SamLabeller, number: int) -> Image:
    """An image of some colours, with points in it, the first of them in its corner."""
    rng = np.random.default_rng(number)
    height, width = SIZES[number]
    pixels = np.kron(rng.integers(0, 255, (8, 8, 3)), np.ones((32, 32, 1))).astype(np.uint8)
    points = [(0.0, 0.0), *rng.uniform(0, (width, height), (NUMBERS[number] - 1, 2)).tolist()]
    record = Record(
        image_id=number,
        file=f"{number}.png",
        width=width,
        height=height,
        objects=tuple(
            Object(annotation_id=i, label=0, point=(x, y)) for i, (x, y) in enumerate(points)
        ),
    )
    seen = resize_image(pixels, *shortest_edge_size(height, width, *labeller.network_size))
    return Image(record=record, source="weak", key=number, network_image=seen)


def finished(labeller: SamLabeller, networks: SamNetworks, *images: Image) -> list[Row]:
    rows = [labeller.finish(row) for row in networks.rows(list(images))]
    return [{name: row[name] for name in labeller.schema.names} for row in rows]


def test_a_mask_depends_neither_on_the_batch_nor_on_the_chunk(
    labeller: SamLabeller, networks: SamNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [image_of(labeller, number) for number in range(3)]
    together = finished(labeller, networks, *images)
    assert [row["image_id"] for row in together] == [0, 1, 2]
    assert sum(mask is not None for row in together for mask in row["refined"]) > 60
    assert together == [finished(labeller, networks, image)[0] for image in images]
    monkeypatch.setattr("ray_wssis.methods.sam.networks.chunks", partial(chunks, size=16))
    for row, again in zip(together, finished(labeller, networks, *images), strict=True):
        assert row["refined"] == again["refined"]


def test_a_mask_depends_neither_on_the_order_of_the_objects_nor_on_clicks_for_others(
    labeller: SamLabeller, networks: SamNetworks
) -> None:
    image = image_of(labeller, 0)
    (row,) = finished(labeller, networks, image)
    turned = replace(image, record=replace(image.record, objects=image.record.objects[::-1]))
    assert finished(labeller, networks, turned)[0]["refined"] == row["refined"][::-1]
    first, *others = image.record.objects
    helped = (replace(first, clicks=(Click(40, 40, False), Click(3, 3, False))), *others)
    more = replace(image, record=replace(image.record, objects=helped))
    assert finished(labeller, networks, more)[0]["predicted_iou"][1:] == pytest.approx(
        row["predicted_iou"][1:], abs=1e-6
    )  # of equally many clicks: nothing is padded


def test_an_image_without_points_has_an_empty_row(
    labeller: SamLabeller, networks: SamNetworks
) -> None:
    image = image_of(labeller, 1)
    unpointed = (Object(annotation_id=1, label=0),)
    bare = replace(image, record=replace(image.record, objects=unpointed))
    (row,) = finished(labeller, networks, bare)
    assert row["annotation_id"] == row["refined"] == row["flags"] == []


@pytest.fixture
def asked(networks: SamNetworks, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What the model is asked."""
    calls: list[Any] = []
    model = networks.model

    class Spy:
        device = model.device
        get_image_embeddings = staticmethod(model.get_image_embeddings)

        def __call__(self, **inputs: Any) -> Any:
            calls.append(inputs)
            return model(**inputs)

    monkeypatch.setattr(networks, "model", Spy())
    yield calls


def processor_of(labeller: SamLabeller) -> Any:
    """The processor of transformers, for the tiny canvas."""
    import transformers

    square = {"height": SIDE, "width": SIDE}
    if labeller.weights.family in ("sam2", "edgetam"):
        return transformers.Sam2Processor(transformers.Sam2ImageProcessor(size=square))
    name = "SamHQProcessor" if labeller.weights.family == "sam_hq" else "SamProcessor"
    shape = {"size": {"longest_edge": SIDE}, "pad_size": square}
    return getattr(transformers, name)(transformers.SamImageProcessor(**shape))


def test_pixels_and_points_are_those_of_transformers(
    labeller: SamLabeller, networks: SamNetworks, asked: list[Any]
) -> None:
    image = image_of(labeller, 0)
    networks.rows([image])
    points: list[Point] = [obj.point for obj in image.record.objects if obj.point is not None]
    seen: RGB = image.network_image
    scale = seen.shape[0] / image.record.height, seen.shape[1] / image.record.width
    theirs = processor_of(labeller)(
        images=[seen.copy()],
        input_points=[[[[x * scale[1], y * scale[0]]] for x, y in points]],
        input_labels=[[[1] for _ in points]],
        return_tensors="pt",
    )
    (ours,) = asked
    first = ours["input_points"][0, :, 0] + 0.5  # which the model adds again
    torch.testing.assert_close(
        first.double(), theirs["input_points"][0, :, 0].double(), rtol=0, atol=1e-3
    )
    assert ours["input_labels"].tolist() == [[[1, 0, 0]] * 7]
    canvas = networks.canvas(seen)
    torch.testing.assert_close(canvas, theirs["pixel_values"].float(), rtol=0, atol=0.02)


def test_weights_that_lack_something_are_refused(
    labeller: SamLabeller, networks: SamNetworks, tmp_path: Path
) -> None:
    state = dict(networks.model.state_dict())
    gone = next(name for name in state if "iou_prediction_head" in name)
    del state[gone]
    networks.model.save_pretrained(tmp_path, state_dict=state)
    weights = SamWeights.find(labeller.weights.family, str(tmp_path))
    with pytest.raises(ValueError, match=rf"lacks 1 weights of the model.*{gone}"):
        SamNetworks.load(weights, 2)

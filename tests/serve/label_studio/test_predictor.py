import numpy as np
from wssis_serve.label_studio.predictor import brush_regions
from wssis_serve.segmented import ImageInfo, Instance, Mapped, ModelName, Segmented, Shown

from ray_wssis import masks
from ray_wssis.data.class_maps.png import encode
from ray_wssis.data.imports.brush import from_brush
from ray_wssis.data.records import Category
from tests.support.label_studio import TAGS


def test_masks_become_brush_regions() -> None:
    mask = np.zeros((4, 6), dtype=bool)
    mask[1:3, 2:5] = True
    answer = Segmented(
        model=ModelName(name="teacher", hash="abc"),
        image=ImageInfo(id="1", width=6, height=4),
        categories=tuple(Category(id=i, name=name) for i, name in enumerate(["ring", "star"])),
        instances=[
            Instance(label=0, score=0.123456, mask=masks.encode(mask)),
            Instance(label=0, score=0.0, mask=None),  # a point without a mask
            Instance(label=1, score=0.9, mask=masks.encode(mask)),  # the brush has no such class
        ],
    )
    (region,) = brush_regions(answer, TAGS)
    assert len(region.pop("id")) == 10
    code = region["value"].pop("rle")
    assert from_brush(code, 4, 6) == masks.encode(mask)
    assert region == {
        "from_name": "mask",
        "to_name": "img",
        "type": "brushlabels",
        "original_width": 6,
        "original_height": 4,
        "image_rotation": 0,
        "score": 0.1235,
        "value": {"format": "rle", "brushlabels": ["ring"]},
    }


def test_a_class_map_becomes_a_brush_region_for_each_class_of_the_brush() -> None:
    labels = np.zeros((4, 6), np.uint8)
    labels[1:3, 2:5], labels[3] = 1, 2
    answer = Mapped(
        model=ModelName(name="student", hash="abc"),
        image=ImageInfo(id="1", width=6, height=4),
        categories=tuple(Category(id=i, name=n) for i, n in enumerate(["sky", "ring", "disc"])),
        class_map=encode(labels),
        shown=[Shown(label=i, num_pixels=1, confidence=0.5 + i / 10) for i in range(3)],
        tags=None,
    )
    ring, disc = brush_regions(answer, TAGS)
    assert (ring["value"]["brushlabels"], ring["score"]) == (["ring"], 0.6)
    assert (disc["value"]["brushlabels"], disc["score"]) == (["disc"], 0.7)
    assert from_brush(ring["value"]["rle"], 4, 6) == masks.encode(labels == 1)
    assert from_brush(disc["value"]["rle"], 4, 6) == masks.encode(labels == 2)

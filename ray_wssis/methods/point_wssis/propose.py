"""Instances that teacher and refiner find in an image without any prompt, as drafts of masks."""

from dataclasses import replace
from typing import Any

from ray_wssis.data.points.draw import with_points
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Object
from ray_wssis.methods.point_wssis.drafts import Draft, PointNetworks
from ray_wssis.methods.point_wssis.point_prompt import NO_LEVEL
from ray_wssis.methods.point_wssis.point_segmenter import RoughMasks
from ray_wssis.models.full_size_masks import encode_full_size
from ray_wssis.models.solov2_inference import Detections, maskness
from ray_wssis.streaming.decode import Image


def propose(networks: PointNetworks, images: list[Image], kind: PointKind) -> list[dict[str, Any]]:
    """Draft the objects of some images: one row for each, as `PointNetworks.rows` gives for points.

    Points of this `kind` are drawn from the rough masks.
    """
    found = networks.teacher.detect([image.network_image for image in images])
    return [
        draft_of(networks, image, detections, kind).to_row()
        for image, detections in zip(images, found, strict=True)
    ]


def draft_of(
    networks: PointNetworks, image: Image, detections: Detections, kind: PointKind
) -> Draft:
    """Draft the objects that were detected in an image, without those that vanish in it."""
    record, network_size = image.record, image.network_image.shape[:2]
    threshold = networks.teacher.config.inference.mask_threshold
    masks = encode_full_size(
        detections.masks,
        (network_size[0], network_size[1]),
        (record.height, record.width),
        threshold,
    )
    kept = [i for i, mask in enumerate(masks) if mask is not None]
    sure = maskness(detections.masks, detections.masks > threshold)[kept]
    labels = detections.labels[kept].tolist()
    rough = RoughMasks(
        masks=[masks[i] for i in kept],
        levels=[NO_LEVEL] * len(kept),
        class_scores=(detections.scores[kept] / sure).tolist(),  # it was multiplied by maskness
        maskness=sure.tolist(),
        margins=[0.0] * len(kept),
    )
    objects = tuple(
        Object(annotation_id=number, label=label, mask=mask)
        for number, (label, mask) in enumerate(zip(labels, rough.masks, strict=True), start=1)
    )
    proposed = with_points(replace(record, objects=objects), kind, seed=0)
    answers = networks.answer(image.pixels, rough, proposed)
    return Draft(record=proposed, rough=rough, answers=answers)

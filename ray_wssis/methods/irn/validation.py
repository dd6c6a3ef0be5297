"""Measure how well a network tells pairs of cells apart, beside true class maps."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ray_wssis.data.class_maps.png import UNKNOWN, decode
from ray_wssis.data.images.read import read_image, resize_image, shortest_edge_size
from ray_wssis.data.records import Record, Records
from ray_wssis.methods.irn.affinity import boundary_affinity
from ray_wssis.methods.irn.config import IRNetModel
from ray_wssis.methods.irn.fields import Fields
from ray_wssis.methods.irn.network import IRNet
from ray_wssis.models.pair_loss import kinds_of

AT_ONCE = 8  # images
ALIKE = 0.5  # affinity


def shares_of_pairs(network: IRNet, model: IRNetModel, truth: Records) -> tuple[float, float]:
    """Return the share of pairs of one class that seem alike, and of other ones that do not.

    A kind of pair that no image shows has the share 0.
    """
    fields = Fields(network, model)
    right, all_pairs = torch.zeros(2), torch.zeros(2)
    for first in range(0, len(truth), AT_ONCE):
        batch = list(truth.select(range(first, min(len(truth), first + AT_ONCE))))
        for record, seen in zip(
            batch, fields.see([shown(record, model) for record in batch]), strict=True
        ):
            assert record.class_map is not None, record.file
            height, width = seen.boundary.shape
            true = cv2.resize(
                decode(record.class_map), (width, height), interpolation=cv2.INTER_NEAREST
            )
            kinds = kinds_of(torch.from_numpy(true)[None], UNKNOWN, model.radius)
            is_alike = boundary_affinity(seen.boundary.cpu(), model.radius) > ALIKE
            of_one, of_two = kinds.foreground[0], kinds.different[0]
            right += torch.stack([(of_one & is_alike).sum(), (of_two & ~is_alike).sum()])
            all_pairs += torch.stack([of_one.sum(), of_two.sum()])
    alike, different = (right / all_pairs.clamp(min=1)).tolist()
    return alike, different


def shown(record: Record, model: IRNetModel) -> NDArray[np.uint8]:
    """Read an image at network size."""
    size = (record.height, record.width)
    return resize_image(
        read_image(record.file, size), *shortest_edge_size(*size, model.shorter, model.longest)
    )

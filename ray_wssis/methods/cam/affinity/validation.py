"""Measure how well AffinityNet tells pairs of cells apart, beside true class maps."""

import cv2
import torch

from ray_wssis.data.class_maps.png import UNKNOWN, decode
from ray_wssis.data.images.read import read_image
from ray_wssis.data.records import Records
from ray_wssis.methods.cam.affinity.network import AffinityNet, feature_affinity
from ray_wssis.methods.cam.affinity.walk import LearntWalk
from ray_wssis.methods.cam.config import ClassifierModel
from ray_wssis.models.pair_loss import kinds_of
from ray_wssis.semantic.segmenter import network_image

ALIKE = 0.5  # affinity


def shares_of_pairs(
    network: AffinityNet, radius: int, seen_as: ClassifierModel, truth: Records
) -> tuple[float, float]:
    """Return the share of pairs of one class that seem alike, and of other ones that do not.

    Background counts as a class; a kind of pair that no image shows has the share 0.
    """
    at_work = LearntWalk(network, radius)
    right, all_pairs = torch.zeros(2), torch.zeros(2)
    for record in truth:
        assert record.class_map is not None, record.file
        image = read_image(record.file, (record.height, record.width))
        features = at_work.features([network_image(image, seen_as)])[0].cpu()
        size = (features.shape[-1], features.shape[-2])
        true = cv2.resize(decode(record.class_map), size, interpolation=cv2.INTER_NEAREST)
        kinds = kinds_of(torch.from_numpy(true)[None], UNKNOWN, radius)
        is_alike = feature_affinity(features, radius) > ALIKE
        of_one, of_two = kinds.foreground[0], kinds.different[0]
        right += torch.stack([(of_one & is_alike).sum(), (of_two & ~is_alike).sum()])
        all_pairs += torch.stack([of_one.sum(), of_two.sum()])
    alike, different = (right / all_pairs.clamp(min=1)).tolist()
    return alike, different

"""Facts that the table of a data set tells without a record for each image: ids, counts, gaps."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ray_wssis.data.records import Records

Objects = dict[str, pa.Array]  # columns with a value for each object
OF_OBJECTS = ("label", "mask", "x", "crowd")

Where = NDArray[np.bool_]  # (images,)


def image_ids(records: Records) -> NDArray[np.int64]:
    """Return the ids of the images: (images,)."""
    ids: NDArray[np.int64] = records.table["image_id"].to_numpy()
    return ids


def annotation_ids(records: Records) -> NDArray[np.int64]:
    """Return the ids of the objects of all images: (objects,)."""
    ids: NDArray[np.int64] = pc.list_flatten(records.table["annotation_id"]).to_numpy()
    return ids


def num_objects(records: Records) -> NDArray[np.int64]:
    """Count the objects of each image, crowds included: (images,)."""
    counts: NDArray[np.int64] = pc.list_value_length(records.table["label"]).to_numpy()
    return counts


def count_labels(records: Records) -> NDArray[np.int64]:
    """Count the objects of each class, crowds left out: (classes,)."""
    counts = np.zeros(len(records.categories), dtype=np.int64)
    for _, objects, _ in _batches(records):
        labels = objects["label"].filter(pc.invert(objects["crowd"])).to_numpy()
        counts += np.bincount(labels, minlength=len(counts))
    return counts


def lack_masks(records: Records) -> Where:
    """Tell which images have an object without a mask."""
    return _where_any(records, lambda objects: objects["mask"].is_null())


def lack_points(records: Records) -> Where:
    """Tell which images have an object, no crowd, with a mask and without a point."""

    def lacks(objects: Objects) -> pa.Array:
        has_mask = pc.and_not(objects["mask"].is_valid(), objects["crowd"])
        return pc.and_(has_mask, objects["x"].is_null(nan_is_null=True))

    return _where_any(records, lacks)


def know_masks(records: Records) -> Where:
    """Tell which images have a mask, a crowd, or a class map: anything that weak ones lack."""
    found = _where_any(
        records, lambda objects: pc.or_(objects["mask"].is_valid(), objects["crowd"])
    )
    class_maps: Where = records.table["class_map"].is_valid().to_numpy()
    return found | class_maps


def _where_any(records: Records, holds: Callable[[Objects], pa.Array]) -> Where:
    """Tell which images have an object for which something holds."""
    found = [np.zeros(0, dtype=np.bool_)]
    for num_images, objects, images in _batches(records):
        found.append(np.zeros(num_images, dtype=np.bool_))
        found[-1][images[holds(objects).to_numpy(zero_copy_only=False)]] = True
    return np.concatenate(found)


def _batches(records: Records) -> Iterator[tuple[int, Objects, NDArray[np.int64]]]:
    """Yield a number of images, their objects, and the image of each object; nothing is copied."""
    for batch in records.table.select(OF_OBJECTS).to_batches():
        objects = {name: batch[name].flatten() for name in OF_OBJECTS}
        yield batch.num_rows, objects, pc.list_parent_indices(batch["label"]).to_numpy()

"""The command that trains on what was labelled, and the files that it reads."""

import shlex
from collections.abc import Mapping
from statistics import median
from typing import Any

from upath import UPath

from ray_wssis.data.coco.write import compact
from ray_wssis.storage import Place, locate, write_atomically
from wssis_serve.labelling.labels_file import Entry, LabelsFile, State
from wssis_serve.labelling.queue import Queue
from wssis_serve.labelling.strokes import CLASS_MAPS, CLASSES, TAGS, StrokesQueue

LEAST = 3  # images with masks: two to learn from, one to validate with
CROP = 96  # pixels, of agmm_photos
EVERY = 5  # of images with masks, one is for validation


def ready_to_train(queue: Queue | StrokesQueue, images: Place) -> list[str]:
    """Lines for a person: how much is labelled, and the command that trains on it."""
    if isinstance(queue, StrokesQueue):
        return strokes_to_train_on(queue, locate(images))
    return objects_to_train_on(queue, locate(images))


def objects_to_train_on(queue: Queue, images: UPath) -> list[str]:
    """Lines about objects, and files of them.

    Images that are done and have a mask for every object are learnt with their masks, others with
    their points.  A run needs images with masks to validate with; they are written to a file of
    their own beside the labels.
    """
    labels = queue.labels
    done = [name for name in labels.images if labels.state(name) is State.DONE]
    whole = [name for name in done if has_masks(labels, name)]
    num_objects = sum(labels.num_objects(name) for name in done)
    num_open = sum(labels.num_objects(name) > 0 for name in labels.images) - sum(
        labels.num_objects(name) > 0 for name in done
    )
    lines = [
        f"{len(done)} images are done, with {num_objects} objects; {len(whole)} of them have a "
        f"mask for every object ({labels.file})"
    ]
    if num_open:
        lines.append(
            f"{num_open} images have objects and are not done: nothing learns from these objects"
        )
    if len(whole) < LEAST:
        lines.append(
            f"to train, draw the masks of at least {LEAST} images with the brush, better of tens"
        )
        return lines
    held_out = whole[EVERY - 1 :: EVERY] or whole[-1:]
    folder, stem = labels.file.parent, labels.file.stem
    parts = ("train", "validation", "points")
    train, validation, points = (folder / f"{stem}_{part}.json" for part in parts)
    learnt = [name for name in done if name not in held_out]
    others = set(queue.images.names) - set(done)
    write(validation, labels, held_out)
    values = {"images": str(images), "validation": str(validation)}
    if any(labels.num_objects(name) and not has_masks(labels, name) for name in learnt):
        values["annotations"] = str(train)  # `wssis run` uses all masks of a file with points
    elif others:
        values |= {"strong": str(train), "unlabelled": str(images)}
        lines.append(f"the {len(others)} images that are not done are learnt from without labels")
    else:
        pointed = next(name for name in reversed(learnt) if labels.num_objects(name))
        learnt.remove(pointed)
        write(points, labels, [pointed])
        values |= {"strong": str(train), "weak": str(points)}
        lines.append("no image is without masks, so one is learnt as if it had points")
    write(train, labels, learnt)
    lines.append(now_train(images, {f"data.{key}": value for key, value in values.items()}))
    return lines


def strokes_to_train_on(queue: StrokesQueue, images: UPath) -> list[str]:
    """Lines about strokes and tags."""
    marked = queue.marked.values()
    done = sum(each.state is State.DONE for each in marked)
    drawn = sum(bool(each.drawn) for each in marked)
    lines = [
        f"{done} images are done, and their tags are complete; {drawn} have strokes "
        f"({queue.folder})"
    ]
    maps, tags = str(queue.folder / CLASS_MAPS), str(queue.folder / TAGS)
    if not drawn:
        lines.append(
            f"to train from tags alone, give {tags} as data.tags to the recipe cam or irn, with "
            "some images whose pixels or objects are labelled to measure with"
        )
        return lines
    values = {
        "data.folder.images": str(images),
        "data.folder.class_maps": maps,
        "data.folder.classes": str(queue.folder / CLASSES),
        "data.sparse_labels.labels": maps,
    }
    if done:
        values["data.tags"] = tags
    values["agmm.augment.scale"] = f"[{', '.join(map(str, scales(queue)))}]"
    lines.append(now_train(images, values, config="agmm_photos"))
    return lines


def scales(queue: StrokesQueue) -> tuple[float, float]:
    """Choose the sizes that images are trained in, as shares: about as high as a crop."""
    shorter = [min(queue.size(name)) for name, each in queue.marked.items() if each.drawn]
    fit = CROP / median(shorter)
    return round(0.8 * fit, 4), round(1.4 * fit, 4)


def has_masks(labels: LabelsFile, name: str) -> bool:
    """Tell whether an image has objects, and all of them have masks."""
    objects = labels.annotations_of(name)
    return bool(objects) and all("segmentation" in entry for entry in objects)


def write(file: UPath, labels: LabelsFile, names: list[str]) -> None:
    """Write the labels of some images to a file of their own."""
    annotations: list[Entry] = []
    for name in names:
        annotations += labels.annotations_of(name)
    data: dict[str, Any] = labels.data() | {
        "images": [labels.images[name] for name in names],
        "annotations": annotations,
    }
    write_atomically(file, compact(data).encode())


def now_train(images: UPath, values: Mapping[str, str], config: str | None = None) -> str:
    sets = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    begun = [] if config is None else ["--config", config]
    out = str(images.parent / "run")
    return "now train: " + shlex.join(["wssis", "run", *begun, "--out", out, *sets])

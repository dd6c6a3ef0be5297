"""The command that trains on what was labelled, and the files that it reads."""

import shlex
from typing import Any

from upath import UPath

from ray_wssis.data.coco.write import compact
from ray_wssis.storage import Place, locate, write_atomically
from wssis_serve.labelling.labels_file import Entry, LabelsFile, State

LEAST = 2  # images with masks: one to learn from, one to validate with
EVERY = 5  # of images with masks, one is for validation


def ready_to_train(labels: LabelsFile, images: Place) -> list[str]:
    """Lines for a person: how much is labelled, and the command that trains on it.

    Images that are done and have a mask for every object are learnt with their masks, others with
    their points.  A run needs images with masks to validate with; they are written to a file of
    their own beside the labels.
    """
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
        lines.append(f"{num_open} images have objects and are not done: nobody learns from them")
    if len(whole) < LEAST:
        lines.append(
            f"to train, draw the masks of at least {LEAST} images with the brush, better of tens"
        )
        return lines
    held_out = whole[EVERY - 1 :: EVERY] or whole[-1:]
    folder, stem = labels.file.parent, labels.file.stem
    train, validation = (folder / f"{stem}_{part}.json" for part in ("train", "validation"))
    write(train, labels, [name for name in done if name not in held_out])
    write(validation, labels, held_out)
    out = locate(images).parent / "run"
    lines.append("now train: " + command(train, validation, locate(images), out))
    return lines


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


def command(train: UPath, validation: UPath, images: UPath, out: UPath) -> str:
    values = {"annotations": train, "validation": validation, "images": images}
    sets = [word for key, value in values.items() for word in ("--set", f"data.{key}={value}")]
    return shlex.join(["wssis", "run", "--out", str(out), *sets])

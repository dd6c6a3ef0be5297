"""Instances that were found become images to learn from, and are measured beside true objects."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.coco.write import CocoWriter
from ray_wssis.data.records import Object, Record, Records, RecordsWriter
from ray_wssis.instance.merge import MERGED
from ray_wssis.masks import pairwise_iou
from ray_wssis.methods.irn.clicks import CLICKED, COUNTED, Clicks, pick, read_clicks
from ray_wssis.methods.irn.objects import HIDDEN, classes_of
from ray_wssis.metrics.coco_ap import Prediction, measure_precision
from ray_wssis.metrics.confusion import SAME_IOU
from ray_wssis.metrics.separation import Separation
from ray_wssis.run import ROWS, Run
from ray_wssis.semantic.evaluate import label_figures
from ray_wssis.semantic.split import AUDIT, WEAK, WEAK_TRUTH
from ray_wssis.storage import write_json
from ray_wssis.streaming.table import RowsById, each_row

FIGURES = "instances.json"
OF_CLICKS = "clicks.json"  # beside the instances that clicks chose

logger = logging.getLogger(__name__)


def gather(run: Run, data: Artifact, objects: Artifact, labels: Artifact, name: str) -> Artifact:
    """Turn the instances of weak images into records to learn from, `train.parquet`, and the COCO
    file `NAME_tags.json`, with a score for each.  Clicks, if the run has some, choose among them,
    and are counted in `clicks.json`.

    Images on which none was found would teach nothing but background, and are left out.
    """

    def make(stage: Workspace) -> None:
        weak, rows = Records.read(data / WEAK), RowsById(labels / ROWS, UPath(WEAK).stem)
        clicks, counts = read_clicks(objects), Counter[str]()
        categories, _ = classes_of(weak.categories)
        info = {"description": "instances found from tags", "labels": labels.digest[:12]}
        num_used = 0
        with (
            CocoWriter(stage / f"{name}_tags.json", categories, info) as coco,
            RecordsWriter(stage / MERGED, categories) as records,
        ):
            for record, scores in learnt(weak, rows, clicks, counts):
                coco.add(record, [{"score": round(score, 4)} for score in scores])
                records.add(record)
                num_used += 1
        if not num_used:
            raise ValueError(
                f"no instance was found on {len(weak)} images; look at the classifier's val/mAP "
                "and at labelling.instances"
            )
        if num_used < len(weak):
            unused = (len(weak) - num_used, len(weak))
            logger.warning("%d of %d images are left out: no instance was found there", *unused)
        if clicks:
            write_json(stage / OF_CLICKS, dict(counts))
            lost = (counts["lost_clicks"], counts["clicks"])
            logger.info("%d of %d clicks hit no instance, and teach nothing", *lost)

    made_from = {"weak": data.part(WEAK), "labels": labels, "name": name}
    made_from |= {"clicks": objects.part(CLICKED)} if (objects / CLICKED).exists() else {}
    says = "Turn instances into a training set"
    return run.stage("instances", says, made_from, make, follows_retry=True)


def learnt(
    weak: Records, rows: RowsById, clicks: Clicks, counts: Counter[str]
) -> Iterator[tuple[Record, list[float]]]:
    """Yield the images with instances, and the scores of these; add to the counts of clicks."""
    _, new_label = classes_of(weak.categories)
    number = 0
    for record in weak:
        row = rows.get(record.image_id)
        if row is None or row["error"] is not None:
            continue
        row = pick(row, clicks.get(record.image_id, ()))
        counts.update({name: row[name] for name in COUNTED if name in row})
        if not row["instance_mask"]:
            continue
        objects = []
        for label, mask in zip(row["instance_label"], row["instance_mask"], strict=True):
            number += 1
            objects.append(Object(annotation_id=number, label=new_label[label], mask=mask))
        yield (
            Record(
                image_id=record.image_id,
                file=record.file,
                width=record.width,
                height=record.height,
                objects=tuple(objects),
            ),
            row["instance_score"],
        )


def measure(
    run: Run, data: Artifact, objects: Artifact, labels: Artifact, earlier: Artifact
) -> Artifact:
    """Measure the instances of audit images, and of weak ones if their masks are known, those that
    clicks chose if the run has some: `instances.json`.  Nothing is chosen by it.

    Of the weak images, the class maps are measured too, and those of the `earlier` labels.
    """

    def make(stage: Workspace) -> None:
        categories = Records.read(data / WEAK).categories
        _, new_label = classes_of(categories)
        clicks, figures = read_clicks(objects), dict[str, Any]()
        for part, source in ((AUDIT, AUDIT), (HIDDEN, WEAK)):
            truth = Records.read(objects / part) if (objects / part).exists() else ()
            if truth:
                rows = (
                    pick(row, clicks.get(row["image_id"], ()))
                    for row in each_row(labels / ROWS, source=UPath(source).stem)
                )
                figures[UPath(part).stem] = figures_of(truth, rows, new_label)
        if (data / WEAK_TRUTH).exists():
            truth, names = Records.read(data / WEAK_TRUTH), [known.name for known in categories]
            for key, drawn in (("class_maps_mIoU", labels), ("earlier_mIoU", earlier)):
                found = label_figures(truth, drawn, UPath(WEAK).stem, names)
                figures["hidden"][key] = round(found["pseudo/mIoU"], 4)
        write_json(stage / FIGURES, figures)

    says = "Measure the instances by images whose masks are known"
    made_from = {"objects": objects, "labels": labels, "earlier": earlier}
    return run.stage("instances_audit", says, made_from, make, follows_retry=True)


def figures_of(
    truth: Records, rows: Iterable[Mapping[str, Any]], new_label: Mapping[int, int]
) -> dict[str, Any]:
    """Compute figures in percent, null for those without a value.

    `mIoU` is of each object and the instance of its class that fits it best, 0 without one;
    `precision` and `recall` are shares of instances and objects that fit with an IoU of at least
    one half.
    """
    found = {row["image_id"]: row for row in rows if row["error"] is None}
    predictions, separation = [], Separation()
    best: list[float] = []
    num_found = num_right = 0
    for record in truth:
        row = found.get(record.image_id, {})
        masks, labels = row.get("instance_mask", []), row.get("instance_label", [])
        own = [new_label[label] for label in labels]
        scores = row.get("instance_score", [])
        predictions.append(
            Prediction(image_id=record.image_id, labels=own, scores=scores, masks=masks)
        )
        known = [(obj.label, obj.mask) for obj in record.objects if obj.mask and not obj.crowd]
        true = [mask for _, mask in known]
        size = record.height, record.width
        separation += Separation.of(true, masks, *size)
        ious = pairwise_iou(true, masks, *size)
        ious *= np.array([label for label, _ in known])[:, None] == np.array(own)
        best += ious.max(axis=1, initial=0).tolist()
        num_found += len(masks)
        num_right += int((ious.max(axis=0, initial=0) >= SAME_IOU).sum())
    precision = measure_precision(truth, predictions).figures
    fits = [iou >= SAME_IOU for iou in best]
    figures = {
        "AP": precision["AP"],
        "AP50": precision["AP50"],
        "mIoU": 100 * sum(best) / len(best) if best else None,
        "precision": 100 * num_right / num_found if num_found else None,
        "recall": 100 * sum(fits) / len(fits) if fits else None,
        **separation.figures(),
    }
    counts = {"images": len(truth), "objects": len(best), "instances": num_found}
    return counts | {
        name: None if value is None or value != value else round(value, 4)
        for name, value in figures.items()
    }

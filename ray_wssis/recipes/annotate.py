"""Labelling by a trained run: points on new images in, a COCO file with their masks out.

Teacher and refiner draw as they drew for the student (`ray_wssis.instance.label`): every image
once, whatever dies meanwhile, and what cannot be used is listed.
"""

from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

from upath import UPath

from ray_wssis.artifacts import Artifact, Part, Workspace, open_stage
from ray_wssis.config import Config
from ray_wssis.data.annotated import is_labelled
from ray_wssis.data.coco.read import Rejected, read_coco
from ray_wssis.data.coco.write import CocoWriter
from ray_wssis.data.points.kind import PointKind
from ray_wssis.data.records import Category, Record, Records, named
from ray_wssis.data.split.cut import as_weak
from ray_wssis.instance.audit import CALIBRATION, ratio
from ray_wssis.instance.drawer import drawer_of, is_drawn_here, settings
from ray_wssis.instance.label import SUMMARY, THROUGHPUT, check_coverage, summarise
from ray_wssis.instance.label_config import LabelLimits
from ray_wssis.instance.label_row import REFINED
from ray_wssis.instance.merging import pseudo
from ray_wssis.instance.quality import QualityModel
from ray_wssis.instance.segmenter_config import KIND as SEGMENTER
from ray_wssis.instance.split import REJECTED, WEAK, write_rejected
from ray_wssis.masks import nowhere
from ray_wssis.methods.point_wssis.refiner_config import KIND as REFINER
from ray_wssis.models.model_folder import categories_of, hash_model, read_description
from ray_wssis.one_command import alone_in
from ray_wssis.recipes.labeller_config import LabellerConfig
from ray_wssis.recipes.zero_shot import compose_labeller, find_refiner
from ray_wssis.run import ROWS
from ray_wssis.storage import Place, hash_file, locate, read_json, write_json
from ray_wssis.streaming.config import LabellingWorkers
from ray_wssis.streaming.shards import write_content
from ray_wssis.streaming.table import RowsById

LABELS = "labels.json"
NETWORKS = {"teacher": SEGMENTER, "refiner": REFINER}  # in the words of `PointLabeller`


class AnnotateConfig(Config):
    labelling: LabelLimits = LabelLimits()
    labelling_workers: LabellingWorkers = LabellingWorkers()


class Points(NamedTuple):
    """The content of a file of points."""

    records: Records  # without masks
    rejected: list[Rejected]  # what cannot be used


class Annotate:
    """Draws masks for the points of a COCO file with the networks of `run`, in folder `out`.

    Raises ValueError if `run` has no teacher and refiner.
    """

    def __init__(
        self,
        run: Place,
        points: Place,
        images: Place,
        out: Place,
        config: AnnotateConfig | None = None,
        *,
        redo: bool = False,
        retry_failed: bool = False,
    ) -> None:
        self.file, self.images, self.out = locate(points), locate(images), locate(out)
        self.config = config or AnnotateConfig()
        self.redo = redo
        self.retry_failed = retry_failed
        folder = locate(run)
        self.drawing = LabellerConfig.model_validate(settings(folder).get("labeller") or {})
        stages = {"teacher": drawer_of(folder), "refiner": "refiner"}
        if not self.drawing.has_trained_refiner:
            del stages["refiner"]
        networks = {name: folder / stage / "model" for name, stage in stages.items()}
        self.calibration = folder / "audit" / CALIBRATION
        self.is_calibrated = is_drawn_here(folder) and self.calibration.exists()
        self.known = {name: classes_of(folder, name) for name, folder in networks.items()}
        self.drawn_by = {name: hash_model(folder) for name, folder in networks.items()}
        parts = {
            name: Part(path=networks[name], digest=digest) for name, digest in self.drawn_by.items()
        }
        refines = find_refiner(self.drawing) or parts.get("refiner")
        self.labeller = compose_labeller(parts["teacher"], refines, self.drawing)

    @cached_property
    def made_from(self) -> dict[str, Any]:
        """Everything that decides the labels."""
        return self.drawn_by | {
            **({"refiner": self.labeller.made_from} if self.drawing.refiner else {}),
            "calibration": hash_file(self.calibration) if self.is_calibrated else None,
            "points": hash_file(self.file),
            "images": str(self.images),
            **({"tidy": self.drawing.tidy} if self.drawing.tidy.changes else {}),
            **({"tile": self.drawing.tile} if self.drawing.tile else {}),
        }

    @cached_property
    def points(self) -> Points:
        """The points; boxes stand in for missing ones, and masks are not looked at.

        Raises ValueError for a file that cannot be read, or whose classes the networks do not
        know.
        """
        rejected: list[Rejected] = []
        read = read_coco(
            self.file, self.images, boxes_as_points=True, rejected=rejected, point_suffices=True
        )
        for name, known in self.known.items():
            if read.categories != known:
                raise ValueError(
                    f"{self.file} has {named(read.categories)}, the {name} was trained for "
                    f"{named(known)}; numbers and names must be the same"
                )
        return Points(as_weak(marked(read), PointKind.CENTROID, seed=0), rejected)

    def label(self) -> Artifact:
        """Make `labels.json`, with the rows and lists that it is made from."""
        points = self.points  # a file that is refused leaves no folder
        with alone_in(self.out):
            return self.label_alone(points)

    def label_alone(self, points: Points) -> Artifact:
        opened = open_stage(
            self.out,
            self.made_from,
            says="Draw a mask for every point",
            redo=self.redo,
            reopen=self.retry_failed,
            keep=[ROWS],
            progress=[f"{ROWS}/*"],
        )
        if isinstance(opened, Workspace):
            self.make(opened, points)
            opened = opened.finish(logs=[ROWS, THROUGHPUT])
        check_coverage(opened, self.config.labelling)
        return opened

    def make(self, stage: Workspace, points: Points) -> None:
        from ray_wssis.streaming.stream import Pass, stream  # imports Ray

        points.records.write(stage / WEAK)
        write_rejected(points.rejected, stage / REJECTED)
        throughput = stream(
            Pass(
                name="labels",
                records=[stage / WEAK],
                labeller=self.labeller,
                out=stage / ROWS,
            ),
            self.config.labelling_workers,
            retry_failed=self.retry_failed,
            max_failures=self.config.labelling.max_failures,
        )
        write_content(stage / ROWS)
        rejected = (stage / REJECTED).read_text()
        summarise(stage, throughput, rejected, points.records.categories)
        check_coverage(stage, self.config.labelling)
        self.write_labels(stage)

    def write_labels(self, stage: Workspace) -> None:
        """Write all images and points, with the masks that there are; file names stay as given."""
        rows, records = RowsById(stage / ROWS, UPath(WEAK).stem), self.points.records
        model = None
        if self.is_calibrated:  # without: no expected IoU
            model = QualityModel.from_json(read_json(self.calibration))
        lineage = self.labeller.lineage
        info = {"description": "points and their pseudo masks", "pseudo": lineage}
        root = f"{self.images}".rstrip("/") + "/"
        expected: list[float] = []
        with CocoWriter(stage / LABELS, records.categories, info) as labels:
            for record in records:
                row = rows.get(record.image_id)
                assert row is not None, f"image {record.image_id}"
                drawn, more = with_masks(record, row, model, lineage)
                labels.add(replace(drawn, file=record.file.removeprefix(root)), more)
                expected += [each["expected_iou"] for each in more if "expected_iou" in each]
        mean = {"mean_expected_iou": ratio(sum(expected), len(expected))}
        write_json(stage / SUMMARY, read_json(stage / SUMMARY) | mean)


def marked(records: Records) -> Records:
    """Note which images nobody looked at, so that nobody takes them for empty later."""

    def mark(record: Record) -> Record:
        if is_labelled(record):
            return record
        return replace(record, annotated=nowhere(record.height, record.width))

    return Records.from_rows(map(mark, records), records.categories)


def with_masks(
    record: Record, row: dict[str, Any], model: QualityModel | None, lineage: dict[str, str]
) -> tuple[Record, list[dict[str, Any]]]:
    """Add the masks of its row of labels to a record; also return what is known about each."""
    if row["error"] is not None:
        return record, [{}] * len(record.objects)
    numbers = [obj.annotation_id for obj in record.objects]
    assert numbers == row["annotation_id"], f"image {record.image_id}"
    masks = row[REFINED if model is None else model.masks]
    expected = [None] * len(masks) if model is None else model.expected_iou(row)
    more = [
        {} if mask is None else pseudo(lineage, row, i, expected[i]) for i, mask in enumerate(masks)
    ]
    objects = tuple(
        replace(obj, mask=mask) for obj, mask in zip(record.objects, masks, strict=True)
    )
    return replace(record, objects=objects), more


def classes_of(folder: UPath, name: str) -> tuple[Category, ...]:
    """Return the classes that a network was trained for."""
    try:
        return categories_of(read_description(folder, NETWORKS[name]))
    except ValueError as error:
        raise ValueError(
            f"{error}; give the folder of a run whose teacher and refiner are trained"
        ) from error

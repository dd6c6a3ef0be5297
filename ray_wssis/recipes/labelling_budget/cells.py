"""The trainings behind a learning curve: runs like the one that is asked about, of a part of its
masks or of its points, with shorter schedules."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.coco.write import write_coco
from ray_wssis.data.columns import count_labels
from ray_wssis.data.records import Records
from ray_wssis.data.split.draw import in_line
from ray_wssis.instance.label_config import LabelLimits
from ray_wssis.instance.merging import incomplete
from ray_wssis.instance.split import REJECTED, STRONG, VALIDATION, WEAK
from ray_wssis.instance.split_config import DataConfig
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.run import Run
from ray_wssis.storage import read_json, write_json

SHARES = (25, 50, 100)  # % of the masks, and of the points
MASKS, POINTS, VALIDATED = "masks_{}.json", "points_{}.json", "validation.json"
COUNTS = "counts.json"  # objects of each of the files with masks and points
FEWEST = 8  # images with masks, and with points: a quarter of them are two


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One training of the curve; shares are of images, in percent."""

    masks: int
    points: int

    @property
    def name(self) -> str:
        if self.masks == self.points == 100:
            return "all"
        return f"masks_{self.masks}" if self.points == 100 else f"points_{self.points}"


# The one of everything comes first: its teacher and refiner draw for those with fewer points.
CELLS = (
    Cell(masks=100, points=100),
    *(Cell(masks=share, points=100) for share in SHARES[:-1]),
    *(Cell(masks=100, points=share) for share in SHARES[:-1]),
)


def cut(run: Run, data: Artifact) -> Artifact:
    """Write COCO files of parts of the strong and of the weak images, each within the next.

    Weak images with an object that nobody can place are left out, as from every training.  Raises
    ValueError for too few images.
    """

    def make(stage: Workspace) -> None:
        unplaced = incomplete(data / REJECTED)
        strong, weak = list(Records.read(data / STRONG)), list(Records.read(data / WEAK))
        weak = [record for record in weak if record.image_id not in unplaced]
        categories = Records.read(data / STRONG).categories
        counts: dict[str, int] = {}
        for name, kind, records in ((MASKS, "strong", strong), (POINTS, "weak", weak)):
            if len(records) < FEWEST:
                raise ValueError(
                    f"{len(records)} {kind} images tell no learning curve; wanted: {FEWEST} or more"
                )
            ids = [record.image_id for record in records]
            line = in_line(range(len(records)), f"budget {kind}", run.config.seed, ids, ids)
            for share in SHARES:
                places = sorted(line[: len(records) * share // 100])
                part = Records.from_rows([records[place] for place in places], categories)
                write_coco(part, stage / name.format(share))
                counts[name.format(share)] = int(count_labels(part).sum())
        write_coco(Records.read(data / VALIDATION), stage / VALIDATED)
        write_json(stage / COUNTS, counts)

    made_from = {part: data.part(part) for part in (STRONG, WEAK, VALIDATION, REJECTED)}
    return run.stage("cuts", "Cut the data for a learning curve", made_from, make)


def amounts(cuts: Artifact, cell: Cell) -> tuple[int, int]:
    """Return the numbers of masks and of points that a cell learns from."""
    counts = read_json(cuts / COUNTS)
    return counts[MASKS.format(cell.masks)], counts[POINTS.format(cell.points)]


def cell_config(
    config: PointWSSISConfig, cuts: Artifact, cell: Cell, share: Fraction, drawers: UPath | None
) -> PointWSSISConfig:
    """Compose the configuration of a cell, whose trainings take `share` of the steps.

    `drawers` is the folder of a run whose teacher and refiner are used; None: they are trained.
    Files that people corrected stay out: they are about the weak images of the whole run.
    """
    stages = {}
    for name, stage in config.trainings().items():
        changes: dict[str, Any] = {"training": stage.training.stretched(share)}
        if drawers is not None and name != "student":
            changes["ready"] = str(drawers / name / "model")
        stages[name] = stage.model_copy(update=changes)
    data = DataConfig(
        name=config.data.name,
        strong=str(cuts / MASKS.format(cell.masks)),
        weak=str(cuts / POINTS.format(cell.points)),
        validation=str(cuts / VALIDATED),
        images="",  # names stand as they are
        audit=config.data.audit,
        point=config.data.point_kind,
    )
    alone = {"corrections": (), "annotated": ()}
    return config.model_copy(
        update={
            "data": data,
            "estimate": False,
            "rounds": 1,
            "upper_bound": False,
            "labelling": LabelLimits(),
            "merge": config.merge.model_copy(update=alone),
            **stages,
        }
    )

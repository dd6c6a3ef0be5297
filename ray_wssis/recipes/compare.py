"""`wssis compare`: the labeller of a run beside others, on its audit images.

Nobody learnt from the true masks of these images but the student of the last round, and it is
marked.  Everything is kept in the folder `compare` of the run; what is there is not drawn again.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from upath import UPath

from ray_wssis.artifacts import MANIFEST, Artifact, Part, Workspace, read_artifact
from ray_wssis.data.records import Records
from ray_wssis.instance.area_prior import AreaPrior
from ray_wssis.instance.drawer import drawer_of, settings
from ray_wssis.instance.label import InstanceLabeller
from ray_wssis.instance.report_labellers import RESULT
from ray_wssis.instance.segmenter_config import read_config
from ray_wssis.instance.side_by_side import (
    Measured,
    columns_of,
    difference,
    pace,
    verdict,
)
from ray_wssis.instance.split import AUDIT, TAUGHT
from ray_wssis.methods.point_wssis.labeller import PointLabeller
from ray_wssis.methods.sam.labeller import SamLabeller
from ray_wssis.methods.sam.weights import cached
from ray_wssis.methods.walker.labeller import WalkerLabeller
from ray_wssis.recipes.catalogue import load_recipe
from ray_wssis.recipes.labeller_config import LabellerConfig
from ray_wssis.recipes.point_wssis_config import PointWSSISConfig
from ray_wssis.recipes.sam_refined import SamRefined
from ray_wssis.recipes.zero_shot import compose_labeller, find_labeller, find_refiner
from ray_wssis.run import RESOLVED, ROWS, Run, streamed_from
from ray_wssis.storage import read_json, write_json
from ray_wssis.streaming.table import read_rows

SPEED = "speed.json"
PARTS = ("teacher", "student")  # networks of a run that draw without, and with, its refiner
WALKER = "walker"  # colours alone

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Rival:
    name: str
    role: str  # own, trained, zero-shot or simple
    labeller: InstanceLabeller
    saw: bool = False  # learnt from the audit images


def compare(
    folder: UPath, config: PointWSSISConfig, names: Sequence[str], price: float | None
) -> dict[str, Any]:
    """Draw the audit images of a run with its own labeller and those of these names; return the
    content of `compare/compare.json`.

    `price` is that of an hour of the machines.  Raises ValueError if there is nothing to compare
    on, or a labeller cannot be used.
    """
    data = read_artifact(folder / "split")
    truth = {record.image_id: record for record in Records.read(data / AUDIT)}
    if not truth:
        raise ValueError(
            f"{folder} has no audit images, on which labellers are compared; make a run with "
            "data.audit above 0"
        )
    taught = Records.read(data / TAUGHT)
    rivals = find_rivals(Run(config, folder), config, names, taught)
    measured, seconds = [], []
    for rival in rivals:
        made = draw(Run(config, (folder / RESULT).parent, redo=True), data, rival)
        rows = read_rows(made / ROWS, columns_of(rival.labeller))
        measured.append(Measured.of(rows, truth, taught, rival.labeller.signals))
        speed = made / SPEED
        seconds.append(read_json(speed)["seconds"] if speed.exists() else None)
    entries = [
        entry_of(rival, found, measured[0], took, price)
        for rival, found, took in zip(rivals, measured, seconds, strict=True)
    ]
    result = {
        "num_images": len(truth),
        "price": price,
        "labellers": entries,
        "verdict": verdict(entries),
    }
    write_json(folder / RESULT, result)
    return result


def read_run_config(folder: UPath, overrides: Sequence[str] = ()) -> PointWSSISConfig:
    """Read the configuration of a run.  Raises ValueError if it is none of objects."""
    if not (folder / RESOLVED).exists():
        raise ValueError(f"{folder} holds no run: there is no {RESOLVED}")
    config = load_recipe(folder / RESOLVED, overrides)
    if not isinstance(config, PointWSSISConfig):
        raise ValueError(
            f"{folder} is a run of {config.recipe}; wanted: one of masks of objects, as "
            "point_wssis makes them"
        )
    return config


def find_rivals(
    run: Run, config: PointWSSISConfig, names: Sequence[str], taught: Records
) -> list[Rival]:
    """Return the labeller of the run, then the others; each once.

    A labeller of the SAM family whose weights are on this machine is among them without being
    named.  Raises ValueError for a name that cannot be used.
    """
    ready = find_labeller(config.labeller)
    own = ready or point_labeller(run, drawer_of(run.folder), with_refiner=True)
    rivals = [Rival(name=config.labeller.name, role="own", labeller=own)]
    for name in names:
        if name != config.labeller.name:
            rivals.append(find_rival(run, name, taught))
    if all(rival.role != "zero-shot" for rival in rivals) and ready is None:
        if (there := cached()) is not None:
            rivals.append(find_rival(run, ":".join(there), taught))
        else:
            logger.info(
                "No zero-shot labeller is compared: no weights of the SAM family are on this "
                "machine. Name some: --labellers sam2:FOLDER_OR_NAME"
            )
    once: dict[str, Rival] = {}
    for rival in rivals:
        once.setdefault(rival.labeller.made_from, rival)
    return list(once.values())


def find_rival(run: Run, name: str, taught: Records) -> Rival:
    """Find a labeller by name: `teacher`, `student`, `walker` or `sam2:WEIGHTS`, say; or
    `teacher+sam2:WEIGHTS`, whose rough masks a SAM refines."""
    part, _, sam = name.partition("+")
    if part in PARTS:
        refined_by = LabellerConfig(refiner=sam).refiner if sam else None
        labeller = point_labeller(run, part, with_refiner=part == "student", refined_by=refined_by)
        return Rival(name=name, role="trained", labeller=labeller, saw=part == "student")
    if name == WALKER:
        walker = WalkerLabeller.of(AreaPrior.of(taught), len(taught.categories))
        return Rival(name=name, role="simple", labeller=walker)
    word = name.partition(":")[0]
    known = LabellerConfig.model_fields["name"].annotation
    if word not in (choices := [*PARTS, WALKER, *getattr(known, "__args__", ())]):
        raise ValueError(f"--labellers: there is no labeller {word}; known: {', '.join(choices)}")
    found = find_labeller(LabellerConfig.model_validate(name))
    if found is None:
        raise ValueError(f"--labellers: {name} is trained by a run, and this one has none")
    return Rival(name=name, role="zero-shot", labeller=found)


def point_labeller(
    run: Run, stage: str, *, with_refiner: bool, refined_by: str | None = None
) -> PointLabeller | SamRefined:
    """Compose the labeller of a segmenter of this run, and of its refiner if there is one.

    `refined_by` names a SAM that refines instead.  Raises ValueError if the run has no such network
    yet, or the SAM cannot be used.
    """
    try:
        segmenter = read_artifact(run.folder / stage)
    except ValueError as error:
        raise ValueError(f"{run.folder} has no finished {stage} to compare: {error}") from error
    if (network := read_config(segmenter / "model")).queries is not None:
        raise ValueError(
            f"--labellers: the {stage} of {run.folder} is {network.describe()}, which cannot be "
            "asked for the mask at a point; leave it out"
        )
    own = LabellerConfig.model_validate(settings(run.folder).get("labeller") or {})
    refines: Part | SamLabeller | None = None
    if refined_by is not None:
        refines = find_refiner(own.model_copy(update={"refiner": refined_by}))
    elif with_refiner:
        refines = find_refiner(own)
        if refines is None and (run.folder / "refiner/model").exists():
            refines = read_artifact(run.folder / "refiner").part("model")
    return compose_labeller(segmenter.part("model"), refines, own)


def usual_names(folder: UPath, config: PointWSSISConfig) -> list[str]:
    """Name the rivals of a run for which none are named: its networks, and colours alone."""
    is_asked = {"teacher": True, "student": config.student.model.queries is None}
    made = [name for name in PARTS if is_asked[name] and (folder / name / MANIFEST).exists()]
    return [*made, WALKER]


def draw(run: Run, data: Artifact, rival: Rival) -> Artifact:
    """Draw the audit images with one labeller: `rows/`, and its pace in `speed.json`."""
    images = [data.part(AUDIT)]

    def make(stage: Workspace) -> None:
        throughput = run.infer(stage, images, rival.labeller)
        write_json(stage / SPEED, {"seconds": pace(throughput)})

    return run.stage(
        "".join(letter if letter.isalnum() else "_" for letter in rival.name),
        f"Draw the audit images with {rival.name}",
        streamed_from(images, rival.labeller),
        make,
        logs=[ROWS, SPEED],
        keep=[ROWS],
    )


def entry_of(
    rival: Rival, found: Measured, own: Measured, seconds: float | None, price: float | None
) -> dict[str, Any]:
    """Compose what is known of a labeller; a figure without a value is None.

    mIoU is in percent; the calibration error is that of the expected IoU on images left out; the
    difference of mIoU to that of the run's own labeller has an interval.
    """
    gain, low, high = (None, None, None) if found is own else difference(own, found)
    return {
        "name": rival.name,
        "role": rival.role,
        "saw": rival.saw,
        "num_objects": len(found.ious),
        "num_without_mask": found.num_without_mask,
        "mIoU": found.miou,
        "calibration_error": found.calibration_error,
        "seconds": seconds,  # per 1,000 images
        "cost": None if seconds is None or price is None else seconds / 3600 * price,
        "difference": gain,
        "low": low,
        "high": high,
    }

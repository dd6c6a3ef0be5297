"""One training set: strong images with their true masks, weak ones with their pseudo masks.

A pseudo mask that cannot be trusted, and the surroundings of a point without one, become ignore
regions: neither an object to learn nor background.  Corrections by people win.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from upath import UPath

from ray_wssis.artifacts import Artifact, Workspace, read_artifact
from ray_wssis.data.coco.write import CocoWriter
from ray_wssis.data.columns import annotation_ids
from ray_wssis.data.corrections.read import read_corrections
from ray_wssis.data.images.shared import warn_of_shared_images
from ray_wssis.data.records import Records, RecordsWriter
from ray_wssis.data.renumber import id_offset, renumbered_record
from ray_wssis.instance.annotated_folder import read_annotated_folder
from ray_wssis.instance.audit import CALIBRATION, read_quality, read_threshold
from ray_wssis.instance.label_config import MergeConfig
from ray_wssis.instance.merging import Merged, Merging, incomplete
from ray_wssis.instance.proposals.merging import Proposed
from ray_wssis.instance.proposals.stages import Proposals
from ray_wssis.instance.split import REJECTED, STRONG, UNLABELLED, WEAK
from ray_wssis.run import ROWS, Run
from ray_wssis.storage import hash_file
from ray_wssis.streaming.table import RowsById

MERGED = "train.parquet"
logger = logging.getLogger(__name__)


class PseudoLabelled(NamedTuple):
    """Images with pseudo masks, the rows of which are in one folder."""

    records: Records
    merging: Merging
    offset: int = 0  # added to all ids

    def rough(self) -> Iterator[Merged]:
        return map(self.renumbered, self.merging.rough(self.records))

    def refined(self) -> Iterator[Merged]:
        return map(self.renumbered, self.merging.refined(self.records))

    def renumbered(self, merged: Merged) -> Merged:
        if not self.offset:
            return merged
        return replace(merged, record=renumbered_record(merged.record, self.offset))


def merge(
    run: Run,
    data: Artifact,
    labels: Artifact,
    audit: Artifact,
    lineage: Mapping[str, str],
    name: str,
    config: MergeConfig,
    strong_part: str = STRONG,
    proposals: Proposals | None = None,
) -> Artifact:
    """Merge into records to train the student with, `train.parquet`, and the COCO files
    `NAME_sw_refined.json` and `NAME_sw.json` (all rough masks, unjudged) for every other tool.

    `strong_part` names the strong images that the student may learn from, `lineage` what drew the
    pseudo masks; every one of them carries it.  Images that failed or have a rejected point are
    left out: their unlabelled objects would be learnt as background.  `proposals` that are used
    are learnt too; `NAME_sw.json`, of points, is without them.
    """
    origin = {**lineage, "labels": labels.digest[:12]}
    made_from = {
        "split": {part: data.part(part) for part in (strong_part, WEAK, REJECTED)},
        "labels": labels,
        "calibration": audit.part(CALIBRATION),
        "merge": config,
        "corrections": [hash_file(file) for file in config.corrections],
        "annotated": [read_artifact(folder) for folder in config.annotated],
        "lineage": origin,
        "name": name,
    }
    if proposals is not None:
        made_from["proposals"] = [proposals.rows, proposals.chosen]

    def make(stage: Workspace) -> None:
        strong, weak = Records.read(data / strong_part), Records.read(data / WEAK)
        merging = Merging(
            rows=RowsById(labels / ROWS, UPath(WEAK).stem),
            model=read_quality(audit),
            threshold=read_threshold(audit),
            below=config.below,
            corrections=read_corrections(config.corrections, weak),
            lineage=origin,
            incomplete=incomplete(data / REJECTED),
        )
        more = annotated(config.annotated, lineage, strong, weak, merging)
        sources = [PseudoLabelled(weak, merging), *more]
        info = {"description": "true and pseudo masks", "pseudo": origin}
        with CocoWriter(stage / f"{name}_sw.json", weak.categories, info) as rough:
            for record in strong:
                rough.add(record)
            for source in sources:
                for merged in source.rough():
                    rough.add(merged.record, merged.extra)
        with (
            CocoWriter(stage / f"{name}_sw_refined.json", weak.categories, info) as refined,
            RecordsWriter(stage / MERGED, weak.categories) as records,
        ):
            for record in strong:
                refined.add(record)
                records.add(record)
            highest = max(
                annotation_ids(strong).max(initial=0), annotation_ids(weak).max(initial=0)
            )
            for merged in chain.from_iterable(source.refined() for source in sources):
                refined.add(merged.record, merged.extra)
                records.add(merged.record)
                highest = max([highest, *(obj.annotation_id for obj in merged.record.objects)])
            if proposals is not None and proposals.are_used:
                own = proposed(proposals, data, origin)
                for merged in own.merged(int(highest) + 1):
                    refined.add(merged.record, merged.extra)
                    records.add(merged.record)
        for sentence in merging.places.sentences():
            logger.warning(sentence)

    return run.stage("merged", "Merge true and pseudo masks", made_from, make, follows_retry=True)


def proposed(proposals: Proposals, data: Artifact, origin: Mapping[str, str]) -> Proposed:
    return Proposed(
        records=Records.read(data / UNLABELLED),
        rows=RowsById(proposals.rows / ROWS, UPath(UNLABELLED).stem),
        choice=proposals.choice,
        lineage={**origin, "labels": proposals.rows.digest[:12]},
    )


def annotated(
    folders: Sequence[str],
    lineage: Mapping[str, str],
    strong: Records,
    weak: Records,
    merging: Merging,
) -> Iterator[PseudoLabelled]:
    """Read folders that `wssis annotate` made; ids that are taken are moved out of the way."""
    if not folders:
        return
    taken = Records.from_rows(chain(strong, weak), weak.categories)
    for place in folders:
        folder = read_annotated_folder(place, lineage, weak.categories)
        warn_of_shared_images({"training": taken, "annotated": folder.records})
        offset = id_offset(folder.records, taken)
        yield PseudoLabelled(
            folder.records,
            replace(
                merging,
                rows=folder.rows,
                corrections={},
                lineage={**lineage, "labels": folder.digest},
                incomplete=folder.incomplete,
            ),
            offset,
        )
        moved = (renumbered_record(record, offset) for record in folder.records)
        taken = Records.from_rows(chain(taken, moved), weak.categories)

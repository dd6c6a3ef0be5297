"""Images that `wssis annotate` labelled with the networks of a run, to be learnt from too."""

from collections.abc import Mapping
from dataclasses import dataclass

from upath import UPath

from ray_wssis.artifacts import read_artifact, short_hash
from ray_wssis.data.annotated import is_labelled
from ray_wssis.data.records import Category, Records, named
from ray_wssis.instance.merging import incomplete
from ray_wssis.instance.split import REJECTED, WEAK
from ray_wssis.run import ROWS
from ray_wssis.storage import Place
from ray_wssis.streaming.table import RowsById


@dataclass(frozen=True, kw_only=True)
class AnnotatedFolder:
    """Images with points, and the rows of labels that were drawn for them."""

    records: Records  # without masks; images that somebody looked at
    rows: RowsById
    incomplete: set[int]  # ids of images with a point that cannot be used
    digest: str


def read_annotated_folder(
    folder: Place, lineage: Mapping[str, str], categories: tuple[Category, ...]
) -> AnnotatedFolder:
    """Read a folder that `wssis annotate` finished.

    Raises ValueError for another folder, other classes, or labels of other networks than those in
    `lineage`: an expected IoU holds for the networks that were audited.
    """
    artifact = read_artifact(folder)
    for name, digest in lineage.items():
        drawn_by = artifact.manifest["made_from"].get(name, "")
        if short_hash(drawn_by) != digest:
            raise ValueError(
                f"merge.annotated: {folder} was not labelled by the {name} of this run. Label it "
                "again: wssis annotate RUN POINTS --redo"
            )
    records = Records.read(artifact / WEAK)
    if records.categories != categories:
        raise ValueError(
            f"merge.annotated: {folder} has {named(records.categories)}, the run has "
            f"{named(categories)}"
        )
    return AnnotatedFolder(
        records=Records.from_rows(filter(is_labelled, records), categories),
        rows=RowsById(artifact / ROWS, UPath(WEAK).stem),
        incomplete=incomplete(artifact / REJECTED),
        digest=artifact.digest[:12],
    )

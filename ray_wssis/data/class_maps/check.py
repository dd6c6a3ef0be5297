"""A list of everything that is wrong with a data set of class maps and tags."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ray_wssis.data.check.coco import check_file
from ray_wssis.data.class_maps.folder import read_folder
from ray_wssis.data.class_maps.painted import read_painted
from ray_wssis.data.class_maps.tags import Tags, note_contradictions, read_tags
from ray_wssis.data.class_maps.trees import read_tree
from ray_wssis.data.images.facts import Facts, note_facts, read_facts
from ray_wssis.data.images.read import ImageError
from ray_wssis.data.problem import Problem, Problems
from ray_wssis.data.records import Record, Records
from ray_wssis.data.sparse.check import check_sparse_labels
from ray_wssis.data.sparse.coco import coco_files
from ray_wssis.data.sparse.config import SparseLabelsConfig
from ray_wssis.storage import Place

MOST_NAMES = 5  # classes that a finding names


def check_tree(
    root: Place, tags: str | None = None, sparse: SparseLabelsConfig | None = None
) -> list[Problem]:
    """List all problems of a folder that `read_tree` knows, errors first.

    `tags` is a table of tags, `sparse` are files of sparse labels.  Raises ValueError for a folder
    of no known kind, and for a list, table or labels that cannot be read.
    """
    problems = Problems()
    return _check(read_tree(root, problems), tags, sparse, problems)


def check_folder(
    images: Place,
    class_maps: Place,
    classes: str | Sequence[str],
    tags: str | None = None,
    sparse: SparseLabelsConfig | None = None,
) -> list[Problem]:
    """List all problems of a folder of images and one of class maps, errors first.

    `tags` and `sparse` are those of `check_tree`.  Raises ValueError for classes, tags or labels
    that cannot be read.
    """
    problems = Problems()
    return _check(read_folder(images, class_maps, classes, problems), tags, sparse, problems)


def check_painted(
    annotations: str, images: str | None, sparse: SparseLabelsConfig | None
) -> list[Problem]:
    """List all problems of a COCO file, and of sparse labels of its images, errors first.

    Raises ValueError for labels that cannot be read.
    """
    found = check_file(annotations, images)
    if sparse is None or any(problem.severity == "error" for problem in found):
        return found
    problems = Problems()
    others = [file for file in coco_files(sparse) if file != annotations]
    records = read_painted(annotations, images or "", others)
    check_sparse_labels(records, sparse, None, problems)
    problems.found += found
    return problems.worst_first()


def _check(
    records: Records, tags: str | None, sparse: SparseLabelsConfig | None, problems: Problems
) -> list[Problem]:
    _check_images(records, problems)
    _check_classes(records, problems)
    said = None if tags is None else read_tags(tags, records, problems)
    if said is not None:
        note_contradictions(records, said, problems)
    if sparse is not None:
        check_sparse_labels(records, sparse, said, problems)
    elif said is not None:
        _check_untagged(records, said, problems)
    return problems.worst_first()


def _check_images(records: Records, problems: Problems) -> None:
    """Read every image once, on all cores."""

    def look(record: Record) -> Facts | ImageError:
        try:
            return read_facts(record.file, (record.height, record.width))
        except ImageError as error:
            return error

    readable: list[Facts] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for seen in pool.map(look, records):
            if isinstance(seen, ImageError):
                problems.add("error", "image file", seen.file, seen.found, seen.wanted)
            else:
                readable.append(seen)
    note_facts(readable, problems)


def _check_classes(records: Records, problems: Problems) -> None:
    """Report classes that no class map shows."""
    mapped = [record for record in records if record.class_map is not None]
    shown = {label for record in mapped for label in record.tags or ()}
    unseen = [entry.name for label, entry in enumerate(records.categories) if label not in shown]
    if mapped and unseen:
        named = ", ".join([*unseen[:MOST_NAMES], *(["..."] if len(unseen) > MOST_NAMES else [])])
        text = f"{len(unseen)} of {len(records.categories)} classes are in no class map: {named}"
        wanted = "class maps that show them: nothing else teaches a class"
        problems.add("warning", "class without pixels", "classes", text, wanted)


def _check_untagged(records: Records, said: Tags, problems: Problems) -> None:
    """Report images without a class map that are not in the table of tags."""
    weak = [record for record in records if record.class_map is None]
    untagged = [record for record in weak if record.image_id not in said]
    if untagged:
        text = f"{len(untagged)} of {len(weak)} images without a class map have no tags either"
        wanted = "a line in the table of tags: otherwise any class may be there"
        problems.add("warning", "image without tags", untagged[0].file, text, wanted)

"""A look, before any work is given out, at whether all nodes of a cluster see the files of a run.

Workers that find nothing where the driver wrote it fail one after the other, without a hint.
"""

import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from uuid import uuid4

import ray
from upath import UPath

from ray_wssis.nodes import NODE_ANSWERS_WITHIN, ask_nodes
from ray_wssis.session import is_lent
from ray_wssis.storage import is_local, locate, remove

NODE = "ray.io/node-id"  # a label that Ray gives every node

logger = logging.getLogger(__name__)


def check_shared(folder: UPath, image: str = "") -> None:
    """Check that every node of a cluster with several sees a folder of ours, and an image.

    Nodes that do not answer are named in a warning.  Raises ValueError, naming the nodes that do
    not see what this process sees.
    """
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if not is_lent() or len(nodes) < 2:
        return
    ids = frozenset(nodes)
    if is_local(folder):
        _check(folder.path, ids, is_folder=True)
    if image and is_local(locate(image)) and Path(locate(image).path).exists():
        _check(str(Path(locate(image).path).parent), ids, is_folder=False)


@cache
def _check(place: str, ids: frozenset[str], *, is_folder: bool) -> None:
    """Check a place once for each set of nodes."""
    nodes = {x["NodeID"]: x["NodeManagerAddress"] for x in ray.nodes() if x["NodeID"] in ids}
    file = UPath(place)
    if is_folder:
        file.mkdir(parents=True, exist_ok=True)
        file = file / f".seen-{uuid4().hex}"
        file.write_bytes(b"?")
    try:
        seen = ask(nodes, file.path)
    finally:
        if is_folder:
            remove(file)
    if blind := sorted(nodes[node] for node, sees in seen.items() if sees is False):
        what = "files that are written to" if is_folder else "the images in"
        raise ValueError(
            f"{len(blind)} of {len(nodes)} nodes ({', '.join(blind)}) do not see {what} {place}: "
            "mount the shared file system at the same path on every node, or use a bucket"
        )


def ask(nodes: Mapping[str, str], file: str) -> dict[str, bool | None]:
    """Ask nodes, given as addresses by id, whether they see a file; some may not answer.

    None: a process cannot be started there.
    """

    def sees(file: str) -> bool:
        return Path(file).exists()

    answers = ask_nodes(nodes, sees, file)
    for node, why in answers.refused.items():
        logger.warning("node %s starts no processes (%s): others work", nodes[node], why)
    for node in answers.silent:
        logger.warning(
            "node %s did not start a process within %.0f s: its work goes to others",
            nodes[node],
            NODE_ANSWERS_WITHIN,
        )
    return {**answers.given, **dict.fromkeys(answers.refused)}


def working_nodes() -> dict[str, str]:
    """Return a label selector of Ray's for the nodes that start processes; empty: all of them do.

    One does not if its disk is full, for instance.  Each is named in a warning.  Raises ValueError
    if there is no other.
    """
    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if not is_lent() or len(nodes) < 2:
        return {}
    broken = sorted(node for node, sees in ask(nodes, "/").items() if sees is None)
    if len(broken) == len(nodes):
        raise ValueError(f"no node starts processes ({', '.join(nodes.values())}): are disks full?")
    return {NODE: f"!in({', '.join(broken)})"} if broken else {}

"""Artifacts: what a stage makes, in a folder of its own, with a note of what it was made from.

The folder may be local or any URI.  A stage writes `started.json` first and `manifest.json` last,
so an artifact with a manifest is whole.  Opening a finished stage skips it; an interrupted one
continues in place; one that was made from something else is refused, never reused.

    stage = open_stage(out / "teacher", {"teacher": config, "split": split}, seed=0)
    if isinstance(stage, Workspace):
        train(..., stage / "model")
        stage = stage.finish()
    return stage

`ray_wssis.run` does this for the stages of a recipe.
"""

import functools
import hashlib
import importlib.metadata
import json
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel
from upath import UPath

from ray_wssis.one_command import LOCK
from ray_wssis.staleness import FORMAT, name_some, objection, too_old
from ray_wssis.storage import (
    Place,
    files_under,
    hash_file,
    is_local,
    locate,
    names_in,
    remove,
    write_atomically,
)

STARTED, MANIFEST = "started.json", "manifest.json"
DRAFTS = {f".{STARTED}.draft", f".{MANIFEST}.draft"}  # what a kill may leave of the two
NO_CONTENT = {*DRAFTS, LOCK}  # of a folder that no stage has begun

logger = logging.getLogger(__name__)


class StaleArtifact(ValueError):
    """A folder holds something that was made from something else."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file or folder of an artifact, with the hash that stands for it.

    A stage that is made from a part alone does not mind if other parts change.
    """

    path: UPath
    digest: str


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A finished folder.  `artifact / "model"` is what is in it."""

    folder: UPath
    manifest: dict[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 over what it was made from and what it holds, except for its logs."""
        return str(self.manifest["digest"])

    def hash_of(self, name: str) -> str:
        """Return the SHA-256 of one of its files, or the one over the files of a folder in it."""
        lasting = self.manifest["outputs"]
        inside = {file: lasting[file] for file in lasting if _is_under(file, [name])}
        if not inside:
            raise ValueError(f"{self.folder} has no {name}")
        return hash_of_values(inside)

    def part(self, name: str) -> Part:
        """Return one of its files or folders, for a stage that is made from this alone."""
        return Part(path=self.folder / name, digest=self.hash_of(name))

    def __truediv__(self, name: str) -> UPath:
        return self.folder / name


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A folder in which a stage is at work.  `workspace / "model"` is where to write."""

    folder: UPath
    says: str  # what the stage does, in a sentence for people
    made_from: dict[str, Any]  # plain JSON values
    seed: int | None
    started: str  # UTC, ISO 8601; of the first attempt
    resumed: bool  # an earlier attempt may have left something here to go on from
    clock: float  # time.monotonic() at the start of this attempt

    def __truediv__(self, name: str) -> UPath:
        return self.folder / name

    def finish(self, *, logs: Sequence[str] = ()) -> Artifact:
        """Hash what is in the folder and write the manifest, the last thing a stage does.

        `logs` are files and folders (relative, as `metrics.jsonl`, `tensorboard`) that differ from
        run to run, because they tell times or chance gave them names: listed in the manifest
        without a hash, left out of the digest.
        """
        names = _outputs(self.folder)
        lasting = {
            name: hash_file(self.folder / name) for name in names if not _is_under(name, logs)
        }
        outputs = {name: lasting.get(name) for name in names}
        facts = {"made_from": self.made_from, "seed": self.seed, "outputs": lasting}
        manifest = {
            "format": FORMAT,
            "stage": self.folder.name,
            "says": self.says,
            "made_from": self.made_from,
            "code_version": code_version(),
            "seed": self.seed,
            "started": self.started,
            "seconds": round(time.monotonic() - self.clock, 3),  # of the attempt that finished
            "outputs": outputs,
            "digest": hashlib.sha256(_json(facts).encode()).hexdigest(),
        }
        write_atomically(self.folder / MANIFEST, _json(manifest).encode())
        numbers = {"stage": self.folder.name, "seconds": manifest["seconds"]}
        logger.info("%s: done in %.0f s", self.folder.name, manifest["seconds"], extra=numbers)
        return Artifact(folder=self.folder, manifest=manifest)


def open_stage(
    folder: Place,
    made_from: Mapping[str, Any],
    *,
    says: str = "",
    redo: bool = False,
    progress: Collection[str] = (),
    reopen: bool = False,
    keep: Collection[str] = (),
    seed: int | None = None,
) -> Artifact | Workspace:
    """Return the finished artifact in `folder`, or the workspace in which to make it.

    `made_from` is everything that decides the result; its values may be plain, configurations,
    artifacts and parts of them (which stand for their digests).  A folder that was made from other
    values is refused with `StaleArtifact`, or with `redo` emptied; one that fits is kept, with and
    without `redo`.  The remains of an interrupted attempt are kept too, and refused only if there
    is progress among them: files that match one of the patterns `progress`, in which hours of work
    may be.  When a folder is emptied, the folders `keep` in it stay, for a stage that can tell
    which of their content is still valid.  With `reopen` a finished artifact
    becomes a workspace again.  `says` is a sentence about the stage, for the manifest.
    """
    place = locate(folder)
    if place.is_file():
        raise ValueError(f"{place} is a file, not a folder. Use another --out.")
    wanted = {"format": FORMAT, "made_from": plain(made_from), "seed": seed}
    manifest = _read_note(place / MANIFEST, "digest", "made_from", "seed", "outputs")
    started = _read_note(place / STARTED, "made_from", "seed", "started")
    if not manifest and not started and (here := set(names_in(place)) - NO_CONTENT):
        if STARTED not in here:
            raise ValueError(
                f"{place} holds {name_some(here)}, which no stage of ray-wssis made, so nothing is "
                "written there. Use another --out, or move that away."
            )
        _empty(place, keep)  # ours, but nobody can tell what it was made from
    outputs = _outputs(place)
    if reason := objection(manifest, started, wanted, outputs):
        if not redo and (manifest or _matching(outputs, progress)):
            raise StaleArtifact(
                f"{place} {reason}. Use another --out, or pass --redo to remake it."
            )
        _empty(place, keep)
        manifest = started = None
    if manifest and reopen:
        remove(place / MANIFEST)
        manifest = None
    if manifest:
        logger.info("%s: nothing to do, already finished", place.name, extra={"stage": place.name})
        return Artifact(folder=place, manifest=manifest)
    how = "continues" if started else "starts"
    detail = f": {says}" if says else ""
    logger.info("%s %s%s", place.name, how, detail, extra={"stage": place.name})
    return _begin(place, wanted, started, says)


def read_artifact(folder: Place) -> Artifact:
    """Return the finished artifact in `folder`, whatever it was made from.

    Raises ValueError if there is none, and StaleArtifact if an earlier version made it.
    """
    place = locate(folder)
    manifest = _read_note(place / MANIFEST, "digest", "made_from", "seed", "outputs")
    if manifest is None:
        raise ValueError(f"{place} holds no finished artifact: it has no usable {MANIFEST}")
    if manifest.get("format") != FORMAT:
        raise StaleArtifact(f"{place} {too_old(manifest)}. Make the run again with this version.")
    return Artifact(folder=place, manifest=manifest)


@functools.cache
def code_version() -> str:
    """Return the version of this package and a short hash over its sources, to tell edits apart."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for file in sorted(package.rglob("*.py")):
        digest.update(f"{file.relative_to(package).as_posix()}\0".encode() + file.read_bytes())
    try:
        version = importlib.metadata.version("ray-wssis")
    except importlib.metadata.PackageNotFoundError:  # run from a copied folder, as in a Ray job
        version = "0"
    return f"{version}+{digest.hexdigest()[:12]}"


def hash_of_values(value: Any) -> str:
    """Return the SHA-256 over plain values, configurations and artifacts."""
    return "sha256:" + hashlib.sha256(_json(value).encode()).hexdigest()


def short_hash(digest: str) -> str:
    """Return the first digits of a hash: enough to tell one model from another."""
    return digest.removeprefix("sha256:")[:12]


def plain(value: Any) -> Any:
    """Convert to plain JSON values: configurations to mappings, artifacts to their digests."""
    return json.loads(_json(value))


def _begin(
    place: UPath, wanted: dict[str, Any], started: dict[str, Any] | None, says: str
) -> Workspace:
    resumed = started is not None
    if started is None:
        started = wanted | {"started": datetime.now(UTC).isoformat(timespec="milliseconds")}
        if is_local(place):
            place.mkdir(parents=True, exist_ok=True)
        write_atomically(place / STARTED, _json(started).encode())
    return Workspace(
        folder=place,
        says=says,
        made_from=wanted["made_from"],
        seed=wanted["seed"],
        started=started["started"],
        resumed=resumed,
        clock=time.monotonic(),
    )


def _read_note(file: UPath, *keys: str) -> dict[str, Any] | None:
    """Read the note in `file`; None if there is none, with a warning if it is not usable."""
    try:
        note = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:  # neither JSON nor text
        note = None
    if isinstance(note, dict) and all(key in note for key in keys):
        return note
    logger.warning("%s is incomplete, so %s counts as unfinished", file, file.parent)
    return None


def _outputs(folder: UPath) -> list[str]:
    """List the relative paths of all files in `folder` except the notes about it."""
    return [name for name in files_under(folder) if not _is_note(name)]


def _empty(folder: UPath, keep: Collection[str] = ()) -> None:
    """Remove everything in `folder` but `keep`.  If this is killed half-way, the next `open_stage`
    empties the folder again."""
    write_atomically(folder / STARTED, b"{}")
    for name in sorted(names_in(folder), key=lambda name: name != MANIFEST):  # manifest first
        if name not in (STARTED, LOCK) and name not in keep:
            remove(folder / name)


def _is_note(name: str) -> bool:
    return name in (STARTED, MANIFEST) or name in NO_CONTENT


def _is_under(name: str, places: Sequence[str]) -> bool:
    return any(PurePath(name).is_relative_to(place) for place in places)


def _matching(names: Collection[str], patterns: Collection[str]) -> bool:
    return any(fnmatch(name, pattern) for name in names for pattern in patterns)


def _json(value: Any) -> str:
    return json.dumps(value, default=_plain, indent=1, sort_keys=True, allow_nan=False)


def _plain(value: object) -> Any:
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case Artifact():
            return f"sha256:{value.digest}"
        case Part():
            return value.digest
        case PurePath() | UPath():
            return str(value)
    raise TypeError(f"{value!r} cannot be noted as something that an artifact was made from")

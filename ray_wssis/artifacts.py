"""Artifacts: what a stage makes, in a folder of its own, with a note of what it was made from.

The folder may be local or any URI.  A stage writes `started.json` first and `manifest.json` last,
so an artifact with a manifest is whole.  Opening a stage that is finished skips it; one that was
interrupted goes on in place; one that was made from something else is refused, never reused.

    stage = open_stage(out / "teacher", {"teacher": config, "split": split}, seed=0)
    if isinstance(stage, Workspace):
        train(..., stage / "model")
        stage = stage.finish()
    return stage
"""

import functools
import hashlib
import importlib.metadata
import json
import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel
from upath import UPath

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
MOST_DIFFERENCES = 5  # named in an error
LONGEST_VALUE = 60  # characters of a value in an error

logger = logging.getLogger(__name__)


class StaleArtifact(ValueError):
    """There is something in the folder, and it was made from something else."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A finished folder.  `artifact / "model"` is what is in it."""

    folder: UPath
    manifest: dict[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 over what it was made from and what came out (but not over its logs)."""
        return str(self.manifest["digest"])

    def hash_of(self, name: str) -> str:
        """SHA-256 of one of its files, or over those of a folder in it.

        For a stage that is made from this part alone: others may then change.
        """
        lasting = self.manifest["outputs"]
        inside = {file: lasting[file] for file in lasting if _is_under(file, [name])}
        if not inside:
            raise ValueError(f"{self.folder} has no {name}")
        return hash_of_values(inside)

    def __truediv__(self, name: str) -> UPath:
        return self.folder / name


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A folder in which a stage is at work.  `workspace / "model"` is where to write."""

    folder: UPath
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
            "stage": self.folder.name,
            "made_from": self.made_from,
            "code_version": code_version(),
            "seed": self.seed,
            "started": self.started,
            "seconds": round(time.monotonic() - self.clock, 3),  # of the attempt that finished
            "outputs": outputs,
            "digest": hashlib.sha256(_json(facts).encode()).hexdigest(),
        }
        write_atomically(self.folder / MANIFEST, _json(manifest).encode())
        said = {"stage": self.folder.name, "seconds": manifest["seconds"]}
        logger.info("%s: done in %.0f s", self.folder.name, manifest["seconds"], extra=said)
        return Artifact(folder=self.folder, manifest=manifest)


def open_stage(
    folder: Place,
    made_from: Mapping[str, Any],
    *,
    redo: bool = False,
    resume: bool = True,
    reopen: bool = False,
    keep: Collection[str] = (),
    seed: int | None = None,
) -> Artifact | Workspace:
    """The finished artifact in `folder`, or the workspace in which to make it.

    `made_from` is everything that decides what comes out; values may be plain, configurations and
    artifacts (which stand for their digest).  What is there from other values is refused with
    `StaleArtifact`, or with `redo` thrown away; what fits is kept, with and without `redo`.
    What an interrupted attempt left is kept too, unless the stage cannot go on from it (`resume`).
    Of what is thrown away the folders `keep` stay, for a stage that can tell what in them still
    holds.  With `reopen` a finished artifact becomes a workspace again.
    """
    place = locate(folder)
    if place.is_file():
        raise ValueError(f"{place} is a file. Use another --out: a folder is wanted.")
    wanted = {"made_from": plain(made_from), "seed": seed}
    manifest = _read_note(place / MANIFEST, "digest", "made_from", "seed", "outputs")
    started = _read_note(place / STARTED, "made_from", "seed", "started")
    if not manifest and not started and (here := set(names_in(place)) - DRAFTS):
        if STARTED not in here:
            raise ValueError(
                f"{place} holds {_some(here)} that no stage of ours made, so nothing is written "
                "there. Use another --out, or move that away."
            )
        _empty(place, keep)  # ours, but nobody can tell what it was made from
    if objection := _objection(place, manifest, started, wanted):
        if not redo:
            raise StaleArtifact(
                f"{place} {objection}. Use another --out, or pass --redo to make it again."
            )
        _empty(place, keep)
        manifest = started = None
    if manifest and reopen:
        remove(place / MANIFEST)
        manifest = None
    if started and not manifest and not resume:
        _empty(place)
        started = None
    if manifest:
        logger.info("%s: nothing to do, done before", place.name, extra={"stage": place.name})
        return Artifact(folder=place, manifest=manifest)
    how = "goes on" if started else "begins"
    logger.info("%s: %s", place.name, how, extra={"stage": place.name})
    return _begin(place, wanted, started)


def read_artifact(folder: Place) -> Artifact:
    """The finished artifact in `folder`, whatever it was made from."""
    place = locate(folder)
    manifest = _read_note(place / MANIFEST, "digest", "made_from", "seed", "outputs")
    if manifest is None:
        raise ValueError(f"{place} holds no finished artifact: it has no usable {MANIFEST}")
    return Artifact(folder=place, manifest=manifest)


@functools.cache
def code_version() -> str:
    """The version of this package and a short hash over its sources, which tells edits apart."""
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
    """SHA-256 of plain values, configurations and artifacts."""
    return "sha256:" + hashlib.sha256(_json(value).encode()).hexdigest()


def short_hash(digest: str) -> str:
    """The first digits of a hash: enough to tell one model from another."""
    return digest.removeprefix("sha256:")[:12]


def plain(value: Any) -> Any:
    """`value` as plain JSON values: configurations as mappings, artifacts as their digests."""
    return json.loads(_json(value))


def _begin(place: UPath, wanted: dict[str, Any], started: dict[str, Any] | None) -> Workspace:
    resumed = started is not None
    if started is None:
        started = wanted | {"started": datetime.now(UTC).isoformat(timespec="seconds")}
        if is_local(place):
            place.mkdir(parents=True, exist_ok=True)
        write_atomically(place / STARTED, _json(started).encode())
    return Workspace(
        folder=place,
        made_from=wanted["made_from"],
        seed=wanted["seed"],
        started=started["started"],
        resumed=resumed,
        clock=time.monotonic(),
    )


def _objection(
    place: UPath,
    manifest: dict[str, Any] | None,
    started: dict[str, Any] | None,
    wanted: dict[str, Any],
) -> str:
    """Why what is in `place` is not what is wanted, to follow its name; empty when it fits."""
    past = manifest or started
    if past is None:
        return ""
    differences = list(_differences({key: past[key] for key in wanted}, wanted))
    if differences:
        named = "; ".join(differences[:MOST_DIFFERENCES])
        more = len(differences) - MOST_DIFFERENCES
        return f"was made with {named}" + (f"; and {more} more" if more > 0 else "")
    gone = sorted(set(manifest["outputs"]) - set(_outputs(place))) if manifest else []
    return f"is finished, but {_some(gone)} is gone from it" if gone else ""


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """`a.b = 1, now 2` for every value that is not the same."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    for key in before | after:
        if key not in before or key not in after or before[key] != after[key]:
            name = key.removeprefix("made_from.")
            yield f"{name} = {_shown(before, key)}, now {_shown(after, key)}"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is not a mapping, with its dotted path."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    else:
        yield path, value


def _shown(values: dict[str, Any], key: str) -> str:
    if key not in values:
        return "(absent)"
    text = json.dumps(values[key], ensure_ascii=False)
    if text.startswith('"sha256:'):
        return text.strip('"')[:19]
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _some(names: Collection[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _read_note(file: UPath, *keys: str) -> dict[str, Any] | None:
    """The note in `file`; None, with a warning when it is there but not usable."""
    try:
        note = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:  # neither JSON nor text
        note = None
    if isinstance(note, dict) and all(key in note for key in keys):
        return note
    logger.warning("%s was not written to its end: %s counts as unfinished", file, file.parent)
    return None


def _outputs(folder: UPath) -> list[str]:
    """Relative paths of all files in `folder` except the notes about it."""
    return [name for name in files_under(folder) if not _is_note(name)]


def _empty(folder: UPath, keep: Collection[str] = ()) -> None:
    """Remove everything in `folder` but `keep`; killed half-way, the next `open_stage` empties it
    again."""
    write_atomically(folder / STARTED, b"{}")
    for name in sorted(names_in(folder), key=lambda name: name != MANIFEST):  # manifest first
        if name != STARTED and name not in keep:
            remove(folder / name)


def _is_note(name: str) -> bool:
    return name in (STARTED, MANIFEST) or name in DRAFTS


def _is_under(name: str, places: Sequence[str]) -> bool:
    return any(PurePath(name).is_relative_to(place) for place in places)


def _json(value: Any) -> str:
    return json.dumps(value, default=_plain, indent=1, sort_keys=True, allow_nan=False)


def _plain(value: object) -> Any:
    match value:
        case BaseModel():
            return value.model_dump(mode="json")
        case Artifact():
            return f"sha256:{value.digest}"
        case PurePath() | UPath():
            return str(value)
    raise TypeError(f"{value!r} cannot stand in the note of what an artifact was made from")

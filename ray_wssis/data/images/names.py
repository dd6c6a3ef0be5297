"""Names of images in somebody's file, and the files of a folder that they mean.

A name that is the name of a file stays as it is.  Others were written by another machine or tool:
with backslashes, `%20`, another Unicode form or case, folders of that machine in front, without the
extension, or with the prefix that Label Studio gives to uploads.  Such a name is taken for the one
file that it can mean; where it could mean two, or none, it is lost, and the reason says so.

A folder is listed only when a name is not found as it stands, and then once.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from posixpath import splitext
from typing import NamedTuple
from urllib.parse import unquote

from upath import UPath

from ray_wssis.data.images.listing import list_files, missing_names, nearest_files

NO_FILE = "there is no such file"
NUM_HINTS = 10  # lost names for which the nearest file is looked up

IMAGE_SUFFIXES = {
    *(".apng", ".avif", ".bmp", ".dib", ".gif", ".j2k", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg"),
    *(".mpo", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp"),
}
SAME_SUFFIX = {".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg", ".tiff": ".tif"}

UPLOAD = re.compile(r"(?!(19|20)\d{6})[0-9a-f]{8}-(?=.)")  # prefix by Label Studio, no date
ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:[/\\]|\w+://")
LOCAL_FILE = re.compile(r".*[?&]d=")  # in Label Studio's address of a local file


@dataclass(frozen=True, kw_only=True)
class Found:
    """File that a name means."""

    file: str  # relative to the folder
    differs: str  # in what from the name


@dataclass(frozen=True, kw_only=True)
class Lost:
    """Reason why a name means no file, and advice."""

    found: str
    wanted: str  # nothing, where there is none


@dataclass(frozen=True, kw_only=True)
class Names:
    """Names of images that are not those of files; all the others stand."""

    images: str  # the folder
    num_names: int
    found: dict[str, Found] = field(default_factory=dict)  # by name
    lost: dict[str, Lost] = field(default_factory=dict)  # by name

    def file(self, name: str) -> str:
        """Return the name of the file, which may be `name` itself."""
        return self.found[name].file if name in self.found else name

    def summary(self) -> str:
        """Say in a sentence which names are read as others; there must be one."""
        kinds = Counter(found.differs for found in self.found.values())
        name, first = next(iter(self.found.items()))
        return (
            f"{len(self.found)} of {self.num_names} image names are read as files under "
            f"{self.images} that differ in {', '.join(kinds)}: {name!r:.200} is {first.file!r:.200}"
        )

    def complaint(self) -> str:
        """Say in a sentence which names mean no file; there must be one."""
        name, first = next(iter(self.lost.items()))
        return (
            f"{len(self.lost)} of {self.num_names} images are not under {self.images}, the first "
            f"is {name!r:.200} ({first.found}); {first.wanted or 'check the images folder'}"
        )


def locate_images(images: str | UPath, names: Iterable[str]) -> Names:
    """Find the files of images under the folder `images`; without a folder all names stand.

    Absolute names and URIs of files that exist stand too.  Two names never mean one file: then
    both are lost, unless one of them stands.
    """
    folder, wanted = str(images), list(dict.fromkeys(names))
    if not folder:
        return Names(images=folder, num_names=len(wanted))
    remote = {name for name in wanted if "://" in name and not name.startswith("file://")}
    missing = missing_names(folder, [name for name in wanted if name not in remote])
    missing += [name for name in wanted if name in remote and name.startswith("http")]
    names_of = _found(folder, wanted, missing)
    users = Counter(found.file for found in names_of.found.values())
    users.update(set(wanted).difference(missing).intersection(users))
    for name, found in list(names_of.found.items()):
        if users[found.file] > 1:
            del names_of.found[name]
            names_of.lost[name] = Lost(
                found=f"another image uses {found.file!r:.200} too", wanted="a file for each name"
            )
    for name in remote:  # perhaps not copied to the folder, but where it says
        names_of.lost.pop(name, None)
    return names_of


def locate_exports(images: str | UPath, names: Iterable[str]) -> Names:
    """Find the files of images of a labelling tool under the folder `images`.

    Every file found is in the folder: absolute names are those of another machine, and count with
    as many of their folders as there are here.  Several names may mean one file.
    """
    folder, wanted = str(images), list(dict.fromkeys(names))
    inside = [name for name in wanted if not is_absolute(name) and _written(name) == name]
    missing = set(missing_names(folder, inside))
    missing.update(set(wanted).difference(inside))
    return _found(folder, wanted, [name for name in wanted if name in missing])


def locate_among(files: Sequence[str], names: Iterable[str]) -> Names:
    """Find the ones among `files` that names mean; a name may leave out folders in front.

    Several names may mean one file.
    """
    wanted, there = list(dict.fromkeys(names)), set(files)
    return _among(files, "", wanted, [name for name in wanted if name not in there])


def is_absolute(name: str) -> bool:
    """Tell whether a name does not depend on a folder, be it on this machine or another."""
    return bool(ABSOLUTE.match(name))


def same_image(one: str, other: str) -> bool:
    """Tell whether two names may be those of one file, in whatever folders."""
    tails = [_spelled(_path(name)).rpartition("/")[2] for name in (one, other)]
    return bool(_search(tails[:1], tails[1:]))


def _found(folder: str, wanted: Sequence[str], missing: Sequence[str]) -> Names:
    """Look for missing names in the list of all files; nothing is lost in an empty folder."""
    files = list_files(folder) if missing else []
    if not files:  # whoever reads an image says that its file is missing
        return Names(images=folder, num_names=len(wanted))
    return _among(files, folder, wanted, missing)


def _among(
    files: Sequence[str], folder: str, wanted: Sequence[str], missing: Sequence[str]
) -> Names:
    """Look for missing names in a list of files."""
    fitting = _search(missing, files)
    near = nearest_files([name for name in missing if name not in fitting][:NUM_HINTS], files)
    found, lost = {}, {}
    for name in missing:
        differs, candidates = fitting.get(name, ("", []))
        if candidates == [name]:
            continue  # a link to nothing: whoever reads it says so
        if len(candidates) == 1:
            found[name] = Found(file=candidates[0], differs=differs)
        else:
            lost[name] = _reason(candidates, near.get(name))
    for name in _beside(found, set(wanted).difference(missing), set(files)):
        lost[name] = Lost(
            found=f"it is only in {found.pop(name).file!r:.200}, a folder with the names of others",
            wanted="the image, or the folder of the images alone",
        )
    return Names(images=folder, num_names=len(wanted), found=found, lost=lost)


def _beside(found: Mapping[str, Found], standing: Iterable[str], files: set[str]) -> list[str]:
    """Return the names that were found beside the images, as in a folder of masks.

    Such a folder has files with the names of images that are in another one.
    """
    folders: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    placed = {name: each.file for name, each in found.items()} | {name: name for name in standing}
    for name, file in placed.items():
        parent = _spelled(_path(name)).rpartition("/")[0]
        folders[parent][file.rpartition("/")[0]].append(name)
    beside = []
    for inside in folders.values():
        for place, names in inside.items() if len(inside) > 1 else ():
            others = (placed[each] for other in inside if other != place for each in inside[other])
            tails = (file.rpartition("/")[2] for file in others)
            if any((f"{place}/{tail}" if place else tail) in files for tail in tails):
                beside += [name for name in names if name in found]
    return beside


def _reason(candidates: list[str], nearest: str | None) -> Lost:
    """Say why a name is lost that fits no file, or several."""
    if candidates:
        found = f"it could be {candidates[0]!r:.200} or {candidates[1]!r:.200}"
        return Lost(found=found, wanted="a name that fits one of them")
    return Lost(found=NO_FILE, wanted=f"the nearest is {nearest!r:.200}" if nearest else "")


def _search(names: Sequence[str], files: Sequence[str]) -> dict[str, tuple[str, list[str]]]:
    """Find the files that each name fits, and in what they differ; names that fit none are absent.

    The first step in which there are any decides.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    for step in STEPS:
        left = [name for name in names if name not in found]
        for name, fitting in _fitting(left, files, step).items():
            found[name] = step.differs, fitting
    return found


def _fitting(names: Sequence[str], files: Sequence[str], step: "_Step") -> dict[str, list[str]]:
    """Return the files that each name fits in this step, where there are any.

    They are those whose paths end like the name, in as many parts as possible.  Files in other
    folders than the name says are left out, unless its folders are those of another machine; a
    file at the top is preferred to those in folders below.
    """
    keys = {name: key for name in names if (key := step.of_name(_path(name))) is not None}
    wanted = {key.rpartition("/")[2] for key in keys.values()}
    whole: dict[str, list[str]] = defaultdict(list)  # files by path
    ends: dict[str, list[str]] = defaultdict(list)  # files by each end of their paths, at most two
    for file in files:
        if step.of_file(file.rpartition("/")[2]) in wanted:
            parts = (step.of_file(file) or "").split("/")
            whole["/".join(parts)].append(file)
            for start in range(len(parts)):
                if len(same := ends["/".join(parts[start:])]) < 2:
                    same.append(file)
    found: dict[str, list[str]] = {}
    for name, key in keys.items():
        parts = key.split("/")
        for start in range(len(parts)):
            end = "/".join(parts[start:])
            below = ends.get(end) if start == 0 or is_absolute(name) else None
            if fits := whole.get(end) or below:
                found[name] = fits
                break
    return found


def _path(name: str) -> str:
    """Return the path in a name, which may be an address."""
    if LOCAL_FILE.match(name):
        return LOCAL_FILE.sub("", name)
    if "://" in name:
        return name.partition("://")[2].partition("?")[0]
    return name


def _written(path: str) -> str:
    """Return a path as it is, without `.` and `..`."""
    return "/".join(part for part in path.split("/") if part.strip("."))


def _spelled(path: str) -> str:
    """Return a path with slashes, without codes like `%20`, composed letters as one character."""
    text = unquote(unquote(path)).replace("\\", "/").strip()  # some tools encode twice
    return _written(text if text.isascii() else unicodedata.normalize("NFC", text))


def _folded(path: str) -> str:
    """Return a spelled path in lower case, suffixes of one format alike."""
    stem, suffix = _cut(_spelled(path).casefold())
    return stem + SAME_SUFFIX.get(suffix, suffix)


def _uploaded(path: str) -> str:
    """Return a folded path whose last part has the characters that an upload keeps."""
    folder, slash, tail = _folded(path).rpartition("/")
    return folder + slash + re.sub(r"[^-\w.]", "", tail.replace(" ", "_"))


def _without_upload(path: str) -> str | None:
    """Return an uploaded path without the prefix of its last part; None without a prefix."""
    folder, slash, tail = _uploaded(path).rpartition("/")
    return folder + slash + UPLOAD.sub("", tail) if UPLOAD.match(tail) else None


def _without_suffix(path: str) -> str | None:
    """Return a folded path without the suffix of an image; None without one."""
    stem, suffix = _cut(_folded(path))
    return stem if suffix else None


def _lacks_suffix(path: str) -> str | None:
    """Return a folded path; None with the suffix of an image."""
    folded = _folded(path)
    return None if _cut(folded)[1] else folded


def _cut(path: str) -> tuple[str, str]:
    """Cut the suffix of an image off a path in lower case."""
    stem, suffix = splitext(path)
    return (stem, suffix) if suffix in IMAGE_SUFFIXES else (path, "")


class _Step(NamedTuple):
    """Forms in which names and files are compared; None leaves one out."""

    differs: str  # for messages
    of_name: Callable[[str], str | None]
    of_file: Callable[[str], str | None]


STEPS = (
    _Step("the folders in front", _written, _written),
    _Step("spelling (backslashes, %20, Unicode form)", _spelled, _spelled),
    _Step("upper and lower case", _folded, _folded),
    _Step("the prefix of an upload", _without_upload, _uploaded),
    _Step("the prefix of an upload", _uploaded, _without_upload),
    _Step("the suffix", _lacks_suffix, _without_suffix),
    _Step("the suffix", _without_suffix, _lacks_suffix),
)

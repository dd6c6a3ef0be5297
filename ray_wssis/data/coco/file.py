"""The JSON of a COCO file, or a sentence about what is there instead."""

import json
from collections.abc import Callable
from typing import Any

from upath import UPath

from ray_wssis.data.coco.entries import BLOCK, Entries, walk_lists

LISTS = ("images", "annotations", "categories")
BEGINS = {  # first bytes of files that are given by mistake
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"II*\0": "an image",
    b"MM\0*": "an image",
    b"BM": "an image",
    b"GIF8": "an image",
    b"RIFF": "an image",
    b"PK": "a ZIP archive, which must be unpacked",
    b"\x1f\x8b": "a gzip file, which must be unpacked",
    b"<": "XML (`wssis data import` reads exports of CVAT)",
    b"%PDF": "a PDF",
    b"PAR1": "a Parquet file",
}
MOST_NAMES = 5


def load_json(uri: str | UPath) -> dict[str, Any]:
    """Parse a COCO file.  Raises ValueError when it is missing, no JSON or no COCO file."""
    data = parse_json(uri)
    check_lists(data, uri)
    checked: dict[str, Any] = data
    return checked


def open_coco(uri: str | UPath) -> dict[str, Any]:
    """Read through a COCO file, and return its lists as `Entries`, which stay in the file.

    Raises ValueError as `load_json`.
    """
    data = _parsed(uri, walk_lists)
    check_lists(data, uri)
    checked: dict[str, Any] = data
    return checked


def check_lists(data: Any, uri: str | UPath) -> None:
    """Raise ValueError, saying what is there, for JSON that is no COCO file."""
    if isinstance(data, dict) and all(isinstance(data.get(key), list | Entries) for key in LISTS):
        return
    wanted = "a COCO file has lists `images`, `annotations`, `categories`"
    if not isinstance(data, dict):
        raise ValueError(f"{uri}: {wanted}, this file is {_named(data)}")
    odd = [f"`{key}` is {_named(data[key])}" for key in LISTS if key in data]
    odd = [text for text in odd if not text.endswith(" a list")]
    missing = [f"`{key}` is missing" for key in LISTS if key not in data]
    way_on = "; `wssis data fix IN OUT` makes lists of mappings" if odd else ""
    if len(missing) == len(LISTS):
        missing = [f"this one has {', '.join(f'`{key}`' for key in list(data)[:MOST_NAMES])}"]
        missing = missing if data else ["this one is empty"]
    raise ValueError(f"{uri}: {wanted}; {', '.join(odd + missing)}{way_on}")


def parse_json(uri: str | UPath) -> Any:
    """Parse a JSON file.  Raises ValueError, saying what is there, for anything else."""
    return _parsed(uri, lambda file: json.loads(file.read_bytes()))


def _parsed(uri: str | UPath, parse: Callable[[UPath], Any]) -> Any:
    file = UPath(uri)
    try:
        return parse(file)
    except FileNotFoundError as error:
        raise ValueError(f"{uri}: there is no such annotation file") from error
    except OSError as error:
        if file.is_dir():
            raise ValueError(f"{uri}: this is a folder, {_json_files(file)}") from error
        raise ValueError(f"{uri}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        with file.open("rb") as stream:
            begin = stream.read(BLOCK)
        what = next((what for magic, what in BEGINS.items() if begin.startswith(magic)), None)
        found = f"this is {what}" if what else f"{error}"
        found = found if begin.strip() else "the file is empty"
        raise ValueError(f"{uri}: not a JSON file ({found}); a COCO file is needed") from error


def _json_files(folder: UPath) -> str:
    """Name the JSON files in a folder, and in the folders in it."""
    names = sorted(file.name for file in folder.glob("*.json"))
    names += sorted(f"{file.parent.name}/{file.name}" for file in folder.glob("*/*.json"))
    if not names:
        return "and no JSON file is in it; a COCO file is needed"
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return f"the COCO file is needed: is it {', '.join(names[:MOST_NAMES])}{more}?"


def _named(value: Any) -> str:
    if value is None:
        return "null"
    names = {
        dict: "a mapping",
        list: "a list",
        Entries: "a list",
        str: "a text",
        bool: "true or false",
    }
    return names.get(type(value), "a number")

"""Images by the names that Label Studio gives them.

A name is looked up in the folders that the operator allowed; URLs are never fetched.
"""

from urllib.parse import parse_qs, unquote, urlsplit

from upath import UPath

from wssis_serve.config import ServeConfig
from wssis_serve.engines.images import check
from wssis_serve.errors import ApiError, unprocessable
from wssis_serve.http.forms import from_data_uri
from wssis_serve.roots import resolve

MEGABYTE = 1_000_000
UPLOADED, LOCAL_FILES = "/data/upload/", "/data/local-files/"  # Label Studio's paths of files


def checked_image(name: str, config: ServeConfig) -> tuple[bytes, tuple[int, int]]:
    """The bytes of the image that a task names, and its (width, height) as displayed.

    Raises ApiError when it may not be read, does not exist, or is not an accepted image.
    """
    data = from_data_uri(name) if name.startswith("data:") else read_file(name, config)
    return data, check(data, config.max_megapixels)


def read_file(name: str, config: ServeConfig) -> bytes:
    """The bytes of a file that the operator allows to read."""
    max_bytes = int(config.max_megabytes * MEGABYTE)
    try:
        with file_of(name, config).open("rb") as stream:
            data = bytes(stream.read(max_bytes + 1))
    except ApiError:
        raise
    except Exception as error:  # file systems of buckets raise errors of all kinds
        raise ApiError(404, "not_found", f"{name[:200]!r} cannot be read") from error
    if len(data) > max_bytes:
        raise ApiError(
            413, "too_large", f"{name[:200]!r} has more than {config.max_megabytes:g} megabytes"
        )
    return data


def file_of(name: str, config: ServeConfig) -> UPath:
    """The place of the file that Label Studio calls `name`.

    Raises ApiError 422 for a URL, and when no folder is configured; 404 outside the folders.
    """
    path = name.partition("?")[0]
    if path.startswith(UPLOADED):
        if config.label_studio_files is None:
            raise unprocessable(
                "the image of this task was uploaded to Label Studio; the operator of this server "
                "can set `label_studio_files` to its media folder"
            )
        return resolve(unquote(path).removeprefix("/data/"), [config.label_studio_files])
    if path == LOCAL_FILES:
        name = parse_qs(urlsplit(name).query).get("d", [""])[0]
    if name.lower().startswith(("http:", "https:", "//")):
        raise unprocessable(
            f"{name[:200]!r} is a URL, and URLs are never fetched; name images by their path, as "
            "local files, or by the URI of a bucket"
        )
    if not config.images:
        raise unprocessable(
            "this server may read no images; its operator can set `images` to their folders"
        )
    return resolve(name, config.images)

"""Images of a task of Label Studio, and the one that a region is on.

The data of a task names its images by keys.  A region names the *tag* of its image in the labelling
configuration, which exports lack, so the tag has to be recognised among the keys.
"""

from pathlib import PurePosixPath
from string import digits as DIGITS
from typing import Any
from urllib.parse import unquote

from ray_wssis.data.images.names import IMAGE_SUFFIXES
from ray_wssis.data.imports.export import Unusable

WANTED = "the image as `image`, or as the only text"


def images_of(data: dict[str, Any]) -> dict[str, str]:
    """Return the paths or addresses of the images of a task by their keys.

    The images of a list have keys such as `pages[0]`.  Raises Unusable without any image, and for
    several texts of which none looks like an image.
    """
    texts = {key: value for key, value in data.items() if isinstance(value, str) and value}
    for key, value in data.items():
        if isinstance(value, list) and all(isinstance(each, str) and each for each in value):
            texts |= {f"{key}[{place}]": each for place, each in enumerate(value)}
    alike = {key: text for key, text in texts.items() if _is_image(text)}
    if "image" in texts:
        alike |= {"image": texts["image"]}
    if not alike and len(texts) == 1:
        alike = texts
    if not alike or (len(texts) > len(alike) == 1 and "image" not in alike):
        found = f"its data has {', '.join(data) or 'nothing'}"
        raise Unusable("task without image", found, WANTED)
    return {key: _address(text) for key, text in alike.items()}


def image_of(region: dict[str, Any], images: dict[str, str], *, one_tag: bool) -> str:
    """Return the key of the image that a region is on.

    With `one_tag` all regions are on images of one tag, `image` if it resembles none of the keys.
    Raises Unusable where nothing tells.
    """
    tag, page = str(region.get("to_name", "")), region.get("item_index")
    paged = [key for key in images if page is not None and key.endswith(f"[{page}]")]
    keys = paged or list(images)
    if len(keys) == 1:
        return keys[0]
    for alike in (_is_same, _has_the_same_number, _is_part):
        fitting = [key for key in keys if alike(tag, key)]
        if len(fitting) == 1:
            return fitting[0]
    if one_tag and "image" in keys:
        return "image"
    found = f"it is on {tag!r:.40}, the images of the task are {', '.join(keys)}"
    wanted = 'an image tag with the name of its value: `<Image name="left" value="$left"/>`'
    raise Unusable("unknown image of the task", found, wanted)


def _is_same(tag: str, key: str) -> bool:
    return tag == key


def _has_the_same_number(tag: str, key: str) -> bool:
    """Tell whether both end in the same number, as `img2` and `image2`; without one in 1."""
    numbers = [int(name[len(name.rstrip(DIGITS)) :] or 1) for name in (tag, key)]
    return numbers[0] == numbers[1]


def _is_part(tag: str, key: str) -> bool:
    return bool(tag) and (tag.lower() in key.lower() or key.lower() in tag.lower())


def _is_image(text: str) -> bool:
    path = PurePosixPath(_address(text).replace("\\", "/"))
    return path.suffix.lower() in IMAGE_SUFFIXES


def _address(text: str) -> str:
    """Return the path or the address in a value, without codes such as `%20`."""
    path, _, query = text.partition("?")
    return unquote(query.removeprefix("d=") if query.startswith("d=") else path)

"""Class maps in the format that a client wants: a PNG, or a mask for each class."""

import base64
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from ray_wssis import masks
from ray_wssis.data.class_maps.png import decode
from wssis_serve.colours import hex_colors, palette_bytes
from wssis_serve.errors import unprocessable
from wssis_serve.http.answers import outlines
from wssis_serve.http.schemas import (
    AnswerFormat,
    ClassMapOut,
    ImageOut,
    ModelNameOut,
    Rle,
    ShownOut,
)
from wssis_serve.segmented import Mapped, Shown

FORMATS = (AnswerFormat.PNG, AnswerFormat.GRAY, AnswerFormat.RLE, AnswerFormat.POLYGON)


def class_map_answer(found: Mapped, wanted: AnswerFormat) -> ClassMapOut:
    """The class map of an image.  Raises ApiError for a format that it cannot have."""
    check_format(wanted)
    colors = hex_colors(len(found.categories))
    labels = None if is_image(wanted) else decode(found.class_map)
    fields: dict[str, Any] = {}
    if labels is None:
        fields["png"] = base64.b64encode(png(found, wanted)).decode("ascii")
    return ClassMapOut(
        model=ModelNameOut(**vars(found.model)),
        image=ImageOut(**vars(found.image)),
        tags=None if found.tags is None else [found.categories[tag].name for tag in found.tags],
        classes=[
            ShownOut(
                **class_fields(found, shown, colors),
                **({} if labels is None else mask_fields(labels == shown.label, wanted)),
            )
            for shown in found.shown
        ],
        **fields,
    )


def check_format(wanted: AnswerFormat) -> None:
    """Raise ApiError for a format that is for instances alone."""
    if wanted not in FORMATS:
        raise unprocessable(
            f"this server answers with a class map, and not as {wanted}; wanted: "
            f"{', '.join(FORMATS)}"
        )


def is_image(wanted: AnswerFormat) -> bool:
    return wanted in (AnswerFormat.PNG, AnswerFormat.GRAY)


def png(found: Mapped, wanted: AnswerFormat) -> bytes:
    """A PNG whose values are labels: in colours with a palette, or plain gray."""
    if wanted is AnswerFormat.GRAY:
        return found.class_map
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(found.class_map)) as image:
        image.putpalette(palette_bytes(len(found.categories)))
        image.save(buffer, "PNG")
    return buffer.getvalue()


def class_fields(found: Mapped, shown: Shown, colors: Sequence[str]) -> dict[str, Any]:
    category = found.categories[shown.label]
    return {
        "label": shown.label,
        "category_id": category.id,
        "class": category.name,
        "color": colors[shown.label],
        "area": shown.num_pixels,
        "share": round(shown.num_pixels / (found.image.width * found.image.height), 6),
        "confidence": round(shown.confidence, 4),
    }


def mask_fields(mask: masks.Mask, wanted: AnswerFormat) -> dict[str, Any]:
    """The pixels of a class, [H, W] bool, in the wanted format."""
    counts = masks.encode(mask)
    if wanted is AnswerFormat.RLE:
        return {"rle": Rle(size=mask.shape, counts=counts.decode("ascii"))}
    return {"polygons": outlines(counts, masks.bounding_box(counts, *mask.shape), mask.shape[0])}

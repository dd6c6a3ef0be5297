"""A Label Studio project: its labelling configuration, and the model that answers it."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wssis_serve.errors import ApiError, unprocessable


@dataclass(frozen=True, kw_only=True)
class Tags:
    """The part of a labelling configuration that we need."""

    image: str  # names of tags
    brush: str
    data_key: str  # of the image in the data of a task
    class_names: tuple[str, ...]  # of the brush


def read_label_config(xml: str) -> Tags:
    """The tags of a labelling configuration.

    Raises ApiError 422 when it is not XML, or has no image or no brush for it.
    """
    if "<!DOCTYPE" in xml:  # no entities: they can expand without end
        raise unprocessable("a labelling configuration has no DOCTYPE")
    try:
        root = ET.fromstring(xml)
    except (ET.ParseError, ValueError) as error:
        raise unprocessable(f"the labelling configuration is not XML ({error})") from error
    images = {tag.get("name", ""): tag.get("value", "") for tag in root.iter("Image")}
    for brush in root.iter("BrushLabels"):
        name, image = brush.get("name", ""), brush.get("toName", "")
        if name and images.get(image, "").startswith("$"):
            return Tags(
                image=image,
                brush=name,
                data_key=images[image][1:],
                class_names=tuple(
                    label.get("alias", "") or label.get("value", "")
                    for label in brush.iter("Label")
                ),
            )
    raise unprocessable(
        'the labelling configuration needs <Image name="image" value="$image"/> and '
        '<BrushLabels name="mask" toName="image">'
    )


def check_classes(tags: Tags, known: Sequence[str]) -> None:
    """Raise ApiError 422 when the brush has none of the model's classes `known`."""
    if not set(known) & set(tags.class_names):
        raise unprocessable(
            f"no label of {tags.brush} is a class of the model, which knows {listed(known)}"
        )


def classes_of(models: dict[str, Any]) -> list[str]:
    """The names of the student's classes, given the description of all models."""
    return [entry["name"] for entry in student_of(models)["classes"]]


def version_of(models: dict[str, Any]) -> str:
    """The hash of the student; a new teacher or refiner comes with a new student.

    It is the same for all answers: Label Studio would ask again and again for a task whose
    prediction has another version than `/setup` says.
    """
    return str(student_of(models)["hash"])


def student_of(models: dict[str, Any]) -> dict[str, Any]:
    for model in models["models"]:
        if model["name"] == "student":
            found: dict[str, Any] = model
            return found
    raise ApiError(404, "not_found", "this server has no model")


def listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")

"""Choices of Label Studio -> tags: the classes that a person says an image shows."""

from collections.abc import Sequence

from pydantic import BaseModel, ValidationError

from wssis_serve.errors import unprocessable
from wssis_serve.label_studio.points import Marks, Task, latest_first


class Chosen(BaseModel):
    choices: list[str]


class Choice(BaseModel):
    value: Chosen


def chosen_tags(task: Task, known: Sequence[str]) -> tuple[str, ...] | None:
    """The classes among `known` that the latest annotation or draft with choices names, if any."""
    for marks in latest_first(task):
        names = chosen_names(marks)
        if tags := tuple(name for name in known if name in names):
            return tags
    return None


def chosen_names(marks: Marks) -> set[str]:
    """The choices among regions of all kinds."""
    try:
        found = [
            Choice.model_validate(region)
            for region in marks.result or []
            if region.get("type") == "choices"
        ]
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise unprocessable(f"a choice: {where}: {error.errors()[0]['msg']}") from None
    return {name for choice in found for name in choice.value.choices}

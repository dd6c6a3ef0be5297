from typing import Any

from wssis_serve.label_studio.choices import chosen_tags
from wssis_serve.label_studio.points import Task

from tests.support.label_studio import key_point, message_of

KNOWN = ("background", "cat", "dog")


def choice(*names: Any) -> dict[str, Any]:
    """A choice as Label Studio writes it."""
    return {"type": "choices", "from_name": "tags", "value": {"choices": list(names)}}


def task(*annotations: dict[str, Any]) -> Task:
    return Task.model_validate({"data": {}, "annotations": list(annotations)})


def test_chosen_classes_are_tags_in_the_order_of_the_model() -> None:
    marks = {"result": [key_point("cat", 1, 2), choice("dog"), choice("cat", "a nice one")]}
    assert chosen_tags(task(marks), KNOWN) == ("cat", "dog")


def test_the_latest_annotation_with_choices_counts() -> None:
    old = {"result": [choice("dog")], "updated_at": "2026-01-01"}
    new = {"result": [choice("cat")], "updated_at": "2026-02-01"}
    without = {"result": [], "updated_at": "2026-03-01"}
    cancelled = new | {"updated_at": "2026-04-01", "was_cancelled": True}
    assert chosen_tags(task(new, old, without), KNOWN) == ("cat",)
    assert chosen_tags(task(old, cancelled), KNOWN) == ("dog",)


def test_other_choices_are_no_tags() -> None:
    assert chosen_tags(task({"result": [choice("blurred")]}), KNOWN) is None
    assert chosen_tags(task(), KNOWN) is None


def test_a_malformed_choice_is_named() -> None:
    wrong = task({"result": [choice(3)]})
    assert message_of(lambda: chosen_tags(wrong, KNOWN)).startswith("a choice: value.choices.0: ")

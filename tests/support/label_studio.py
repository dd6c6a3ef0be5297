"""A labelling project, and regions as Label Studio writes them."""

from collections.abc import Callable
from typing import Any

import pytest
from wssis_serve.errors import ApiError
from wssis_serve.label_studio.points import Marks
from wssis_serve.label_studio.project import Tags

CLASSES = ("disc", "ring")
TAGS = Tags(image="img", brush="mask", data_key="image", class_names=CLASSES)
CONFIG = """
<View>
  <Image name="img" value="$image" zoom="true"/>
  <KeyPointLabels name="kp" toName="img" smart="true"><Label value="disc"/></KeyPointLabels>
  <RectangleLabels name="box" toName="img"><Label value="disc"/></RectangleLabels>
  <BrushLabels name="mask" toName="img">
    <Label value="disc"/><Label value="o" alias="ring"/>
  </BrushLabels>
</View>
"""


def key_point(name: str, x: float, y: float, **fields: Any) -> dict[str, Any]:
    """A region of a key point at x, y percent."""
    value = {"x": x, "y": y, "width": 0.5, "keypointlabels": [name]}
    return {"type": "keypointlabels", "from_name": "kp", "to_name": "img", "value": value} | fields


def marks(*regions: dict[str, Any], **fields: Any) -> Marks:
    return Marks.model_validate({"result": list(regions)} | fields)


def message_of(wrong: Callable[[], Any], status: int = 422) -> str:
    """The message of the ApiError that `wrong` raises."""
    with pytest.raises(ApiError) as error:
        wrong()
    assert error.value.status == status
    return error.value.message

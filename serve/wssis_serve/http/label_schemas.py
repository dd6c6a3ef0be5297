"""Labels of people on the wire: of objects, of class maps, and decisions about masks."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wssis_serve.http.schemas import Coordinate, Number, Place

LabelState = Literal["open", "done", "skipped"]
SAVES = Field(description="By windows, since the server started; the latest last")


class QueuedImage(BaseModel):
    name: str
    state: LabelState
    num_labels: int = Field(description="Objects, or classes that are drawn or ticked")


class QueuedClass(BaseModel):
    id: int
    name: str
    color: str | None = Field(None, description="In class maps, as #rrggbb")


class QueueOut(BaseModel):
    id: str = Field(description="Of the labels, for copies of them")
    classes: list[QueuedClass]
    images: list[QueuedImage]
    has_suggestions: bool = Field(description="Of a file; a student may suggest objects besides")


class RunLengths(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: tuple[int, int] = Field(description="Height and width")
    counts: str


class LabelIn(BaseModel):
    """An object of an image: an annotation as in a COCO file."""

    model_config = ConfigDict(extra="ignore")

    id: Number | None = Field(None, description="If it has been saved before")
    category_id: Number
    point: Place | None = None
    extra_points: list[Place] = []
    negative_points: list[Place] = []
    segmentation: RunLengths | None = None
    score: Coordinate | None = None
    expected_iou: Coordinate | None = None
    flags: list[Annotated[str, Field(max_length=100)]] = []


class LabelsIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    revision: str = Field(max_length=64, description="The one that was read")
    state: LabelState
    objects: list[LabelIn]
    window: str = Field("", max_length=64, description="A name of whoever saves")
    change: int = Field(0, ge=0, description="Counts the changes of an image in this window")


class Save(BaseModel):
    window: str
    change: int = Field(description="The last one that was saved")
    revision: str = Field(description="Of the labels then")


class LabelsOut(BaseModel):
    revision: str
    state: LabelState
    objects: list[dict[str, Any]] = Field(description="Annotations, masks as run lengths")
    saves: list[Save] = SAVES


class Stroke(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True, serialize_by_alias=True)

    class_name: str = Field(alias="class", max_length=200)
    segmentation: RunLengths = Field(description="All pixels of the class that were drawn")


class StrokesIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    revision: str = Field(max_length=64, description="The one that was read")
    state: LabelState
    tags: list[Annotated[str, Field(max_length=200)]] = Field(description="Names of classes")
    strokes: list[Stroke]
    window: str = Field("", max_length=64, description="A name of whoever saves")
    change: int = Field(0, ge=0, description="Counts the changes of an image in this window")


class StrokesOut(BaseModel):
    revision: str
    state: LabelState
    tags: list[str]
    strokes: list[Stroke]
    saves: list[Save] = SAVES


class SuggestionsOut(BaseModel):
    objects: list[dict[str, Any]] = Field(description="Annotations with masks, scores and points")


class SuspectOut(BaseModel):
    name: str
    state: Literal["open", "done", "deleted"]
    revision: str
    annotation: dict[str, Any] = Field(description="With `expected_iou` and `flags`")


class ReviewOut(BaseModel):
    id: str = Field(description="Of the corrections, for copies of them")
    classes: list[QueuedClass]
    masks: list[SuspectOut]
    command: str = Field(description="What learns from the corrections")


class DecisionIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    revision: str = Field(max_length=64, description="The one that was read")
    decision: Literal["accept", "fix", "delete", "undo"]
    category_id: Number | None = Field(None, description="Of a fixed mask")
    segmentation: RunLengths | None = Field(None, description="Of a fixed mask")

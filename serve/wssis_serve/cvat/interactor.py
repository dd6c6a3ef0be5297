"""An interaction function of CVAT: the mask of an object that somebody points at.

    cvat-cli function create-native "point at it" --function-module wssis_serve.cvat.interactor \\
        -p url=str:http://127.0.0.1:8000
    cvat-cli function run-agent 3 --function-module wssis_serve.cvat.interactor \\
        -p url=str:http://127.0.0.1:8000

CVAT says nothing of the object's class, and a mask depends on it.  So the endpoint is asked about
every class, and the mask that is expected to be the best one is taken; `class_name` asks about one.
"""

import json
from typing import Any

import cvat_sdk.auto_annotation as cvat
from cvat_sdk import models
from PIL import Image

from wssis_serve.cvat.endpoint import Endpoint, as_png, as_points


class Interactor:
    spec = cvat.InteractionFunctionSpec(min_pos_points=1, min_neg_points=0)

    def __init__(self, endpoint: Endpoint, class_name: str = "") -> None:
        self.endpoint = endpoint
        known = endpoint.classes()
        self.classes = [id for id, name in known.items() if class_name in ("", name)]
        if not self.classes:
            names = ", ".join(known.values())
            raise ValueError(f"class_name {class_name}: the classes are {names}")

    def preprocess_image(
        self, context: cvat.InteractionFunctionContext, image: Image.Image
    ) -> bytes:
        return as_png(image)

    def detect(
        self,
        context: cvat.InteractionFunctionContext,
        pp_image: bytes,
        prompts: cvat.InteractionPrompts,
    ) -> list[cvat.InteractionResultShape]:
        """Return the mask around the points; none where the endpoint finds none."""
        (x, y), *more = prompts.pos_points
        clicks = [{"x": u, "y": v, "positive": True} for u, v in more]
        clicks += [{"x": u, "y": v, "positive": False} for u, v in prompts.neg_points]
        asked = [{"x": x, "y": y, "category_id": id, "clicks": clicks} for id in self.classes]
        answer = self.endpoint.ask("POST", "/v1/segment/points", pp_image, points=json.dumps(asked))
        drawn = [each for each in answer["instances"] if each["bbox"] is not None]
        if not drawn:
            return []
        best = max(drawn, key=how_good)
        sure = models.AttributeValRequest(
            spec_id=int(cvat.InteractionResultAttributes.CONFIDENCE), value=f"{how_good(best):.3f}"
        )
        return [cvat.InteractionResultShape(type="mask", points=as_points(best), attributes=[sure])]


def how_good(instance: dict[str, Any]) -> float:
    """Return the expected IoU of a mask, or its score where nothing is calibrated."""
    expected = instance["expected_iou"]
    return float(instance["score"] if expected is None else expected)


def create(url: str, token: str = "", class_name: str = "") -> Interactor:
    """Return the function that CVAT calls; `url` is that of `wssis serve`."""
    return Interactor(Endpoint(url, token), class_name)

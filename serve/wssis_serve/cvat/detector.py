"""A detection function of CVAT: the objects that the served student finds in a frame.

    cvat-cli task auto-annotate 7 --function-module wssis_serve.cvat.detector \\
        -p url=str:http://127.0.0.1:8000 --allow-unmatched-labels
"""

from collections.abc import Sequence

import cvat_sdk.auto_annotation as cvat
from cvat_sdk import models
from PIL import Image

from wssis_serve.cvat.endpoint import Endpoint, as_png, as_points


class Detector:
    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        labels = [cvat.label_spec(name, id, type="mask") for id, name in endpoint.classes().items()]
        self.spec = cvat.DetectionFunctionSpec(labels=labels)

    def detect(
        self, context: cvat.DetectionFunctionContext, image: Image.Image
    ) -> Sequence[cvat.DetectionAnnotation]:
        """Return a mask for each object; or the outlines of its parts, which make a group."""
        form = {"format": "polygon"} if context.conv_mask_to_poly else {}
        if context.conf_threshold is not None:
            form["threshold"] = str(context.conf_threshold)
        found = self.endpoint.ask("POST", "/v1/segment", as_png(image), **form)["instances"]
        if not context.conv_mask_to_poly:
            return [cvat.mask(each["category_id"], as_points(each)) for each in found]
        shapes: list[models.LabeledShapeRequest] = []
        for group, each in enumerate(found, 1):
            outlines = each["polygons"]
            own = {"group": group} if len(outlines) > 1 else {}
            shapes += [cvat.polygon(each["category_id"], points, **own) for points in outlines]
        return shapes


def create(url: str, token: str = "") -> Detector:
    """Return the function that CVAT calls; `url` is that of `wssis serve`."""
    return Detector(Endpoint(url, token))

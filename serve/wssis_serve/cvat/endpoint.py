"""A running endpoint, as functions of CVAT's auto-annotation ask it."""

import io
import json
from typing import Any

import urllib3
from cvat_sdk.masks import encode_mask
from PIL import Image

from ray_wssis import masks

LONGEST = 120.0  # seconds for one answer


class Endpoint:
    """`wssis serve` at a URL, perhaps with a token."""

    def __init__(self, url: str, token: str = "") -> None:
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        busy = urllib3.Retry(3, status_forcelist=[429, 503], allowed_methods=None)
        self.pool = urllib3.PoolManager(retries=busy)

    def classes(self) -> dict[int, str]:
        """Return the names of the served classes by category id."""
        models = self.ask("GET", "/v1/models")["models"]
        return {own["category_id"]: own["name"] for own in models[0]["classes"]}

    def ask(self, method: str, path: str, image: bytes | None = None, **form: str) -> Any:
        """Return the answer of a route.  Raises RuntimeError with the words of a refusal."""
        fields: dict[str, Any] = dict(form)
        if image is not None:
            fields["image"] = ("image.png", image, "image/png")
        how = {"fields": fields, "encode_multipart": True} if fields else {}
        try:
            answer = self.pool.request(
                method,
                f"{self.url}{path}",
                headers=self.headers,
                timeout=LONGEST,
                **how,  # type: ignore[arg-type]
            )
        except urllib3.exceptions.HTTPError as error:
            raise RuntimeError(
                f"{self.url} does not answer ({error}): is wssis serve up?"
            ) from error
        if answer.status != 200:
            raise RuntimeError(f"{self.url}{path}: {refusal(answer.data, answer.status)}")
        return json.loads(answer.data)


def refusal(body: bytes, status: int) -> str:
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"answer {status}"


def as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def as_points(instance: dict[str, Any]) -> list[float]:
    """Return the mask of an instance as the `points` of a shape of CVAT."""
    height, width = instance["rle"]["size"]
    mask = masks.decode(instance["rle"]["counts"].encode(), height, width).astype(bool)
    x, y, across, down = instance["bbox"]
    points: list[float] = encode_mask(mask, (x, y, x + across, y + down))
    return points

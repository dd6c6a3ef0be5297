"""A student behind FastAPI, as one writes it in an hour: what the endpoint is compared with.

    python -m benchmarks.plain_app torch RUN --port 8000

`torch` calls the segmenter; `onnx` runs the file of `wssis export` in onnxruntime.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
import uvicorn
from fastapi import FastAPI, Request
from upath import UPath

from ray_wssis.instance.export import export
from ray_wssis.instance.segmenter import Segmenter, network_image
from ray_wssis.models.canvas import pad_images
from ray_wssis.models.model_folder import find_model
from ray_wssis.models.solov2_inference import Detections


class Student:
    """Finds the instances in the bytes of an image, on one thread for each request."""

    def __init__(self, model: str, shape: tuple[int, int] | None) -> None:
        torch.set_num_threads(1)
        self.segmenter = Segmenter.load(find_model(UPath(model)), torch.device("cpu"))
        self.session: Any = None
        if shape is not None:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder, "student.onnx")
                export(model, file, "onnx", height=shape[0], width=shape[1])
                self.session = onnxruntime.InferenceSession(file, options)

    def answer(self, data: bytes) -> dict[str, Any]:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
        assert pixels is not None
        image = network_image(pixels, self.segmenter.config)
        found = self.segmenter.full_size(
            self.detect(image).best(0.3, 100), image.shape[:2], pixels.shape[:2]
        )
        masks = [mask.decode() for mask in found.masks]
        return {"labels": found.labels, "scores": found.scores, "masks": masks}

    def detect(self, image: Any) -> Detections:
        if self.session is None:
            return self.segmenter.detect([image])[0]
        canvas, sizes = pad_images([image])
        given = {"image": canvas.numpy(), "size": sizes[0].numpy()}
        masks, labels, scores = map(torch.from_numpy, self.session.run(None, given))
        return Detections(masks=masks, labels=labels, scores=scores)


def create_api(student: Student) -> FastAPI:
    api = FastAPI()

    @api.get("/readyz")
    def ready() -> str:
        return "ready"

    @api.post("/v1/segment")
    async def segment(request: Request) -> dict[str, Any]:
        return await asyncio.to_thread(student.answer, await request.body())

    return api


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("way", choices=("torch", "onnx"))
    parser.add_argument("model")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--shape", type=int, nargs=2, default=(480, 640), help="of all images")
    options, _ = parser.parse_known_args()
    student = Student(options.model, options.shape if options.way == "onnx" else None)
    uvicorn.run(create_api(student), port=options.port, log_level="warning")


if __name__ == "__main__":
    main()

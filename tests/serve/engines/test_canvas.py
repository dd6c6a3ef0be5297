import io

from PIL import Image
from wssis_serve.engines.canvas import by_canvas, canvas_of
from wssis_serve.engines.images import Decoded, decode

from ray_wssis.data.images.read import RGB


def image(height: int, width: int) -> Decoded:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    return decode(buffer.getvalue(), (64, 256), needs_original=False, max_megapixels=1)


def test_images_of_a_canvas_share_a_call_and_answers_keep_their_order() -> None:
    images = [image(64, 60), image(64, 200), image(64, 64), image(64, 193)]
    asked = []

    def infer(pixels: list[RGB]) -> list[tuple[int, ...]]:
        asked.append([each.shape[:2] for each in pixels])
        return [each.shape[:2] for each in pixels]

    assert by_canvas(images, infer) == [each.network_size for each in images]
    assert sorted(asked) == [[(64, 64)], [(64, 200), (64, 193)], [(68, 64)]]
    assert [canvas_of(each) for each in images] == [(96, 64), (64, 224), (64, 64), (64, 224)]

"""About 2,500 odd requests to the whole application over real HTTP.

Whatever is sent, the answer is never a failure of the server (503 means that it is busy), every
refusal is JSON with a reason, and no internals of the server are disclosed.
"""

import base64
import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from wssis_serve.config import ServeConfig
from wssis_serve.http.api import create_api

from tests.serve.conftest import backend_here, listening
from tests.serve.engines.test_images import REAL, with_checksums
from tests.support.reviews import write_review

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:::PIL"),  # see test_images.py
    # Starlette leaves the upload of a form that breaks off to the garbage collector.
    pytest.mark.filterwarnings(
        "ignore:.*SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning"
    ),
]

IMAGE_TYPES = ["image/jpeg", "image/png", "image/webp", "image/tiff", "image/bmp"]
ODD_TYPES = ["", "text/plain", "image/gif", "multipart/form-data", "application/json", "x" * 2000]
NUM_PER_ROUTE = 60  # of each of two kinds: as the OpenAPI document says, and not
NUM_IMAGES, NUM_POINTS, NUM_TASKS, NUM_PATHS, NUM_TAGS = 600, 500, 150, 100, 150
NUM_LABELS = 300

AS_JSON = {"content-type": "application/json"}

Json = dict[str, Any]


class Caller:
    """Sends requests, counts the answers and checks them."""

    def __init__(self, client: httpx2.Client, secrets: tuple[str, ...]) -> None:
        self.client = client
        self.secrets = ("Traceback", "site-packages", ".py", *secrets)
        self.statuses: Counter[int] = Counter()

    def send(self, method: str, path: str, **request: Any) -> int:
        answer = self.client.request(method, path, **request)
        self.check(answer.status_code, answer.content, f"{method} {path}")
        return answer.status_code

    def check(self, status: int, body: bytes, asked: str) -> None:
        text = body.decode("utf-8", errors="replace")
        self.statuses[status] += 1
        assert status < 500 or status == 503, f"{asked}: {status} {text[:500]}"
        if status >= 400 and not asked.startswith("HEAD"):
            error = json.loads(text)["error"]
            assert error.keys() == {"code", "message"}, f"{asked}: {text[:500]}"
            assert error["code"], asked
            assert 0 < len(error["message"]) <= 2000, f"{asked}: {text[:500]}"
            disclosed = [secret for secret in self.secrets if secret in text]
            assert not disclosed, f"{asked}: {text[:500]}"


@pytest.fixture(scope="module")
def caller(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A caller of a server that offers everything."""
    yield from calling(run_folder, tmp_path_factory.mktemp("fuzzed"))


@pytest.fixture(scope="module")
def mapper(semantic_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A caller of a server that draws class maps."""
    yield from calling(semantic_run, tmp_path_factory.mktemp("fuzzed"))


@pytest.fixture(scope="module")
def reviewer(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A caller of a server of masks to review."""
    run = shutil.copytree(run_folder, tmp_path_factory.mktemp("reviewed") / "run")
    write_review(run, num_images=2)
    config = ServeConfig(model=str(run), review=True)
    with (
        listening(create_api(config, backend_here(config))) as url,
        httpx2.Client(base_url=url, timeout=60) as client,
    ):
        yield Caller(client, (str(run),))


def calling(run: Path, folder: Path) -> Iterator[Caller]:
    for name in ("images", "queue"):
        (folder / name).mkdir()
        (folder / name / "a.png").write_bytes(REAL[4])
    config = ServeConfig(
        model=str(run),
        images=(str(folder / "images"),),
        jobs=str(folder / "jobs"),
        queue=str(folder / "queue"),
        max_megabytes=0.2,
        max_megapixels=0.05,
        timeout_s=20,
    )
    secrets = (str(folder), str(run.parent), str(Path(__file__).parents[3]))
    with (
        listening(create_api(config, backend_here(config))) as url,
        httpx2.Client(base_url=url, timeout=60) as client,
    ):
        yield Caller(client, secrets)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_what_the_openapi_document_suggests(caller: Caller, mode: GenerationMode) -> None:
    url, before = str(caller.client.base_url), caller.statuses.copy()
    schema = schemathesis.openapi.from_dict(caller.client.get("/openapi.json").json())
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    if mode is GenerationMode.NEGATIVE:  # every text is a path
        operations = [found for found in operations if list(found.query) or list(found.body)]
    with requests.Session() as session:
        for operation in operations:

            @seed(0)
            @settings(
                max_examples=NUM_PER_ROUTE,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                answer = case.call(base_url=url, session=session)
                caller.check(answer.status_code, answer.content, f"{case.method} {case.path}")

            ask()
    num_least = {GenerationMode.POSITIVE: 600, GenerationMode.NEGATIVE: 400}[mode]
    assert (caller.statuses - before).total() >= num_least


def mutated(data: bytes, dice: random.Random) -> bytes:
    """The data with bytes changed, inserted or removed, or cut short."""
    for _ in range(dice.choice([0, 1, 1, 3, 20])):
        at = dice.randrange(min(len(data), dice.choice([100, 5000])) + 1)
        cut, new = dice.choice([0, 1, 1, 4, 10**6]), dice.randbytes(dice.choice([0, 1, 1, 4]))
        data = data[:at] + new + data[at + cut :]
    return with_checksums(data)


def form(parts: list[tuple[str, str, bytes]], dice: random.Random) -> tuple[bytes, str]:
    """A multipart body of (name, rest of the header, content), and its type; mostly broken."""
    boundary = dice.choice([*6 * ["x"], "-", "a b", "é", ""])
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, more, content in parts
    )
    body += f"--{boundary}--\r\n".encode()
    broken = mutated(body, dice) if dice.random() < 0.3 else body
    return broken, f'multipart/form-data; boundary="{boundary}"'


def test_damaged_images_of_every_type_and_form(caller: Caller) -> None:
    dice, before = random.Random(0), caller.statuses.copy()
    for _ in range(NUM_IMAGES):
        data, kind = mutated(dice.choice(REAL), dice), dice.choice(IMAGE_TYPES + ODD_TYPES)
        if dice.random() < 0.5:
            more = dice.choice(['; filename="a"', "; filename=", '; filename="../\0"', ""])
            parts = [
                ("image", more, data),
                ("threshold", "", dice.choice([*9 * ["0.5"], *ODD_NUMBERS]).encode()),
            ]
            data, kind = form(dice.choice([parts, parts[:1], parts[1:], parts * 20]), dice)
        query = {dice.choice(["threshold", "max_instances", "format"]): dice.choice(ODD_NUMBERS)}
        caller.send(
            "POST",
            "/v1/segment",
            content=data,
            headers={"content-type": kind.encode()},
            params=dice.choice([{}, {}, {}, query]),
        )
    assert (caller.statuses - before).total() == NUM_IMAGES
    assert (caller.statuses - before)[200] > 50  # some are right


def test_odd_tags_for_a_class_map(mapper: Caller) -> None:
    dice, before = random.Random(4), mapper.statuses.copy()
    for _ in range(NUM_TAGS):
        tags = dice.sample(ODD_TAGS, dice.choice([1, 1, 1, 2, 5]))
        query = {"format": dice.choice(["png", "gray", "rle", "polygon", "coco", "", "é"])}
        parts = [("image", '; filename="a.png"', dice.choice(REAL))]
        if dice.random() < 0.5:
            query |= {"tags": dice.choice(tags)}
        else:
            parts += [("tags", "", tag.encode("utf-8", "replace")) for tag in tags]
        body, kind = form(parts, dice)
        accept = dice.choice(["image/png", "*/*", "", "text/html"])
        headers = {"content-type": kind.encode(), "accept": accept}
        mapper.send("POST", "/v1/segment", content=body, headers=headers, params=query)
    assert (mapper.statuses - before).total() == NUM_TAGS
    assert (mapper.statuses - before)[200] > 20


ODD_TAGS = [
    *("cat", "cat", "cat,dog", "20", '["sea"]', "[10, 20]", " sky ", "background", "cat,", "", ","),
    *(
        "[]",
        "[",
        "[[]]",
        "[null]",
        "[1.5]",
        "[true]",
        '["\\ud800"]',
        "NaN",
        "-1",
        "\0",
        "é",
        "x" * 5000,
    ),
    *("[" * 3000 + "]" * 3000, "cat," * 300, "1" * 5000, "[" + "1" * 5000 + "]", '{"cat": 1}'),
]
ODD_NUMBERS = ["NaN", "-1", "1e999", "0.5", "", "٣", "0x1", "1" * 5000, "null", "png", "\0"]
ODD_VALUES = [
    *("NaN", "Infinity", "-1", "1e308", "1e400", "9" * 5000, "null", "true", '""', '"31"', "{}"),
    *("[]", '"\\ud800"', '"\\u0000"', '"square\\u202e"', "12", "31.5", "[" * 3000 + "]" * 3000),
    *('[{"x": 1, "y": 2}]', '[{"x": NaN, "y": 2, "positive": 3}]', '"square"', "1", "not json"),
    '{"x":' * 3000 + "1" + "}" * 3000,
]


def odd_points(dice: random.Random) -> str:
    """JSON text of points, some of them with wrong values."""
    points = []
    for _ in range(dice.choice([1, 1, 1, 2])):
        point = {"x": "12.5", "y": "12", "class": '"square"'}
        for name in dice.sample(
            ["x", "y", "class", "category_id", "clicks", "z"], dice.randrange(3)
        ):
            point[name] = dice.choice(ODD_VALUES)
        points.append("{" + ", ".join(f'"{key}": {value}' for key, value in point.items()) + "}")
    text = "[" + ", ".join(points) + "]"
    return dice.choice([*6 * [text], text[:-1], dice.choice(ODD_VALUES)])


def test_odd_points(caller: Caller) -> None:
    dice, before = random.Random(1), caller.statuses.copy()
    for _ in range(NUM_POINTS):
        parts = [
            ("image", '; filename="a.png"', dice.choice(REAL)),
            ("points", "", odd_points(dice).encode()),
        ]
        more = [
            ("image_id", "", dice.choice(["0" * 32, "", "x" * 5000, "../a", "\0"]).encode()),
            ("format", "", dice.choice(["rle", "polygon", "png", "png", "coco", "", "é"]).encode()),
        ]
        parts = dice.sample(parts, dice.choice([1, *9 * [2]])) + dice.sample(
            more, dice.choice([0, 0, 0, 1, 2])
        )
        body, kind = form(parts, dice)
        headers = {"content-type": kind.encode()}
        caller.send("POST", "/v1/segment/points", content=body, headers=headers)
    assert (caller.statuses - before).total() == NUM_POINTS
    assert (caller.statuses - before)[200] > 50


def odd_labels(dice: random.Random, revision: str) -> str:
    """JSON text of the labels of an image, some of them with wrong values."""
    objects = []
    for _ in range(dice.choice([0, 1, 1, 2])):
        entry = {"category_id": "1", "point": "[1.5, 2]"}
        for name in dice.sample(LABEL_KEYS, dice.choice([0, 0, 0, 1, 2])):
            entry[name] = dice.choice(ODD_VALUES + ODD_MASKS)
        objects.append("{" + ", ".join(f'"{key}": {value}' for key, value in entry.items()) + "}")
    values = {
        "revision": dice.choice([*9 * [json.dumps(revision)], '"old"']),
        "state": dice.choice(['"open"', '"done"', '"skipped"']),
        "objects": "[" + ", ".join(objects) + "]",
        "window": '"w"',
    }
    if dice.random() < 0.2:
        values[dice.choice([*values])] = dice.choice(ODD_VALUES)
    text = "{" + ", ".join(f'"{key}": {value}' for key, value in values.items()) + "}"
    return dice.choice([*8 * [text], text[:-1], dice.choice(ODD_VALUES)])


LABEL_KEYS = ["id", "category_id", "point", "extra_points", "negative_points", "segmentation"]
LABEL_KEYS += ["score", "expected_iou", "flags", "z"]
ODD_MASKS = [
    '{"size": [9, 9], "counts": "0"}',
    '{"size": [16, 16], "counts": "zzz"}',
    '{"size": [16, 16], "counts": "\\u00e9"}',
    '{"size": [1e9, -1], "counts": ""}',
    "[[1, 1, 5, 1, 5, 5]]",
    "-9223372036854775808",
    "[1e308, 2]",
]


def test_odd_labels_of_an_image(caller: Caller) -> None:
    dice, before = random.Random(5), caller.statuses.copy()
    route = "/v1/queue/labels/"
    for _ in range(NUM_LABELS):
        known = caller.client.get(route + "a.png").json()
        name = dice.choice([*6 * ["a.png"], "b.png", "..%2fa.png", "%00", "x" * 3000, "a.png/"])
        text = odd_labels(dice, known["revision"])
        caller.send("POST", route + name, content=text.encode(), headers=AS_JSON)
        caller.send("GET", f"/v1/queue/images/{name}")
    found = caller.statuses - before
    assert found.total() == 2 * NUM_LABELS
    assert found[200] > NUM_LABELS / 2
    assert found[422] > 20
    assert found[409] > 2


STROKES = [
    *30 * ['{"class": "cat", "segmentation": {"size": [24, 32], "counts": "5kg0"}}'],
    *(f'{{"class": "cat", "segmentation": {mask}}}' for mask in ODD_MASKS),
    '{"class": "", "segmentation": {"size": [16, 16], "counts": "0"}}',
    '{"class": "\\ud83d", "segmentation": {"size": [16, 16], "counts": "0"}}',
    *ODD_VALUES,
]


def odd_strokes(dice: random.Random, revision: str) -> str:
    """JSON of strokes and tags that may be right, or almost, or not."""
    revisions = [*30 * [json.dumps(revision)], '"old"', *ODD_VALUES[:4]]
    strokes = dice.choices(STROKES, k=dice.randint(0, 2))
    values = {
        "revision": dice.choice(revisions),
        "state": dice.choice([*3 * ['"done"', '"open"', '"skipped"'], "7"]),
        "tags": dice.choice([*4 * ["[]", '["cat"]', '["cat", "cat"]'], '["weed"]', "7", "[[]]"]),
        "strokes": f"[{', '.join(strokes)}]",
    }
    if dice.random() < 0.1:
        del values[dice.choice([*values])]
    return "{" + ", ".join(f'"{key}": {value}' for key, value in values.items()) + "}"


def test_odd_strokes_of_an_image(mapper: Caller) -> None:
    dice, before = random.Random(6), mapper.statuses.copy()
    route = "/v1/queue/strokes/"
    for _ in range(NUM_LABELS):
        known = mapper.client.get(route + "a.png").json()
        name = dice.choice([*6 * ["a.png"], "b.png", "..%2fa.png", "%00", "x" * 3000, "a.png/"])
        text = odd_strokes(dice, known["revision"])
        mapper.send("POST", route + name, content=text.encode(), headers=AS_JSON)
        mapper.send("GET", f"/v1/queue/labels/{name}")  # objects: there are none
    found = mapper.statuses - before
    assert found.total() == 2 * NUM_LABELS
    assert found[200] > NUM_LABELS / 20
    assert found[422] > 20
    assert found[404] > 20


LABELS = (
    '<View><Image name="image" value="$image"/><KeyPointLabels name="point" toName="image">'
    '<Label value="square"/></KeyPointLabels><BrushLabels name="mask" toName="image">'
    '<Label value="square"/></BrushLabels></View>'
)
ODD_NAMES = [
    *("a.png", "a.png", "../a.png", "/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:1/a"),
    *("s3://bucket/a", "", "\0", "/data/upload/../a", "/data/local-files/?d=../../etc/passwd"),
    *("data:image/png;base64,AAAA", "data:,x", "x" * 5000, "zip://a::b", "~/a", "é\udcff", "."),
    "data:image/png;base64," + base64.b64encode(REAL[4]).decode(),
]


def odd_task(dice: random.Random) -> Json:
    place = {"x": 50, "y": dice.choice([50, -1, 1e308, None, "a"]), "keypointlabels": ["square"]}
    marks = {"result": [{"type": "keypointlabels", "value": dice.choice([place, place, {}, None])}]}
    task: Json = {"data": {"image": dice.choice([*ODD_NAMES, None, 1, ["a.png"]])}}
    return task | dice.choice([{}, {"annotations": [marks]}, {"drafts": marks}, {"data": "x"}])


def test_odd_tasks_of_an_annotation_tool(caller: Caller) -> None:
    dice, before = random.Random(2), caller.statuses.copy()
    for _ in range(NUM_TASKS):
        labels = dice.choice(
            [LABELS, LABELS, LABELS, mutated(LABELS.encode(), dice).decode("latin-1")]
        )
        tasks = [odd_task(dice) for _ in range(dice.randrange(3))]
        context = {"result": [{"type": "keypointlabels", "value": {"x": 1, "y": 1}}]}
        wanted: Json = {"tasks": tasks, "label_config": labels}
        wanted |= dice.choice([{}, {"params": {"context": context}}, {"params": None}])
        caller.send("POST", "/predict", content=json.dumps(wanted), headers=AS_JSON)
    assert (caller.statuses - before).total() == NUM_TASKS
    assert (caller.statuses - before)[200] > 20


def test_odd_decisions_of_a_review(reviewer: Caller) -> None:
    dice, before = random.Random(6), reviewer.statuses.copy()
    for _ in range(NUM_LABELS):
        known = reviewer.client.get("/v1/review").json()["masks"][0]
        number = dice.choice([*6 * [str(known["annotation"]["id"])], "-1", "9" * 30, "x", "%00"])
        values = {
            "revision": dice.choice([*9 * [json.dumps(known["revision"])], '"old"']),
            "decision": dice.choice(['"accept"', '"fix"', '"delete"', '"undo"']),
            "category_id": "1",
            "segmentation": json.dumps(known["annotation"]["segmentation"]),
        }
        if dice.random() < 0.4:
            values[dice.choice([*values])] = dice.choice(ODD_VALUES + ODD_MASKS)
        text = "{" + ", ".join(f'"{key}": {value}' for key, value in values.items()) + "}"
        reviewer.send("POST", f"/v1/review/{number}", content=text.encode(), headers=AS_JSON)
        reviewer.send("GET", f"/v1/review/{number}/image")
    found = reviewer.statuses - before
    assert found.total() == 2 * NUM_LABELS
    assert found[200] > NUM_LABELS / 2
    assert found[422] > 20
    assert found[409] > 2


def test_odd_places_and_paths(caller: Caller) -> None:
    dice, before = random.Random(3), caller.statuses.copy()
    paths = ["page/../app.py", "page/%2e%2e/app.py", "page//etc/passwd", "v1/jobs/..%2f..%2fx"]
    paths += ["v1/jobs/%00", "v1/jobs/" + "x" * 3000, "%ff", "page/%00", "page/" + "x" * 3000]
    for _ in range(NUM_PATHS):
        caller.send(dice.choice(["GET", "POST", "HEAD", "DELETE", "PUT"]), "/" + dice.choice(paths))
        name = dice.choice([name for name in ODD_NAMES if name != "a.png"])
        job = {"images": dice.choice([".", "..", name]), "points": name}
        asked = dice.choice([("/v1/jobs", job), ("/v1/models/reload", {"model": name})])
        caller.send("POST", asked[0], content=json.dumps(asked[1]), headers=AS_JSON)
    assert (caller.statuses - before).total() == 2 * NUM_PATHS

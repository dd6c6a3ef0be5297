"""Two parts of the strong images that make two networks differ (DMT): most images are in both."""

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.data.records import Records
from ray_wssis.run import Run
from ray_wssis.semantic.draw import draw
from ray_wssis.semantic.split import TAUGHT
from ray_wssis.storage import write_json

SHARED = 0.6  # of the images; the two parts have half of the others each
PARTS = ("first.parquet", "second.parquet")


def halves(run: Run, data: Artifact) -> Artifact:
    """Write the taught images of each of two networks."""

    def make(stage: Workspace) -> None:
        taught = Records.read(data / TAUGHT)
        own = cut(taught, run.config.seed)
        for name, places in zip(PARTS, own, strict=True):
            taught.select(places).write(stage / name)
        write_json(stage / "halves.json", {"num_images": [len(places) for places in own]})

    made_from = {"taught": data.part(TAUGHT)}
    return run.stage("halves", "Give two networks strong images that differ", made_from, make)


def cut(taught: Records, seed: int) -> tuple[list[int], list[int]]:
    """Return the places of both parts, ascending.  Raises ValueError for fewer than two images."""
    number = len(taught)
    if number < 2:
        raise ValueError(
            f"networks: 2 learn from parts of the strong images, of which there are {number}; "
            "more are needed"
        )
    apart = max(2, round((1 - SHARED) * number))
    chosen = draw(taught, list(range(number)), apart, "half", seed)
    first, second = set(chosen[::2]), set(chosen[1::2])
    return (
        [place for place in range(number) if place not in second],
        [place for place in range(number) if place not in first],
    )

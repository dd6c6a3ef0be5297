"""A second recipe: rounds of adding to some numbers.

python -m tests.support.toy_recipe FOLDER [--wait-in=STAGE]
"""

import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

from ray_wssis.artifacts import Artifact, Workspace
from ray_wssis.run import Run, carry_out
from ray_wssis.run_config import RunConfig


class ToyConfig(RunConfig):
    recipe: Literal["toy"] = "toy"
    add: int = 1
    rounds: int = 2

    def stages(self) -> list[str]:
        return ["data", *(f"round_{number}" for number in range(1, self.rounds + 1)), "sum"]


def toy(run: Run, config: ToyConfig) -> Iterator[Artifact]:
    yield (data := run.stage("data", "Count", {}, partial(write, range(3))))
    made = data
    for number in range(1, config.rounds + 1):
        values = [value + config.add for value in read(made)]
        says = f"Round {number} adds to what it was given"
        made_from = {"given": made, "add": config.add}
        yield (made := run.stage(f"round_{number}", says, made_from, partial(write, values)))
    total = [a + b for a, b in zip(read(data), read(made), strict=True)]
    yield run.stage("sum", "Add up", {"data": data, "last": made}, partial(write, total))


def read(made: Artifact) -> list[int]:
    return [int(line) for line in (made / "numbers").read_text().split()]


def write(values: Sequence[int], stage: Workspace) -> None:
    if f"--wait-in={stage.folder.name}" in sys.argv:
        time.sleep(60)
    (stage / "numbers").write_text("\n".join(map(str, values)))
    with (stage / "log").open("a") as log:
        log.write("made\n")


if __name__ == "__main__":
    carry_out(toy(Run(ToyConfig(), sys.argv[1]), ToyConfig()))

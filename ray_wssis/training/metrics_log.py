"""`metrics.jsonl` and TensorBoard files of one training run."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from upath import UPath

from ray_wssis.storage import is_local, write_atomically

NAME = "metrics.jsonl"
TENSORBOARD = "tensorboard"


class MetricsLog:
    """One JSON object per line, each with its step.

    Lines after step `done` are those of a run that was killed, and are dropped: they will be
    written again.  TensorBoard appends to its files, which a bucket cannot: they are copied there.
    """

    def __init__(self, folder: UPath, done: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # not for those who only read

        self.file = folder / NAME
        self.lines = [line for line in read_metrics(folder) if line["step"] <= done]
        self.charts = folder / TENSORBOARD
        self.drafts = None if is_local(folder) else TemporaryDirectory()
        place = str(self.charts) if self.drafts is None else self.drafts.name
        self.board = SummaryWriter(place, purge_step=done + 1)
        self.flush()

    def write(self, line: dict[str, float]) -> None:
        """Add a line; figures that have no value (NaN) are left out."""
        line = {name: value for name, value in line.items() if not math.isnan(value)}
        self.lines.append(line)
        for name, value in line.items():
            if name != "step":
                self.board.add_scalar(name, value, int(line["step"]))

    def flush(self) -> None:
        """Write the whole file at once: a bucket cannot append, and a full disk keeps the old
        file."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(line) + "\n" for line in self.lines)
        write_atomically(self.file, text.encode())
        self.board.flush()
        if self.drafts is not None:
            for draft in Path(self.drafts.name).iterdir():
                write_atomically(self.charts / draft.name, draft.read_bytes())

    def close(self) -> None:
        self.flush()
        self.board.close()


def read_metrics(folder: UPath) -> list[dict[str, float]]:
    """The lines so far; none if there is no file."""
    file = folder / NAME
    file.fs.invalidate_cache()  # workers write there too
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines() if line]


def describe_best(lines: Sequence[Mapping[str, float]], metric: str) -> str | None:
    """Describe the best of several validations: `best AP 42.5 at step 300, 42.1 at the end`.

    None if there were fewer than two, as the last one has just been shown.
    """
    validated = [line for line in lines if metric in line]
    if len(validated) < 2:
        return None
    best = max(validated, key=lambda line: line[metric])
    name = metric.removeprefix("val/").replace("_", " ")
    told = f"best {name} {best[metric]:.1f} at step {best['step']:.0f}"
    return told if best is validated[-1] else f"{told}, {validated[-1][metric]:.1f} at the end"

"""Measures the memory of a semantic run: drawing class maps, measuring them, reading them.

    python -m benchmarks.class_maps_memory --images 20000

Images of 64 pixels and a small untrained network, as `labelling_engine memory` has for instances.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from upath import UPath

from benchmarks.labelling import tagged_shapes
from benchmarks.labelling_engine import SIZE, private_mib, sampled, write_repeated
from benchmarks.timing import table
from ray_wssis.artifacts import Artifact, Part, Workspace
from ray_wssis.data.records import Records
from ray_wssis.models.model_folder import hash_model
from ray_wssis.models.semantic_network import create_network
from ray_wssis.run import ROWS
from ray_wssis.semantic.audit import judge
from ray_wssis.semantic.count_labels import CountLabels
from ray_wssis.semantic.draw_class_maps import DrawClassMaps
from ray_wssis.semantic.evaluate import label_figures, model_figures
from ray_wssis.semantic.label_config import AuditConfig
from ray_wssis.semantic.segmenter import SemanticSegmenter
from ray_wssis.semantic.segmenter_config import SemanticConfig, Views
from tests.support.tiny_run import SEMANTIC

BACKBONE = SEMANTIC.network.backbone.model_copy(update={"name": "mobilenetv3_small_050"})
CONFIG = SemanticConfig(
    network=SEMANTIC.network.model_copy(update={"backbone": BACKBONE}), shorter=SIZE, longest=SIZE
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stream_and_read(Path(folder), options.images)


def stream_and_read(place: Path, num: int) -> None:
    folder = UPath(place)
    once, _ = tagged_shapes(place, max(1, num // 10), SIZE)
    records = write_repeated(Records.read(once), num, place)
    truth = Records.read(records)
    names = [category.name for category in truth.categories]
    network = create_network(CONFIG.network, len(names))
    SemanticSegmenter(network, CONFIG, truth.categories).save(folder / "model", "")
    model = Part(path=folder / "model", digest=hash_model(folder / "model"))
    drawing = sampled(records, DrawClassMaps.of(model, Views()), folder / "labels" / ROWS)
    print("drawing", drawing.table(num), sep="\n")
    counter = CountLabels.of({"model": model}, len(names), Views())
    print("evaluation", sampled(records, counter, folder / "counts").table(num), sep="\n")
    print(table(["reading", "the driver's memory afterwards, MiB"], reading(folder, truth, names)))


def reading(folder: UPath, truth: Records, names: list[str]) -> list[list[str]]:
    """Read what was drawn as the stages after it do."""
    truth.select([]).write(folder / "audit.parquet")
    data, labels = (Artifact(folder=at, manifest={}) for at in (folder, folder / "labels"))
    stage = Workspace(
        folder=folder, says="", made_from={}, seed=None, started="", resumed=False, clock=0
    )
    ways: dict[str, Callable[[], object]] = {
        "nothing": lambda: None,
        "audit": lambda: judge(stage, data, labels, AuditConfig()),
        "pseudo labels against the truth": lambda: label_figures(truth, labels, "weak", names),
        "counts of the evaluation": lambda: model_figures(folder / "counts", names),
    }
    rows = []
    for name, read in ways.items():
        read()
        rows.append([name, f"{private_mib(os.getpid())['driver']:.0f}"])
    return rows


if __name__ == "__main__":
    main()

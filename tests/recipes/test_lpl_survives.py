"""LPL while what trains and labels is killed: what an undisturbed run makes."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from upath import UPath

from ray_wssis.recipes.catalogue import load_recipe
from ray_wssis.run import ROWS
from ray_wssis.streaming.shards import content_digest
from ray_wssis.streaming.table import shards
from tests.recipes.test_lpl import FEW
from tests.support.killed_here import assert_continues
from tests.support.made import make
from tests.support.small_run import part_of
from tests.support.training_workers import held
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

CONFIG = load_recipe(
    "lpl_shapes",
    [
        *FEW,
        "data.semantic_shapes.num_images=46",
        "hybrid.training.steps=4",
        "hybrid.training.save_every=1",
        "labelling_workers={number: 1, batch_size: 1, shard_size: 2}",
    ],
)
NUM_LABELLED = 42  # weak and audit images


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    make(CONFIG, folder, until="labels")
    return folder


def made_while(kill: Callable[[], None], folder: Path, until: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(kill)
        make(CONFIG, folder, until=until)
        killed.result()


def test_a_learner_continues_from_its_state(
    undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray Train starts another worker whatever is learnt, see tests/training/test_run.py."""
    assert_continues(CONFIG, "hybrid", undisturbed, ["split"], monkeypatch)


def test_a_killed_actor_changes_no_label(undisturbed: Path, tmp_path: Path) -> None:
    folder = part_of(undisturbed, tmp_path, ["split", "hybrid"])
    rows = UPath(folder / "labels" / ROWS)

    def kill() -> None:
        wait_until(lambda: len(shards(rows)) > 1)
        with held("StreamActor") as (actor,):
            assert len(shards(rows)) < NUM_LABELLED / 2
            os.kill(actor, signal.SIGKILL)

    made_while(kill, folder, "labels")
    assert content_digest(rows) == content_digest(UPath(undisturbed / "labels" / ROWS))

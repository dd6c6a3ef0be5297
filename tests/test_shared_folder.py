"""Tests of ray_wssis.shared_folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import ray
from upath import UPath

from ray_wssis import shared_folder
from ray_wssis.shared_folder import NODE, ask, check_shared, working_nodes


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A cluster of three nodes that is not ours, and the places that each does not see."""
    places: dict[str, list[str]] = {"1": [], "2": [], "3": []}
    nodes: list[dict[str, Any]] = [
        {"NodeID": node, "NodeManagerAddress": f"10.0.0.{node}", "Alive": True} for node in places
    ]

    def answer(names: Mapping[str, str], file: str) -> dict[str, bool]:
        assert Path(file).exists()  # here
        return {node: not any(file.startswith(x) for x in places[node]) for node in names}

    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    monkeypatch.setattr(shared_folder, "ask", answer)
    return places


def test_nodes_that_do_not_see_the_folder_of_a_run_are_named(
    blind: dict[str, list[str]], tmp_path: Path
) -> None:
    folder = tmp_path / "run" / "labels"
    blind["2"], blind["3"] = [f"{folder}"], [f"{folder}"]
    complaint = rf"2 of 3 nodes \(10.0.0.2, 10.0.0.3\) do not see files that are .* {folder}: mount"
    with pytest.raises(ValueError, match=complaint):
        check_shared(UPath(folder))
    assert list(folder.iterdir()) == []


def test_nodes_that_do_not_see_the_images_are_named(
    blind: dict[str, list[str]], tmp_path: Path
) -> None:
    (tmp_path / "images").mkdir()
    image = tmp_path / "images" / "a.png"
    image.touch()
    check_shared(UPath(tmp_path / "run"), str(image))
    blind["1"] = [f"{tmp_path}/images"]
    shared_folder._check.cache_clear()
    with pytest.raises(ValueError, match=r"1 of 3 nodes \(10.0.0.1\) do not see the images in"):
        check_shared(UPath(tmp_path / "run"), str(image))


def test_buckets_missing_images_and_our_own_cluster_are_not_looked_at(
    blind: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind["2"] = ["/"]
    check_shared(UPath("memory://bucket/run"), "s3://bucket/images/a.png")
    check_shared(UPath("memory://bucket/run"), str(tmp_path / "missing" / "a.png"))
    monkeypatch.delenv("RAY_ADDRESS")
    check_shared(UPath(tmp_path))


def test_a_node_is_asked_for_a_file(ray_session: None, tmp_path: Path) -> None:
    (node,) = ray.nodes()
    (tmp_path / "there").touch()
    for name in ("there", "missing"):
        seen = ask({node["NodeID"]: "this one"}, str(tmp_path / name))
        assert seen == {node["NodeID"]: name == "there"}


def test_nodes_that_start_no_processes_get_no_work(
    blind: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert working_nodes() == {}
    broken = {"2", "3"}

    def answer(names: Mapping[str, str], file: str) -> dict[str, bool | None]:
        return {node: None if node in broken else True for node in names}

    monkeypatch.setattr(shared_folder, "ask", answer)
    assert working_nodes() == {NODE: "!in(2, 3)"}
    broken.add("1")
    with pytest.raises(
        ValueError, match=r"no node starts processes \(10.0.0.1, 10.0.0.2, 10.0.0.3"
    ):
        working_nodes()


def test_ray_keeps_work_away_from_nodes_by_their_label(ray_session: None) -> None:
    (node,) = ray.nodes()
    where: Any = ray.remote(num_cpus=0)(lambda: ray.get_runtime_context().get_node_id())
    elsewhere = where.options(label_selector={NODE: "!in(1, 2)"}).remote()
    assert ray.get(elsewhere, timeout=60) == node["NodeID"]
    nowhere = where.options(label_selector={NODE: f"!in({node['NodeID']}, 2)"}).remote()
    assert ray.wait([nowhere], timeout=1)[0] == []
    ray.cancel(nowhere)

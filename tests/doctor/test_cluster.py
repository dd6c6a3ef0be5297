import socket
from pathlib import Path

import pytest

from ray_wssis.doctor import cluster
from ray_wssis.doctor.cluster import (
    Node,
    attach,
    check_address,
    check_node,
    check_nodes,
    check_token,
    refused,
    versions,
)
from ray_wssis.doctor.finding import Finding, State


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """One with a token that only its owner may read."""
    (tmp_path / ".ray").mkdir()
    token = tmp_path / ".ray/auth_token"
    token.write_text("secret")
    token.chmod(0o600)
    return tmp_path


def test_a_token_that_is_kept_is_fine(home: Path) -> None:
    assert check_token({"RAY_AUTH_MODE": "token"}, home, attached=True).state is State.OK
    assert check_token({}, home, attached=False).state is State.OK


def test_a_token_that_others_may_read_is_not(home: Path) -> None:
    (home / ".ray/auth_token").chmod(0o644)
    found = check_token({}, home, attached=False)
    assert found.state is State.WARNING
    assert found.to_do == f"Make it private: chmod 600 {home}/.ray/auth_token."


def test_a_token_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    asked = {"RAY_AUTH_MODE": "token"}
    assert check_token(asked, tmp_path, attached=True).state is State.PROBLEM
    given = asked | {"RAY_AUTH_TOKEN": "secret"}
    assert check_token(given, tmp_path, attached=True).state is State.OK


def test_a_token_that_would_not_be_used_is_worth_a_word(home: Path) -> None:
    found = check_token({}, home, attached=True)
    assert (found.state, found.to_do) == (
        State.WARNING,
        "If the cluster requires a token: export RAY_AUTH_MODE=token.",
    )
    assert check_token({"RAY_AUTH_MODE": "disabled"}, home, attached=True).state is State.WARNING


def problem_with(address: str) -> Finding:
    (found,) = check_address(address, None)
    assert found.state is State.PROBLEM
    return found


def test_an_address_where_nobody_answers() -> None:
    assert problem_with("127.0.0.1:1").found == "nothing answers at 127.0.0.1:1"
    assert problem_with("head").found == "nothing answers at head"


def test_the_address_of_a_dashboard_is_not_that_of_a_cluster() -> None:
    assert "RAY_API_SERVER_ADDRESS" in problem_with("http://127.0.0.1:8265").to_do


def test_something_else_that_listens_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "ATTACHES_WITHIN", 5)
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        found = problem_with(f"127.0.0.1:{other.getsockname()[1]}")
    assert "no connection within 5 s" in found.found


def test_why_a_cluster_was_not_attached_to_is_the_last_thing_that_was_said() -> None:
    said = "Traceback\n  ...\nConnectionError: Failed to connect\n"
    assert refused("head:6379", said).found == (
        "cannot attach to head:6379: ConnectionError: Failed to connect"
    )
    said = "[2026-11-22 05:16:17,045 E 1 2] rpc_client.h:204: Failed within 10 s. See the log."
    assert refused("head:6379", said).found.endswith(":6379: rpc_client.h:204: Failed within 10 s")
    assert refused("head:6379", "").found.endswith(":6379: it gives no reason")


def test_a_token_that_is_missing_is_asked_for() -> None:
    said = "W gcs_client.cc: InvalidAuthToken: it is missing or incorrect\nConnectionError: Failed"
    found = refused("head:6379", said)
    assert found.found == "head:6379 requires a token that this process does not have"
    assert "export RAY_AUTH_MODE=token" in found.to_do


def test_without_an_address_a_run_has_a_ray_of_its_own() -> None:
    (found,) = check_address(None, None)
    assert found.state is State.OK


HERE = {"python": "3.11.7", "ray": "2.60.0", "ray-wssis": "0.1.0"}


def test_a_node_with_other_versions_is_a_problem() -> None:
    node = Node(name="b", versions=HERE | {"ray": "2.59.0"}, clock_differs=0, sees_out=True)
    (found,) = check_node(node, HERE, None)
    assert (found.state, found.found) == (State.PROBLEM, "has ray 2.59.0, here 2.60.0")


def test_a_node_without_this_package_is_fine() -> None:
    node = Node(
        name="b", versions=HERE | {"ray-wssis": "not installed"}, clock_differs=0, sees_out=True
    )
    (found,) = check_node(node, HERE, None)
    assert found.state is State.OK


def test_a_node_with_another_disk_and_another_time() -> None:
    node = Node(name="b", versions=HERE, clock_differs=90, sees_out=False)
    clock, storage = check_node(node, HERE, "/runs")
    assert clock.found == "its clock differs by 90 s from this machine's"
    assert (storage.state, storage.found) == (
        State.PROBLEM,
        "does not see files written to /runs",
    )


@pytest.mark.slow
def test_a_real_cluster_is_attached_to_and_looked_at(ray_session: None, tmp_path: Path) -> None:
    import ray

    whole, node = attach(ray.get_runtime_context().gcs_address, str(tmp_path))
    assert whole.state is State.OK  # itself, not only its value: it is shown in a colour
    assert whole.found.startswith("nodes: 1, CPUs: 4, GPUs: 0, memory: ")
    assert (node.state, node.found) == (State.OK, "same versions, sees --out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_folder_that_only_the_driver_sees_is_noticed(
    ray_session: None,
) -> None:
    _, node = check_nodes("memory://runs")  # each process has a memory of its own
    assert node.state is State.PROBLEM
    assert node.found == "does not see files written to memory://runs"


@pytest.mark.slow
def test_a_node_that_starts_no_processes_is_a_problem(ray_session: None) -> None:
    nodes, [found] = cluster.ask({"ab" * 28: "10.0.0.2"}, None)
    assert nodes == []
    assert found.state is State.PROBLEM
    assert found.found.startswith("starts no processes: ")
    assert "disk" in found.to_do


def test_versions_of_what_is_not_installed_are_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "PACKAGES", ("ray", "no-such-package"))
    assert versions()["no-such-package"] == "not installed"


def test_nodes_that_are_gone_are_named_with_the_loop_that_brings_them_back() -> None:
    nodes = [
        {"NodeManagerAddress": "10.0.0.1", "Alive": True},
        {"NodeManagerAddress": "10.0.0.2", "Alive": False},
        {"NodeManagerAddress": "10.0.0.2", "Alive": False},
        {"NodeManagerAddress": "10.0.0.3", "Alive": False},
        {"NodeManagerAddress": "10.0.0.3", "Alive": True},  # it came back
    ]
    (finding,) = cluster.check_lost(nodes)
    assert finding.about == "node 10.0.0.2" and finding.state is State.WARNING
    assert "ray start --address HEAD:6379 --block" in str(finding.to_do)

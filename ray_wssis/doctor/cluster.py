"""Checks of Ray: its token, its ports, and whether the nodes of a cluster are alike."""

import importlib.metadata
import json
import logging
import os
import platform
import socket
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ray_wssis.doctor.finding import Finding, State, fine, problem, warning
from ray_wssis.session import configure
from ray_wssis.storage import locate, remove

PORTS = {6379: "ray start --head", 8265: "the dashboard of Ray", 8000: "wssis serve"}
ANSWERS_WITHIN = 3.0  # seconds, for a port
ATTACHES_WITHIN = 120.0
CLOCK_MAY_DIFFER = 5.0  # seconds
PACKAGES = ("ray", "torch", "torchvision", "timm", "pyarrow", "ray-wssis")
NOT_THERE = "not installed"
IMPATIENT = {  # for a port that answers but is not that of a head
    "RAY_NUM_REDIS_GET_RETRIES": "5",
    "RAY_gcs_server_request_timeout_seconds": "10",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
}
TOKEN_REFUSED = "InvalidAuthToken"  # Ray says so of a missing token, too


def check_token(environment: Mapping[str, str], home: Path, attached: bool) -> Finding:
    """Check that a token exists if Ray requires one, and that only its owner can read it."""
    mode = environment.get("RAY_AUTH_MODE")
    file = Path(environment.get("RAY_AUTH_TOKEN_PATH") or home / ".ray" / "auth_token")
    has_token = "RAY_AUTH_TOKEN" in environment or file.exists()
    if mode == "disabled":
        return warning(
            "token",
            "RAY_AUTH_MODE=disabled: anyone who reaches a port of Ray can run code here",
            "Keep its ports inside a trusted network, or set RAY_AUTH_MODE=token.",
        )
    if mode == "token" and not has_token:
        return problem(
            "token",
            f"RAY_AUTH_MODE=token, but neither RAY_AUTH_TOKEN nor {file} exists",
            f"Copy {file} from the head node, or create one: ray get-auth-token --generate.",
        )
    if attached and mode is None and has_token:
        return warning(
            "token",
            "found, but not sent to the cluster because RAY_AUTH_MODE is not set",
            "If the cluster requires a token: export RAY_AUTH_MODE=token.",
        )
    if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
        return warning(
            "token",
            f"other users can read {file}",
            f"Make it private: chmod 600 {file}.",
        )
    return fine("token", "found" if has_token else "none yet: Ray creates one when it starts")


def check_ports(attached: bool) -> Iterator[Finding]:
    """Check the ports that a head node and an endpoint on this machine would use."""
    for port, user in PORTS.items():
        if not answers("127.0.0.1", port):
            yield fine(f"port {port}", f"free for {user}")
        elif attached or port == 8000:
            yield fine(f"port {port}", f"in use, perhaps by {user}")
        else:
            yield warning(
                f"port {port}",
                f"in use, perhaps by {user}, but RAY_ADDRESS is not set",
                "To use the Ray cluster that runs here: export RAY_ADDRESS=auto.",
            )


def answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=ANSWERS_WITHIN):
            return True
    except OSError:
        return False


def check_address(address: str | None, out: str | None) -> Iterator[Finding]:
    """Attach to the cluster as a run would, and check every node."""
    if address is None or address == "local":
        yield fine("Ray", "wssis starts a local cluster and stops it at the end")
    elif found := check_form(address):
        yield found
    else:
        yield from attach(address, out)


def check_form(address: str) -> Finding | None:
    """The problem with an address, or with what listens there; None when there is no problem."""
    if "://" in address:
        return problem(
            "Ray",
            f"{address} is the address of a dashboard or a Ray client, not of a cluster",
            "Set RAY_ADDRESS to HEAD:6379 or auto; ray job submit reads "
            "RAY_API_SERVER_ADDRESS=http://HEAD:8265 instead.",
        )
    host, _, port = address.rpartition(":")
    if address != "auto" and not (host and port.isdigit() and answers(host, int(port))):
        return problem(
            "Ray",
            f"nothing answers at {address}",
            "Use the HOST:PORT that ray start --head printed, and open that port.",
        )
    return None


def attach(address: str, out: str | None) -> list[Finding]:
    """Findings of `main` in a process that can be given up: Ray may retry for minutes, or abort."""
    command = [sys.executable, "-m", "ray_wssis.doctor.cluster", address]
    try:
        done = subprocess.run(
            command + ([] if out is None else [out]),
            capture_output=True,
            text=True,
            check=False,
            timeout=ATTACHES_WITHIN,
        )
        if done.returncode == 0:
            return read_findings(done.stdout.splitlines()[-1])
        return [refused(address, done.stderr)]
    except subprocess.TimeoutExpired:
        return [refused(address, f"no connection within {ATTACHES_WITHIN:.0f} s")]


def read_findings(line: str) -> list[Finding]:
    """Findings from the line that `main` printed."""
    return [Finding(**values | {"state": State(values["state"])}) for values in json.loads(line)]


def refused(address: str, output: str) -> Finding:
    """The problem, from the `output` of the process that could not attach: its reason is last."""
    if TOKEN_REFUSED in output:
        return problem(
            "Ray",
            f"{address} requires a token that this process does not have",
            "Copy ~/.ray/auth_token from the head node, and export RAY_AUTH_MODE=token.",
        )
    line = (output.strip().splitlines() or ["it gives no reason"])[-1]
    reason = line.rpartition("] ")[2].partition(". ")[0]  # Ray begins with time, process, file
    return problem(
        "Ray",
        f"cannot attach to {address}: {reason}",
        "Check that it is the port of a head node (6379), and use the same versions of Python "
        "and Ray as that node.",
    )


def main(address: str, out: str | None = None) -> None:
    """Print the findings about the cluster at `address` as JSON."""
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # the nodes' own packages
    for name, value in IMPATIENT.items():
        os.environ.setdefault(name, value)
    configure()
    import ray

    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    found = [asdict(finding) for finding in check_nodes(out)]
    print(json.dumps(found))


@dataclass(frozen=True, kw_only=True)
class Node:
    """Facts that a node reports about itself."""

    name: str
    versions: dict[str, str]
    clock_differs: float  # seconds from this machine, at least
    sees_out: bool


def check_nodes(out: str | None) -> Iterator[Finding]:
    """Report the resources of the attached cluster, and what its nodes do not share."""
    import ray

    every = ray.nodes()
    alive = [node for node in every if node["Alive"]]
    has = ray.cluster_resources()
    yield fine(
        "Ray",
        f"nodes: {len(alive)}, CPUs: {has.get('CPU', 0):g}, GPUs: {has.get('GPU', 0):g}, "
        f"memory: {has.get('memory', 0) / 2**30:.0f} GiB, "
        f"object store: {has.get('object_store_memory', 0) / 2**30:.0f} GiB",
    )
    yield from check_lost(every)
    nodes, others = ask({node["NodeID"]: node["NodeManagerAddress"] for node in alive}, out)
    yield from others
    here = versions()
    for node in nodes:
        yield from check_node(node, here, out)


def check_lost(nodes: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Name the addresses at which there was a node of the cluster and is none now."""
    alive = {node["NodeManagerAddress"] for node in nodes if node["Alive"]}
    for name in sorted({node["NodeManagerAddress"] for node in nodes} - alive):
        yield warning(
            f"node {name}",
            "was lost, and a node that was cut off for a while does not come back by itself",
            "If it is still wanted, start Ray there in a loop: while true; do ray start --address "
            "HEAD:6379 --block; ray stop --force; sleep 10; done",
        )


def check_node(node: Node, here: dict[str, str], out: str | None) -> Iterator[Finding]:
    """Compare a node with this machine, whose versions are `here`."""
    other = [
        f"{name} {version}, here {here[name]}"
        for name, version in node.versions.items()
        if version != here[name]
        and (name, version) != ("ray-wssis", NOT_THERE)  # a job brings it along
    ]
    if other:
        yield problem(
            f"node {node.name}",
            f"has {'; '.join(other)}",
            "Install the same versions on every node, preferably from one container image.",
        )
    if node.clock_differs > CLOCK_MAY_DIFFER:
        yield warning(
            f"node {node.name}",
            f"its clock differs by {node.clock_differs:.0f} s from this machine's",
            "Synchronize the clocks of all nodes with NTP.",
        )
    if not node.sees_out:
        yield problem(
            f"node {node.name}",
            f"does not see files written to {out}",
            "Mount the shared file system at the same path on every node, or use a bucket.",
        )
    if not other and node.sees_out:
        yield fine(f"node {node.name}", "same versions" + (", sees --out" if out else ""))


def versions() -> dict[str, str]:
    """Versions of Python and PACKAGES on this machine."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = NOT_THERE
    return found


def look_around(file: str | None) -> dict[str, Any]:
    """Report versions, time and whether the node sees `file`.

    Runs on every node.  A node may lack this package: functions of `__main__` are sent to it whole.
    """
    sees = file is None
    if file is not None:
        from upath import UPath

        sees = UPath(file).exists()
    return {"versions": versions(), "time": time.time(), "sees": sees}


def ask(nodes: Mapping[str, str], out: str | None) -> tuple[list[Node], list[Finding]]:
    """Return the answers of nodes, given as addresses by id, and findings about the others.

    Meanwhile there is a file in `out` that every node looks for.
    """
    from ray_wssis.nodes import NODE_ANSWERS_WITHIN, ask_nodes

    marker = None if out is None else locate(out) / f".doctor-{uuid.uuid4().hex}"
    if marker is not None:
        marker.write_bytes(b"?")
    try:
        asked_at = time.time()
        answers = ask_nodes(nodes, look_around, None if marker is None else str(marker))
        answered_at = time.time()
    finally:
        if marker is not None:
            remove(marker)
    found = [
        Node(
            name=nodes[node],
            versions=facts["versions"],
            clock_differs=max(asked_at - facts["time"], facts["time"] - answered_at, 0.0),
            sees_out=facts["sees"],
        )
        for node, facts in answers.given.items()
    ]
    others = {node: f"starts no processes: {why}" for node, why in answers.refused.items()}
    silent = f"did not start a process within {NODE_ANSWERS_WITHIN:.0f} s"
    others |= dict.fromkeys(answers.silent, silent)
    to_do = (
        "Look at its disk and at its logs in /tmp/ray/session_latest/logs, or remove the node "
        "from the cluster."
    )
    return found, [problem(f"node {nodes[node]}", what, to_do) for node, what in others.items()]


if __name__ == "__main__":
    main(*sys.argv[1:])

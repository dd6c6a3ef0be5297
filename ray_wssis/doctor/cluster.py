"""Ray: its token, its ports, and whether the nodes of a cluster are alike."""

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
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ray_wssis.doctor.finding import Finding, State, fine, problem, warning
from ray_wssis.session import configure
from ray_wssis.storage import locate, remove

PORTS = {6379: "ray start --head", 8265: "the dashboard of Ray", 8000: "wssis serve"}
ANSWERS_WITHIN = 3.0  # seconds, for a port
ATTACHES_WITHIN = 120.0
NODE_ANSWERS_WITHIN = 60.0  # a process may have to be started
CLOCK_MAY_DIFFER = 5.0  # seconds
PACKAGES = ("ray", "torch", "torchvision", "timm", "pyarrow", "ray-wssis")
NOT_THERE = "not installed"
IMPATIENT = {  # with a port that has answered, and then does not say what a head would
    "RAY_NUM_REDIS_GET_RETRIES": "5",
    "RAY_gcs_server_request_timeout_seconds": "10",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
}
TOKEN_REFUSED = "InvalidAuthToken"  # Ray's word for a missing one, too


def check_token(environment: Mapping[str, str], home: Path, attached: bool) -> Finding:
    """Whether Ray will ask for a token, and has one to give."""
    mode = environment.get("RAY_AUTH_MODE")
    file = Path(environment.get("RAY_AUTH_TOKEN_PATH") or home / ".ray" / "auth_token")
    has_token = "RAY_AUTH_TOKEN" in environment or file.exists()
    if mode == "disabled":
        return warning(
            "token",
            "RAY_AUTH_MODE=disabled: whoever reaches a port of Ray can run code here",
            "Keep its ports inside a network that you trust, or set RAY_AUTH_MODE=token.",
        )
    if mode == "token" and not has_token:
        return problem(
            "token",
            f"RAY_AUTH_MODE=token, and neither RAY_AUTH_TOKEN nor {file} is there",
            f"Copy {file} of the head to here, or make one: ray get-auth-token --generate.",
        )
    if attached and mode is None and has_token:
        return warning(
            "token",
            "there is one, and a cluster is attached to without it while RAY_AUTH_MODE is not set",
            "If the cluster asks for a token: export RAY_AUTH_MODE=token.",
        )
    if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
        return warning(
            "token", f"others may read {file}", f"Keep it to yourself: chmod 600 {file}."
        )
    return fine("token", "there is one" if has_token else "Ray makes one where it is started")


def check_ports(attached: bool) -> Iterator[Finding]:
    """The ports that a head and an endpoint on this machine would want."""
    for port, user in PORTS.items():
        if not answers("127.0.0.1", port):
            yield fine(f"port {port}", f"free for {user}")
        elif attached or port == 8000:
            yield fine(f"port {port}", f"in use, perhaps by {user}")
        else:
            yield warning(
                f"port {port}",
                f"in use, perhaps by {user}, and RAY_ADDRESS is not set",
                "To work on a Ray that runs here: export RAY_ADDRESS=auto.",
            )


def answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=ANSWERS_WITHIN):
            return True
    except OSError:
        return False


def check_address(address: str | None, out: str | None) -> Iterator[Finding]:
    """Attach as a run would, and look at every node."""
    if address is None or address == "local":
        yield fine("Ray", "wssis starts one on this machine, and ends it")
    elif found := check_form(address):
        yield found
    else:
        yield from attach(address, out)


def check_form(address: str) -> Finding | None:
    """What is wrong with an address, or with what is there."""
    if "://" in address:
        return problem(
            "Ray",
            f"{address} is not the address of a cluster, but of its dashboard or a Ray client",
            "Set RAY_ADDRESS to HEAD:6379 or auto; what ray job submit wants is "
            "RAY_API_SERVER_ADDRESS=http://HEAD:8265.",
        )
    host, _, port = address.rpartition(":")
    if address != "auto" and not (host and port.isdigit() and answers(host, int(port))):
        return problem(
            "Ray",
            f"nothing answers at {address}",
            "Give the head's HOST:PORT as ray start --head printed it, and open the port.",
        )
    return None


def attach(address: str, out: str | None) -> list[Finding]:
    """What `main` finds, in a process that can be given up: Ray tries for minutes, or aborts."""
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
        return [refused(address, f"nothing happens for {ATTACHES_WITHIN:.0f} s")]


def read_findings(line: str) -> list[Finding]:
    """What `main` printed."""
    return [Finding(**each | {"state": State(each["state"])}) for each in json.loads(line)]


def refused(address: str, said: str) -> Finding:
    """`said` is what the process that tried to attach wrote, the reason last."""
    if TOKEN_REFUSED in said:
        return problem(
            "Ray",
            f"{address} wants a token that this process does not show",
            "Copy the head's ~/.ray/auth_token to here, and export RAY_AUTH_MODE=token.",
        )
    line = (said.strip().splitlines() or ["it says nothing"])[-1]
    reason = line.rpartition("] ")[2].partition(". ")[0]  # Ray begins with time, process, file
    return problem(
        "Ray",
        f"{address} does not take us: {reason}",
        "Look whether it is the port of a head (6379), and use the versions of Python and Ray "
        "that it has.",
    )


def main(address: str, out: str | None = None) -> None:
    """Print findings about the cluster as JSON."""
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # the nodes' own packages
    for name, value in IMPATIENT.items():
        os.environ.setdefault(name, value)
    configure()
    import ray

    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    found = [asdict(each) for each in check_nodes(out)]
    print(json.dumps(found))


@dataclass(frozen=True, kw_only=True)
class Node:
    """What a node says about itself."""

    name: str
    versions: dict[str, str]
    clock_differs: float  # seconds, at least
    sees_out: bool


def check_nodes(out: str | None) -> Iterator[Finding]:
    """Resources of the cluster this process is attached to, and what its nodes do not share."""
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    has = ray.cluster_resources()
    yield fine(
        "Ray",
        f"nodes: {len(alive)}, CPUs: {has.get('CPU', 0):g}, GPUs: {has.get('GPU', 0):g}, "
        f"memory: {has.get('memory', 0) / 2**30:.0f} GiB, "
        f"for objects: {has.get('object_store_memory', 0) / 2**30:.0f} GiB",
    )
    nodes, silent = ask(alive, out)
    for name in silent:
        yield problem(
            f"node {name}",
            f"did not start a process within {NODE_ANSWERS_WITHIN:.0f} s",
            "Look at the logs of that node, /tmp/ray/session_latest/logs, or take it away.",
        )
    for node in nodes:
        yield from check_node(node, versions(), out)


def check_node(node: Node, here: dict[str, str], out: str | None) -> Iterator[Finding]:
    """`here` are the versions of this machine."""
    other = [
        f"{name} {version}, here {here[name]}"
        for name, version in node.versions.items()
        if version != here[name] and (name, version) != ("ray-wssis", NOT_THERE)  # jobs bring it
    ]
    if other:
        yield problem(
            f"node {node.name}",
            f"has {'; '.join(other)}",
            "Install the same versions on every node, best as one image.",
        )
    if node.clock_differs > CLOCK_MAY_DIFFER:
        yield warning(
            f"node {node.name}",
            f"its clock is {node.clock_differs:.0f} s off this one",
            "Set the clocks of all nodes by NTP.",
        )
    if not node.sees_out:
        yield problem(
            f"node {node.name}",
            f"does not see what is written to {out}",
            "Mount the shared file system at the same place on every node, or use a bucket.",
        )
    if not other and node.sees_out:
        yield fine(f"node {node.name}", "same versions" + (", sees --out" if out else ""))


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = NOT_THERE
    return found


def look_around(file: str | None) -> dict[str, Any]:
    """Runs on a node, which need not have this package: what is in `__main__` travels along."""
    sees = file is None
    if file is not None:
        from upath import UPath

        sees = UPath(file).exists()
    return {"versions": versions(), "time": time.time(), "sees": sees}


def ask(alive: list[dict[str, Any]], out: str | None) -> tuple[list[Node], list[str]]:
    """What each node says, and the names of those that say nothing.

    A file is in `out` meanwhile, and every node looks for it.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    marker = None if out is None else locate(out) / f".doctor-{uuid.uuid4().hex}"
    file = None if marker is None else str(marker)
    if marker is not None:
        marker.write_bytes(b"?")
    try:
        look = ray.remote(num_cpus=0)(look_around)
        asked_at = time.time()
        asked = {}
        for node in alive:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            remote = look.options(scheduling_strategy=there)
            asked[remote.remote(file)] = node["NodeManagerAddress"]
        answered, silent = ray.wait(
            list(asked), num_returns=len(asked), timeout=NODE_ANSWERS_WITHIN
        )
        until = time.time()
        said = [
            Node(
                name=asked[reference],
                versions=seen["versions"],
                clock_differs=max(asked_at - seen["time"], seen["time"] - until, 0.0),
                sees_out=seen["sees"],
            )
            for reference, seen in zip(answered, ray.get(answered), strict=True)
        ]
    finally:
        if marker is not None:
            remove(marker)
    return said, [asked[reference] for reference in silent]


if __name__ == "__main__":
    main(*sys.argv[1:])

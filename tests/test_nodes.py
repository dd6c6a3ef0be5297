"""Tests of ray_wssis.nodes."""

import ray
from ray.exceptions import RuntimeEnvSetupError

from ray_wssis.nodes import ask_nodes, reason


def test_nodes_answer_or_say_why_they_do_not(ray_session: None) -> None:
    [node] = [node["NodeID"] for node in ray.nodes()]
    gone = "ab" * (len(node) // 2)  # well-formed, and of no node
    answers = ask_nodes([node, gone], lambda number: number + 1, 41)
    assert answers.given == {node: 42}
    assert list(answers.refused) == [gone]
    assert answers.silent == []


def test_why_a_process_was_not_started_is_one_line() -> None:
    error = RuntimeEnvSetupError(
        "Traceback (most recent call last):\n  File ...\n"
        "OSError: [Errno 28] No space left on device: '/tmp/ray/a'\n\nLogs are in ..."
    )
    assert reason(error) == "No space left on device"
    assert reason(RuntimeEnvSetupError("no such package")) == "no such package"

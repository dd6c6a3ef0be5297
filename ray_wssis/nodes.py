"""Questions to the nodes of a cluster, each answered by a process there."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

NODE_ANSWERS_WITHIN = 60.0  # seconds; a process may have to be started there

About = TypeVar("About")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Answers(Generic[Answer]):
    """Answers of nodes, by their ids."""

    given: dict[str, Answer]
    refused: dict[str, str]  # by nodes that start no processes, and why; a disk may be full
    silent: list[str]  # nodes that did not answer in time


def ask_nodes(
    nodes: Iterable[str], question: Callable[[About], Answer], about: About
) -> Answers[Answer]:
    """Call a function on each of the nodes, given by their ids."""
    ask: Any = ray.remote(num_cpus=0, max_retries=0)(question)
    asked = {}
    for node in nodes:
        on_node = NodeAffinitySchedulingStrategy(node, soft=False)
        asked[ask.options(scheduling_strategy=on_node).remote(about)] = node
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=NODE_ANSWERS_WITHIN)
    given, refused = {}, {}
    for call in answered:
        try:
            given[asked[call]] = ray.get(call)
        except RayError as error:
            refused[asked[call]] = reason(error)
    for call in silent:
        ray.cancel(call, force=True)
    return Answers(given, refused, [asked[call] for call in silent])


def reason(error: RayError) -> str:
    """Return the error of the system if there is one, or the last words of Ray's."""
    text = str(error)
    found = re.search(r"\[Errno \d+\] ([^\n'\"\\:]+)", text)
    return found[1].strip() if found else text.strip().splitlines()[-1][:200]

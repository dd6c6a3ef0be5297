"""The actors of a stream: started, given batches, and replaced when they go.

Ray restarts none of them and repeats no call.  So an actor that is gone, for whatever reason, fails
the calls that it had, and the next one gets their batches.
"""

import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError, RuntimeEnvSetupError

from ray_wssis.streaming.actor import StreamActor
from ray_wssis.streaming.item import Item, Ref
from ray_wssis.streaming.labeller import Labeller
from ray_wssis.streaming.pool import Pool

IN_HAND = 2  # batches of an actor: one that it works on, one that is on its node by then
OPENINGS = 3  # that fail one after the other before the stage does
PAUSE = 2.0  # seconds until the next actor opens after one could not; twice as many each time
MOST_PAUSE = 60.0

logger = logging.getLogger(__name__)


class LabellingStopped(ValueError):
    """Labelling ended early for a reason that has nothing to do with any image."""


@dataclass(eq=False)
class Member:
    actor: Any
    placed: Ref  # its node
    opening: Ref | None  # None: its networks are loaded
    node: str = ""  # once they are
    hand: deque[tuple[Ref, Item]] = field(default_factory=deque)


@dataclass
class Outcome:
    """The end of a call: batches that are done, and those that are not."""

    labelled: list[Item] = field(default_factory=list)
    untouched: list[Item] = field(default_factory=list)  # of an actor that is gone
    died: list[Item] = field(default_factory=list)  # what it worked on
    error: RayError | None = None


class Crew:
    """Actors with the networks of one labeller."""

    def __init__(self, name: str, labeller: Labeller, pool: Pool) -> None:
        self.name = name
        self.labeller = labeller
        self.set_size(pool)
        self.members: list[Member] = []
        self.by_call: dict[Ref, Member] = {}
        self.not_opened = 0  # actors in a row
        self.not_before = 0.0  # the next actor starts
        self.working: dict[str, str] = {}  # a label selector: nodes that start processes
        self.refusal: RuntimeEnvSetupError | None = None  # of a node to start one

    def set_size(self, pool: Pool) -> None:
        self.pool = pool
        resources: Any = {"num_cpus": pool.cpus_each, "num_gpus": pool.gpus_each}
        self.actors: Any = ray.remote(max_restarts=0, **resources)(StreamActor)

    def shrink(self, pool: Pool) -> list[Item]:
        """Replace the actors by smaller ones where a node with CPUs is gone.

        Else they might hold all that is left, and nobody could write what they label.  Returns the
        batches that they had in hand.
        """
        if pool.cpus_each >= self.pool.cpus_each:
            return []
        items = self.in_hand()
        self.dismiss_all()
        self.set_size(pool)
        return items

    def grow(self, size: int) -> None:
        """Start actors until there are `size`, where there is room for them or will be."""
        if time.monotonic() < self.not_before:
            return
        while len(self.members) < size:
            actor = self.actors.options(label_selector=self.working).remote()
            opening = actor.open.remote(self.labeller, self.pool.share_cpu)
            member = Member(actor, actor.node.remote(), opening)
            self.members.append(member)
            self.by_call[opening] = member

    def calls(self) -> list[Ref]:
        """All that somebody works on."""
        return list(self.by_call)

    def free(self, item: Item) -> Member | None:
        """Return the member that should have an item next, None if all have enough to do."""
        room = [m for m in self.members if m.opening is None and len(m.hand) < IN_HAND]
        room = [m for m in room if not m.hand or not (item.is_suspect or suspicious(m))]
        return min(room, key=lambda m: (len(m.hand), m.node != item.node), default=None)

    def give(self, member: Member, item: Item) -> None:
        call, item.rows = member.actor.label.options(num_returns=2).remote(item.decoded)
        member.hand.append((call, item))
        self.by_call[call] = member

    def take(self, call: Ref) -> Outcome:
        """Return what became of a call that has ended.

        Raises LabellingStopped if actor after actor cannot load its networks.
        """
        member = self.by_call.pop(call, None)
        if member is None:  # of an actor that is known to be gone
            return Outcome()
        if call is member.opening:
            self.opened(member, call)
            return Outcome()
        place = [each for each, _ in member.hand].index(call)
        item = member.hand[place][1]
        try:
            seconds: Any = ray.get(call)
        except RayActorError as error:
            return self.gone(member, error)
        except RayError as error:
            del member.hand[place]
            return Outcome(died=[item], error=error)
        del member.hand[place]
        item.decoded, item.seconds["model"] = None, seconds
        return Outcome(labelled=[item])

    def opened(self, member: Member, call: Ref) -> None:
        try:
            node: Any = ray.get(call)
        except RayError as error:
            self.dismiss(member)
            if isinstance(error, RuntimeEnvSetupError):
                self.refusal = error
            else:
                self.could_not_open(sentence(error))
        else:
            member.opening, member.node = None, node
            self.not_opened = 0

    def could_not_open(self, reason: str) -> None:
        self.not_opened += 1
        self.not_before = time.monotonic() + min(MOST_PAUSE, PAUSE * 2 ** (self.not_opened - 1))
        hopeful = any(is_ready(member.placed) for member in self.members)  # others, elsewhere
        if self.not_opened >= OPENINGS and not hopeful:
            raise LabellingStopped(
                f"{self.name}: the networks cannot be loaded, tried {self.not_opened} times: "
                f"{reason}. No image is to blame, and finished work is kept: fix the cause and "
                "give the command again"
            )
        logger.warning("%s: a process could not load its networks: %s", self.name, reason)

    def gone(self, member: Member, error: RayActorError) -> Outcome:
        """Blame the oldest batch in hand, which it was working on."""
        self.dismiss(member)
        (_, first), *others = member.hand
        return Outcome(died=[first], untouched=[item for _, item in others], error=error)

    def dismiss(self, member: Member) -> None:
        ray.kill(member.actor)
        self.members.remove(member)
        self.by_call = {call: of for call, of in self.by_call.items() if of is not member}

    def dismiss_all(self) -> None:
        for member in list(self.members):
            self.dismiss(member)

    def in_hand(self) -> list[Item]:
        return [item for member in self.members for _, item in member.hand]

    def is_hungry(self) -> bool:
        """Tell whether an actor has nothing to go on with."""
        return any(m.opening is None and len(m.hand) < IN_HAND for m in self.members)

    def doing(self) -> list[str]:
        """Say what its members do: wait for a place, load networks, label."""
        opening = [is_ready(member.placed) for member in self.members if member.opening is not None]
        counts = {
            f"waiting for {self.pool.size} on a node": opening.count(False),
            "loading networks": opening.count(True),
            "labelling a batch": sum(bool(member.hand) for member in self.members),
        }
        return [f"{number} {what}" for what, number in counts.items() if number]


def is_ready(call: Ref) -> bool:
    ready, _ = ray.wait([call], timeout=0)
    return bool(ready)


def suspicious(member: Member) -> bool:
    return any(item.is_suspect for _, item in member.hand)


def is_lost(error: RayError) -> bool:
    """Tell whether a process or a node took the result of a task with it; else it raised."""
    return not isinstance(error, RayTaskError) or isinstance(error.cause, RayError)


def sentence(error: RayError) -> str:
    """The reason why an actor could not open."""
    if is_lost(error):
        return "the process died meanwhile; out of memory?"
    assert isinstance(error, RayTaskError)
    text = str(error.cause).strip()
    return (
        text
        if isinstance(error.cause, ValueError | OSError)
        else f"{type(error.cause).__name__}: {text}"
    )

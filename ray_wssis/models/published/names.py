"""Published names of tensors, ours, and the check that a state dict is complete."""

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

# How a published name and ours begin; the first pair that fits.  {a:s} counts a, a + s, a + 2 s,
# and so on ({a}: by ones); the n-th number on one side belongs to the n-th on the other.
Names = Sequence[tuple[str, str]]
COUNT = re.compile(r"\{(\d+):?(-?\d*)\}")
BATCH_COUNTER = "num_batches_tracked"  # of a batch norm: not in all files, and no result needs it
RESNET_BY_BLOCKS = {6: "resnet50", 23: "resnet101", 36: "resnet152"}  # blocks of the third stage
MAX_NAMED = 5  # tensors named in an error


def length(state: Mapping[str, Tensor], key: str, axis: int, otherwise: int) -> int:
    """Return the length of one axis of a tensor, or `otherwise`; `fitting` lists missing ones."""
    value = state.get(key)
    return value.shape[axis] if value is not None and value.ndim > axis else otherwise


def fitting(
    state: Mapping[str, Tensor], wanted: Mapping[str, torch.Size], network: str
) -> dict[str, Tensor]:
    """Return the tensors of `state`, which must be those of `wanted` (published names).

    Only the counters of batch norms may be missing, and are left out where they have no place.
    Raises ValueError with all that is wrong.
    """
    unused = [key for key in state if key not in wanted and not key.endswith(BATCH_COUNTER)]
    missing = [key for key in wanted if key not in state and not key.endswith(BATCH_COUNTER)]
    wrong = [
        f"{key} is {list(state[key].shape)}, wanted {list(shape)}"
        for key, shape in wanted.items()
        if key in state and state[key].shape != shape
    ]
    named = (("unused", unused), ("missing", missing), ("of another shape", wrong))
    problems = [f"{len(keys)} {what} ({first_of(keys)})" for what, keys in named if keys]
    if problems:
        raise ValueError(f"{network} weights: among {len(state)} tensors {', '.join(problems)}")
    return {key: value for key, value in state.items() if key in wanted}


def first_of(names: Sequence[str]) -> str:
    """Name a few of many, for a sentence."""
    return ", ".join(names[:MAX_NAMED]) + (", ..." if len(names) > MAX_NAMED else "")


def renamed(published: str, names: Names, network: str) -> str:
    """Return our name of a published key; raise ValueError if no prefix in `names` fits."""
    for theirs, ours in names:
        name = exchanged(published, theirs, ours)
        if name is not None:
            return name
    raise ValueError(f"{network} weights: {published} is in no published network")


def published_name(ours: str, names: Names) -> str:
    """Return the published name of one of our keys; the opposite of `renamed`."""
    found = (exchanged(ours, mine, theirs) for theirs, mine in names)
    return next(name for name in found if name is not None)


def exchanged(name: str, old: str, new: str) -> str | None:
    """Replace the prefix `old` of `name` by `new`; None if it has another one.

    >>> exchanged("conv6.norm.bias", "conv{0:3}.", "layer.{1}.")
    'layer.3.norm.bias'
    """
    texts, counts = parts(old)
    found = re.match(r"(\d{1,3})".join(re.escape(text) for text in texts), name)
    if not found:
        return None
    places = []
    for number, (first, step) in zip(found.groups(), counts, strict=True):
        place, rest = divmod(int(number) - first, step)
        if place < 0 or rest:
            return None
        places.append(place)
    texts, counts = parts(new)
    beginning = texts[0]
    for text, place, (first, step) in zip(texts[1:], places, counts, strict=True):
        beginning += f"{first + step * place}{text}"
    return beginning + name[found.end() :]


def parts(beginning: str) -> tuple[list[str], list[tuple[int, int]]]:
    """Split an entry of `Names`: the texts around its counts, and the counts as (first, step)."""
    texts, firsts, steps = (COUNT.split(beginning)[k::3] for k in range(3))
    return texts, [(int(a), int(s or 1)) for a, s in zip(firsts, steps, strict=True)]

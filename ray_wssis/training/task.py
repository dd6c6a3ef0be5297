"""The contract between the training loop and a method."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from upath import UPath

from ray_wssis.training.streams import Stream

if TYPE_CHECKING:
    import torch
    from torch import nn


class Batch(Protocol):
    """Collated samples of one stream, as a learner gets them by the name of the stream."""

    @property
    def image_ids(self) -> list[int]: ...  # named when the loss is not finite

    def to(self, device: "torch.device") -> "Batch": ...
    def pin_memory(self) -> "Batch": ...


class Task(Protocol):
    """Says what to learn, from which samples, and how to measure and save it.

    A task is sent to every worker, so it holds names of files and not their content.
    """

    @property
    def name(self) -> str: ...
    @property
    def best_metric(self) -> str: ...  # one of the figures of `validate`, larger is better
    @property
    def made_from(self) -> Mapping[str, Any]: ...  # all that decides what is learnt

    def accept(self, folder: UPath) -> None: ...  # ValueError: this model cannot be adopted
    def streams(self) -> Mapping[str, Stream]: ...  # reads nothing: quotas are checked before
    def learner(self) -> "nn.Module": ...  # batches by stream -> named losses
    def validate(self, learner: Any) -> dict[str, float]: ...
    def save(self, learner: Any, folder: UPath) -> None: ...


@runtime_checkable
class NamesParameters(Protocol):
    """A learner whose groups of parameters may have learning rates of their own.

    `training.rate_factors` gives factors by these names.  A parameter is in one group at most;
    those in none have the factor 1.
    """

    def parameter_groups(self) -> "Mapping[str, Iterable[nn.Parameter]]": ...

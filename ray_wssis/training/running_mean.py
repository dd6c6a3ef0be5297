"""The running mean of a learner's weights, which is often a better model than the last weights."""

import copy

import torch
from torch import nn


class RunningMean:
    """A copy of a learner whose weights are the exponential mean of the learner's.

    The first steps weigh alike, until they are as many as `decay` looks back on; otherwise the
    random weights of the beginning would stay in a short training.  Buffers, such as the statistics
    of batch norms, are those of the learner.
    """

    def __init__(self, learner: nn.Module, decay: float) -> None:
        self.learner = copy.deepcopy(learner).requires_grad_(False)
        self.decay = decay

    def update(self, learner: nn.Module, step: int) -> None:
        """Take in the weights after a step, counted from 1.  Waits for no device."""
        blend(self.learner, learner, min(self.decay, 1 - 1 / step))


@torch.no_grad()
def blend(mean: nn.Module, network: nn.Module, decay: float) -> None:
    """Make every parameter of `mean` decay * its own + (1 - decay) * that of `network`, a module
    of the same kind, and copy the buffers."""
    torch._foreach_lerp_(list(mean.parameters()), list(network.parameters()), 1 - decay)
    for own, new in zip(mean.buffers(), network.buffers(), strict=True):
        own.copy_(new)

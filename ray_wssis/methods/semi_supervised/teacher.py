"""A teacher whose weights are the running mean of its student's."""

import copy

import torch
from jaxtyping import Int, UInt8
from torch import Tensor, nn

from ray_wssis.models.deeplab import SemanticOutput
from ray_wssis.models.evaluating import evaluating
from ray_wssis.models.semantic_network import SemanticNetwork


class Teacher(nn.Module):
    num_steps: Int[Tensor, ""]

    def __init__(self, student: SemanticNetwork, decay: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(student).requires_grad_(False)
        self.decay = decay
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def follow(self, student: SemanticNetwork) -> None:
        """Take in the student's weights; all steps weigh alike while there are few."""
        self.num_steps += 1
        new = (1 / self.num_steps).clamp(min=1 - self.decay)
        for mean, weight in zip(self.network.parameters(), student.parameters(), strict=True):
            mean.lerp_(weight, new)
        for own, buffer in zip(self.network.buffers(), student.buffers(), strict=True):
            own.copy_(buffer)

    @torch.no_grad()
    def forward(
        self, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> SemanticOutput:
        with evaluating(self.network):
            output: SemanticOutput = self.network(images, sizes)
        return output

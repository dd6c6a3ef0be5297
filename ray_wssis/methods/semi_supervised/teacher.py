"""A teacher whose weights are the running mean of its student's."""

import copy

import torch
from jaxtyping import Int, UInt8
from torch import Tensor, nn

from ray_wssis.models.deeplab import SemanticOutput
from ray_wssis.models.evaluating import evaluating
from ray_wssis.models.semantic_network import SemanticNetwork
from ray_wssis.training.running_mean import blend


class Teacher(nn.Module):
    def __init__(self, student: SemanticNetwork, decay: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(student).requires_grad_(False)
        self.decay = decay
        self.num_steps = 0

    def get_extra_state(self) -> int:
        """Keep the number of steps in checkpoints."""
        return self.num_steps

    def set_extra_state(self, state: int) -> None:
        self.num_steps = state

    def follow(self, student: SemanticNetwork) -> None:
        """Take in the student's weights; all steps weigh alike while there are few."""
        self.num_steps += 1
        blend(self.network, student, min(self.decay, 1 - 1 / self.num_steps))

    @torch.no_grad()
    def forward(
        self, images: UInt8[Tensor, "B 3 H W"], sizes: Int[Tensor, "B 2"]
    ) -> SemanticOutput:
        with evaluating(self.network):
            output: SemanticOutput = self.network(images, sizes)
        return output

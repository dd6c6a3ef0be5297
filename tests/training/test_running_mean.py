import pytest
import torch
from torch import nn

from ray_wssis.training.running_mean import RunningMean


class Learner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))


def change(learner: Learner) -> None:
    """Do what a step does: change weights and statistics."""
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(torch.randn_like(parameter))
    learner.layers(torch.randn(2, 2, 4, 4))


@pytest.mark.parametrize("decay", [0.5, 0.75, 0.999])
def test_it_is_the_mean_of_a_slow_loop(decay: float) -> None:
    torch.manual_seed(0)
    learner = Learner()
    mean = RunningMean(learner, decay)
    slow = {name: 0.0 * value for name, value in learner.named_parameters()}
    for step in range(1, 11):
        change(learner)
        mean.update(learner, step)
        kept = min(decay, (step - 1) / step)
        for name, value in learner.named_parameters():
            slow[name] = kept * slow[name] + (1 - kept) * value.detach()
    for name, value in mean.learner.named_parameters():
        assert not value.requires_grad
        torch.testing.assert_close(value, slow[name])
    for own, new in zip(mean.learner.buffers(), learner.buffers(), strict=True):
        assert torch.equal(own, new)


def test_the_first_steps_weigh_alike() -> None:
    learner = nn.Linear(1, 1, bias=False)
    mean = RunningMean(learner, decay=0.75)
    means = []
    for step in range(1, 7):
        nn.init.constant_(learner.weight, step)
        mean.update(learner, step)
        means += [weight.item() for weight in mean.learner.parameters()]
    # of 1; 1, 2; 1, 2, 3; 1 to 4; from then on three quarters of the mean and a quarter of the new
    assert means == pytest.approx([1, 1.5, 2, 2.5, 3.125, 3.84375])

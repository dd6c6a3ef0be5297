import torch

from ray_wssis.models.refiner_loss import soft_dice_loss


def test_a_perfect_answer_costs_nothing() -> None:
    truth = torch.zeros(2, 4, 4)
    truth[0, :2] = 1
    logits = torch.stack([50 * (1 - truth), 50 * truth], dim=1)
    torch.testing.assert_close(soft_dice_loss(logits, truth), torch.tensor(0.0))


def test_sums_run_over_the_whole_batch() -> None:
    logits = torch.zeros(2, 2, 1, 2)  # one half everywhere
    truth = torch.tensor([[[1, 1]], [[1, 0]]], dtype=torch.uint8)
    background = 2 * 0.5 / (2 + 1)
    foreground = 2 * 1.5 / (2 + 3)
    expected = torch.tensor(1 - (background + foreground) / 2)
    torch.testing.assert_close(soft_dice_loss(logits, truth), expected)


def test_it_is_computed_in_float32_from_half_precision() -> None:
    logits = torch.zeros(1, 2, 512, 512, dtype=torch.bfloat16)
    loss = soft_dice_loss(logits, torch.zeros(1, 512, 512, dtype=torch.uint8))
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, torch.tensor(1 - 1 / 3))

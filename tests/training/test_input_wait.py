import time

import pytest
import torch

from ray_wssis.training.input_wait import Waiting


def test_only_what_is_between_begin_and_end_is_waiting() -> None:
    waiting = Waiting(torch.device("cpu"))
    time.sleep(0.05)
    waiting.end()
    time.sleep(1)
    waiting.begin()
    time.sleep(0.1)
    waiting.end()
    assert 0.15 <= waiting.take() < 1
    assert waiting.take() == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_that_is_busy_does_not_wait() -> None:
    device = torch.device("cuda")
    square = torch.randn(8192, 8192, device=device)
    square @ square
    torch.cuda.synchronize()
    waiting = Waiting(device)
    waiting.end()
    start = time.perf_counter()
    for _ in range(10):
        square @ square
    waiting.begin()  # while the GPU is at work
    waiting.end()
    torch.cuda.synchronize()
    assert waiting.take() < 0.1 * (time.perf_counter() - start)

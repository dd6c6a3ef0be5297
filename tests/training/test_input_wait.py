import time

import pytest
import torch

from ray_wssis.training.input_wait import InputWait


def test_only_what_is_between_begin_and_end_is_waiting() -> None:
    input_wait = InputWait(torch.device("cpu"))
    time.sleep(0.05)
    input_wait.end()
    time.sleep(1)
    input_wait.begin()
    time.sleep(0.1)
    input_wait.end()
    assert 0.15 <= input_wait.take() < 1
    assert input_wait.take() == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_that_is_busy_does_not_wait() -> None:
    device = torch.device("cuda")
    square = torch.randn(8192, 8192, device=device)
    square @ square
    torch.cuda.synchronize()
    input_wait = InputWait(device)
    input_wait.end()
    start = time.perf_counter()
    for _ in range(10):
        square @ square
    input_wait.begin()  # while the GPU is at work
    input_wait.end()
    torch.cuda.synchronize()
    assert input_wait.take() < 0.1 * (time.perf_counter() - start)

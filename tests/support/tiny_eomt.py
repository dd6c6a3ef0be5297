"""The smallest EoMT that is built like a real one."""

from ray_wssis.models.eomt_config import EoMTConfig

TINY_EOMT = EoMTConfig(
    side=96, width=32, layers=3, heads=2, queries=10, query_layers=1, register_tokens=1
)

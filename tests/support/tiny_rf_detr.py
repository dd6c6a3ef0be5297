"""The smallest RF-DETR that is built like a real one."""

from ray_wssis.models.rf_detr_config import RFDETRConfig

TINY_RF_DETR = RFDETRConfig(
    side=96,
    patch=8,
    windows=2,
    width=32,
    layers=3,
    heads=2,
    looked_at=(1, 3),
    decoder_width=32,
    decoder_layers=2,
    queries=10,
    groups=2,
)

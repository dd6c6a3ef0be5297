"""The network of a student that finds objects with queries."""

from ray_wssis.instance.segmenter_config import SegmenterConfig
from ray_wssis.models.eomt import EoMT
from ray_wssis.models.rf_detr import RFDETR

QueryNetwork = EoMT | RFDETR


def query_network(config: SegmenterConfig, num_classes: int) -> QueryNetwork:
    """Build the network that the configuration names.  Raises ValueError as `create_model`."""
    if config.rf_detr is not None:
        return RFDETR(config.rf_detr, num_classes)
    assert config.eomt is not None
    return EoMT(config.eomt, num_classes)

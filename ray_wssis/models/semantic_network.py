"""The network of a semantic segmenter."""

from ray_wssis.models.deeplab import DeepLab
from ray_wssis.models.deeplab_config import DeepLabConfig
from ray_wssis.models.dpt import DPT
from ray_wssis.models.dpt_config import DPTConfig

SemanticNetwork = DeepLab | DPT  # canvases to a `SemanticOutput`


def create_network(config: DeepLabConfig | DPTConfig, num_classes: int) -> SemanticNetwork:
    """Raises ValueError for a backbone that does not go with the decoder, or its weights."""
    if isinstance(config, DPTConfig):
        return DPT(config, num_classes)
    return DeepLab(config, num_classes)

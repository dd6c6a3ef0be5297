"""The networks that a semantic segmenter may have, told apart by their decoders."""

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from ray_wssis.models.deeplab_config import DeepLabConfig
from ray_wssis.models.dpt_config import DPTConfig

DECODERS = ("deeplab", "dpt")


def decoder_of(value: Any) -> str:
    """Return the tag of a configuration; older ones name no decoder and mean DeepLab."""
    named = value.get("decoder", "deeplab") if isinstance(value, dict) else value.decoder
    return f"decoder={named}"


NetworkConfig = Annotated[
    Annotated[DeepLabConfig, Tag("decoder=deeplab")] | Annotated[DPTConfig, Tag("decoder=dpt")],
    Discriminator(
        decoder_of,
        custom_error_type="unknown_decoder",
        custom_error_message=f"unknown decoder; known are {', '.join(DECODERS)}",
    ),
]

"""Training that starts from a model of another stage or run."""

import logging

from torch import Tensor, nn
from upath import UPath

from ray_wssis.models.model_folder import read_weights

MOST_NAMES = 5  # in the sentence about weights that do not fit
logger = logging.getLogger(__name__)


def load_start(network: nn.Module, folder: UPath) -> None:
    """Fill `network` with the weights of a model folder that fit by name and shape.

    The others keep their values, and a warning lists them.  Raises ValueError if no weight fits,
    or if the folder holds no model.
    """
    own, found = network.state_dict(), read_weights(folder)
    fitting = {name for name in own if name in found and own[name].shape == found[name].shape}
    if not fitting:
        raise ValueError(
            f"start: none of the {len(found)} weights in {folder} fits this network by name and "
            f"shape; {misfits(own, found)}"
        )
    network.load_state_dict({name: found[name] for name in fitting}, strict=False)
    if len(fitting) < len(own) or len(fitting) < len(found):
        logger.warning(
            "start: %d of %d weights come from %s; %s",
            len(fitting),
            len(own),
            folder,
            misfits(own, found),
        )


def misfits(own: dict[str, Tensor], found: dict[str, Tensor]) -> str:
    """`head.weight (2, 8) is (4, 8) there, head.bias is missing there, old.bias is unknown here`"""
    sentences = [
        f"{name} {tuple(own[name].shape)} is {tuple(found[name].shape)} there"
        for name in own
        if name in found and own[name].shape != found[name].shape
    ]
    sentences += [f"{name} is missing there" for name in own if name not in found]
    sentences += [f"{name} is unknown here" for name in sorted(found) if name not in own]
    if len(sentences) > MOST_NAMES:
        sentences[MOST_NAMES:] = [f"and {len(sentences) - MOST_NAMES} more"]
    return ", ".join(sentences)

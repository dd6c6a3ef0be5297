"""Sizes of RF-DETR."""

from pydantic import Field, model_validator

from ray_wssis.config import Config

MASK_SHARE = 4  # pixels of the canvas along one of a mask


class RFDETRConfig(Config):
    """The defaults are those of the published network for segmentation."""

    # A folder as `save_pretrained` of transformers writes it, or a name on the Hugging Face hub;
    # none: everything begins at random.
    weights: str = "none"
    side: int = Field(default=432, ge=48, multiple_of=MASK_SHARE)  # pixels of the square canvas
    patch: int = Field(default=12, ge=4)  # network pixels of a token's side
    windows: int = Field(default=2, ge=1)  # along a side; most layers look at one window only
    width: int = Field(default=384, ge=8)  # channels of a token
    layers: int = Field(default=12, ge=1)
    heads: int = Field(default=6, ge=1)
    looked_at: tuple[int, ...] = (3, 6, 9, 12)  # layers whose tokens the decoder sees
    decoder_width: int = Field(default=256, ge=16, multiple_of=16)
    decoder_layers: int = Field(default=4, ge=1)
    queries: int = Field(default=200, ge=1)  # the most objects that are found in an image
    groups: int = Field(default=13, ge=1)  # of queries, in training; one group is used afterwards

    @model_validator(mode="after")
    def check_sizes(self) -> "RFDETRConfig":
        tile = self.patch * self.windows
        if self.side % tile:
            raise ValueError(
                f"side is {self.side}, it must be a multiple of patch times windows, {tile}"
            )
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}, it must be a multiple of heads, {self.heads}")
        if not self.looked_at or not all(0 < layer <= self.layers for layer in self.looked_at):
            raise ValueError(
                f"looked_at is {self.looked_at}; give numbers of layers, 1 to {self.layers}"
            )
        num_tokens = (self.side // self.patch) ** 2
        if self.queries > num_tokens:
            raise ValueError(
                f"queries is {self.queries}, more than the {num_tokens} tokens they begin from"
            )
        return self

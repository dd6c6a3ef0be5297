"""Sizes of EoMT."""

from pydantic import Field, model_validator

from ray_wssis.config import Config

STRIDE = 16  # network pixels of a token's side


class EoMTConfig(Config):
    """The defaults are those of the small published networks."""

    # A folder as `save_pretrained` of transformers writes it, or a name on the Hugging Face hub;
    # none: everything begins at random.
    weights: str = "none"
    side: int = Field(default=640, ge=64, multiple_of=32)  # pixels of the square canvas
    width: int = Field(default=384, ge=8)  # channels of a token
    layers: int = Field(default=12, ge=2)
    heads: int = Field(default=6, ge=1)
    queries: int = Field(default=200, ge=1)  # the most objects that are found in an image
    query_layers: int = Field(default=3, ge=1)  # the last ones, which see the queries too
    register_tokens: int = Field(default=4, ge=0)
    masked: float = Field(default=0.5, ge=0, le=1)  # share of queries that look at their mask only

    @model_validator(mode="after")
    def check_layers(self) -> "EoMTConfig":
        if self.query_layers >= self.layers:
            raise ValueError(
                f"query_layers is {self.query_layers}, it must be below layers, {self.layers}"
            )
        if self.width % self.heads:
            raise ValueError(f"width is {self.width}, it must be a multiple of heads, {self.heads}")
        return self

"""The data of a semantic run: where they come from, and how they are split."""

from pydantic import Field, model_validator

from ray_wssis.config import Config


class SemanticShapesConfig(Config):
    """The built-in data set, drawn from a seed."""

    num_images: int = Field(default=316, ge=2)  # to learn from
    num_validation_images: int = Field(default=100, ge=1)
    size: int = Field(default=64, ge=64)  # pixels, both sides


class FolderConfig(Config):
    """Images and class maps with the same names."""

    images: str  # folder or URI
    class_maps: str  # folder or URI; an image without a map is weak
    classes: str | tuple[str, ...]  # a text file with a line for each, or the names


class SemanticDataConfig(Config):
    """Exactly one of `semantic_shapes` and `folder`."""

    name: str = "semantic"  # the manifest begins with it
    semantic_shapes: SemanticShapesConfig | None = None
    folder: FolderConfig | None = None
    strong: str | None = None  # list of the images that keep their maps, a name a line
    masks: int | None = Field(default=None, ge=1)  # images that keep them; null: all that have one
    validation: str | None = None  # list of validation images; null: held out
    validation_percent: float = Field(default=20, gt=0, lt=100)  # held out if there is no list
    tags: str | None = None  # CSV with file,tag;tag of weak images; null: from the maps they hide
    tag_noise: float = Field(
        default=0, ge=0, le=1
    )  # chance of a tag to be left out, or another added
    audit: float = Field(
        default=0.1, ge=0, le=0.5
    )  # share of the strong images nothing learns from

    @model_validator(mode="after")
    def check_source(self) -> "SemanticDataConfig":
        given = [source for source in (self.semantic_shapes, self.folder) if source is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of semantic_shapes and folder")
        if self.semantic_shapes and (self.strong or self.validation or self.tags):
            raise ValueError(
                "semantic_shapes has no list of files: leave out strong, validation, tags"
            )
        if self.tags and self.tag_noise:
            raise ValueError("tag_noise is for tags that come from class maps: leave out tags")
        return self

    def files(self) -> list[str]:
        """List the files that decide the split, apart from images and class maps."""
        classes = self.folder.classes if self.folder else None
        named = [self.strong, self.validation, self.tags, classes]
        return [file for file in named if isinstance(file, str)]

    def map_folders(self) -> list[str]:
        """List the folders of class maps."""
        return [self.folder.class_maps] if self.folder else []

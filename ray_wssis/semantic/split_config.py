"""The data of a semantic run: where they come from, and how they are split."""

from pydantic import Field, model_validator

from ray_wssis.config import Config
from ray_wssis.data.sparse.config import SparseConfig, SparseLabelsConfig


class SemanticShapesConfig(Config):
    """The built-in data set, drawn from a seed."""

    num_images: int = Field(default=316, ge=2)  # to learn from
    num_validation_images: int = Field(default=100, ge=1)
    size: int = Field(default=64, ge=64)  # pixels, both sides
    rare: float = Field(default=1, ge=0, le=1)  # how often the last class is shown; 1: as others


class FolderConfig(Config):
    """Images and class maps with the same names."""

    images: str  # folder or URI
    class_maps: str  # folder or URI; an image without a map is weak
    classes: str | tuple[str, ...]  # a text file with a line for each, or the names


class VocConfig(Config):
    """A PASCAL VOC tree.  A list is a name in ImageSets/Segmentation or the path of a file."""

    root: str
    strong: str = "train"
    weak: str = "trainaug"  # images that are strong too count as strong
    validation: str = "val"


class CityscapesConfig(Config):
    """A Cityscapes tree; its part `val` validates."""

    root: str


class SemanticDataConfig(Config):
    """Exactly one source: one of the first four, or `annotations` with `images`."""

    name: str = "semantic"  # the manifest begins with it
    semantic_shapes: SemanticShapesConfig | None = None
    voc: VocConfig | None = None
    cityscapes: CityscapesConfig | None = None
    folder: FolderConfig | None = None
    annotations: str | None = None  # a COCO file, whose masks are painted to class maps
    images: str | None = None  # folder or URI of its images
    strong: str | None = None  # list of the images that keep their maps, a name a line
    masks: int | None = Field(default=None, ge=1)  # that keep them, the first of a list; null: all
    validation: str | None = None  # list of validation images; null: held out
    validation_percent: float = Field(default=20, gt=0, lt=100)  # held out if there is no list
    tags: str | None = None  # CSV with file,tag;tag of weak images; null: from the maps they hide
    tag_noise: float = Field(default=0, ge=0, le=1)  # chance that a tag is left out, or one added
    sparse: SparseConfig | None = None  # drawn from the class maps, which training images lose
    sparse_labels: SparseLabelsConfig | None = None  # files of somebody, instead
    # Share of the images with a class map that nothing learns from, up to a half; 1: all of them,
    # and tags alone teach.
    audit: float = Field(default=0.1, ge=0, le=1)

    @model_validator(mode="after")
    def check_source(self) -> "SemanticDataConfig":
        sources = {
            name: getattr(self, name)
            for name in ("semantic_shapes", "voc", "cityscapes", "folder", "annotations")
        }
        given = [name for name, source in sources.items() if source is not None]
        if len(given) != 1:
            raise ValueError(
                f"give exactly one of {', '.join(sources)}; given are {', '.join(given) or 'none'}"
            )
        if (self.annotations is None) != (self.images is None):
            raise ValueError("annotations and images go together: a COCO file and their folder")
        own = {"semantic_shapes": ("strong", "validation", "tags"), "voc": ("strong", "validation")}
        unused = [key for key in own.get(given[0], ()) if getattr(self, key) is not None]
        if given == ["cityscapes"] and self.validation is not None:
            unused = ["validation"]
        if unused:
            raise ValueError(f"{given[0]} has its own {', '.join(unused)}: leave that out")
        return self

    @model_validator(mode="after")
    def check_sparse(self) -> "SemanticDataConfig":
        if self.sparse is not None and self.sparse_labels is not None:
            raise ValueError(
                "give sparse (drawn from class maps) or sparse_labels (read), not both"
            )
        unfit = [key for key in ("strong", "masks") if getattr(self, key) is not None]
        unfit += ["tag_noise"] if self.tag_noise else []
        if self.is_sparse and unfit:
            raise ValueError(
                "with sparse labels no training image keeps its class map, and its labels are its "
                f"tags: leave out {', '.join(unfit)}"
            )
        return self

    @model_validator(mode="after")
    def check_audit(self) -> "SemanticDataConfig":
        if 0.5 < self.audit < 1:
            raise ValueError(
                f"audit is {self.audit}: it is a share up to 0.5, or 1 to learn from tags alone"
            )
        if self.tags_alone and self.is_sparse:
            raise ValueError("audit is 1: with sparse labels nothing could be learnt; give less")
        return self

    def need_class_maps(self) -> None:
        """Raise ValueError for labels that only some recipes learn from."""
        if self.is_sparse:
            raise ValueError("data: sparse labels are for the recipe agmm; this one needs masks")
        if self.tags_alone:
            raise ValueError("data: audit: 1 is for the recipe cam; this one learns from masks too")

    @property
    def tags_alone(self) -> bool:
        """Tell whether class maps are there to measure with, and nothing learns from them."""
        return self.audit == 1

    @property
    def sparse_kind(self) -> str:
        """Name the kind of sparse labels, for files."""
        return "sparse" if self.sparse is None else self.sparse.kind

    @property
    def is_sparse(self) -> bool:
        """Tell whether all training images have sparse labels."""
        return self.sparse is not None or self.sparse_labels is not None

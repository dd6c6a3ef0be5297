"""The labeller of class activation maps: a class map for every image from its tags alone."""

from dataclasses import dataclass

import pyarrow as pa
from upath import UPath

from ray_wssis.artifacts import Part
from ray_wssis.data.class_maps.png import encode
from ray_wssis.methods.cam.config import KIND, CamLabels, ClassifierModel
from ray_wssis.methods.cam.policy import confidence_of, labels_of
from ray_wssis.models.model_folder import read_description
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.semantic.label_row import SCHEMA, complete
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Infer, Row


@dataclass(frozen=True, kw_only=True)
class DrawActivationMaps:
    model: str  # a model folder
    labels: CamLabels
    made_from: str
    network_size: tuple[int, int]

    canvas_multiple = PADDING_MULTIPLE
    needs_original = False
    schema = SCHEMA.append(pa.field("classes", pa.binary())).append(  # PNG of best classes, of any
        pa.field("scores", pa.binary())  # PNG of their scores times 255
    )

    @classmethod
    def of(cls, model: Part, labels: CamLabels) -> "DrawActivationMaps":
        """Compose it of a model folder.  Raises ValueError if it is none."""
        found = ClassifierModel.model_validate(read_description(model.path, KIND)["config"])
        how = labels.model_dump_json(exclude={"max_failures"})
        return cls(
            model=str(model.path),
            labels=labels,
            made_from=f"{model.digest} {how}",
            network_size=found.sides,
        )

    def open(self) -> Infer:
        import torch

        from ray_wssis.methods.cam.maps import ActivationMaps
        from ray_wssis.methods.cam.refiners.refine import refine
        from ray_wssis.models.device import best_device
        from ray_wssis.semantic.segmenter import to_size

        maps_of = ActivationMaps.load(UPath(self.model), best_device())
        how = self.labels.refine

        @torch.inference_mode()
        def infer(images: list[Image]) -> list[Row]:
            records = [image.record for image in images]
            shown = [image.network_image for image in images]
            drawn = maps_of.draw(shown, [record.tags for record in records], self.labels.views)
            rows: list[Row] = []
            for record, pixels, maps in zip(records, shown, drawn, strict=True):
                present = maps.flatten(1).amax(dim=1) > 0
                if how is not None and present.any():
                    maps[present] = refine(maps[present], pixels, how, self.labels.policy)
                maps[maps_of.may_show(record.tags) == 0] = -1  # never the best
                scores, classes = to_size(maps, (record.height, record.width)).max(dim=0)
                levels = (255 * scores.clamp(min=0)).round()
                rows.append(
                    {
                        "image_id": record.image_id,
                        "file": record.file,
                        "width": record.width,
                        "height": record.height,
                        "tags": record.tags,
                        "annotated": None,
                        "background": maps_of.background,
                        "drawn_classes": classes.to(torch.uint8).cpu().numpy(),
                        "drawn_scores": levels.to(torch.uint8).cpu().numpy(),
                    }
                )
            return rows

        return infer

    def finish(self, row: Row) -> Row:
        classes, scores = row.pop("drawn_classes"), row.pop("drawn_scores")
        policy = self.labels.policy
        row["drawn_labels"] = labels_of(classes, scores, policy, row.pop("background"))
        row["drawn_confidence"] = confidence_of(scores, policy)
        return complete(row) | {"classes": encode(classes), "scores": encode(scores)}

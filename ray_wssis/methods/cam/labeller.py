"""The labeller of class activation maps: a class map for every image from its tags alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from ray_wssis.artifacts import Part
from ray_wssis.data.class_maps.png import encode
from ray_wssis.data.class_maps.tags import background_label
from ray_wssis.methods.cam.config import KIND, CamLabels, Policy
from ray_wssis.methods.cam.policy import confidence_of, labels_of
from ray_wssis.methods.cam.refined_maps import RefinedMaps
from ray_wssis.methods.cam.saliency import read_saliency, with_saliency
from ray_wssis.models.model_folder import categories_of, read_description
from ray_wssis.models.solov2_config import PADDING_MULTIPLE
from ray_wssis.semantic.label_row import SCHEMA, begin_row, complete
from ray_wssis.semantic.split import listing
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Infer, Row


@dataclass(frozen=True, kw_only=True)
class DrawActivationMaps:
    maps: RefinedMaps
    policy: Policy
    background: int | None  # label
    saliency: str | None  # folder of maps
    made_from: str

    canvas_multiple = PADDING_MULTIPLE
    needs_original = False
    schema = SCHEMA.append(pa.field("classes", pa.binary())).append(  # PNG of best classes, of any
        pa.field("scores", pa.binary())  # PNG of their scores times 255
    )

    @classmethod
    def of(
        cls, model: Part, labels: CamLabels, affinity: Part | None = None
    ) -> "DrawActivationMaps":
        """Compose it of model folders; a walk needs one with affinities.

        Raises ValueError if one is none.
        """
        maps = RefinedMaps.of(model, labels.views, labels.refine, labels.policy, affinity)
        categories = categories_of(read_description(model.path, KIND))
        background = background_label(categories)
        if labels.saliency is not None and background is None:
            raise ValueError("labelling.saliency: it tells background, and these data have none")
        brought = "" if labels.saliency is None else f" saliency {listing(labels.saliency)}"
        return cls(
            maps=maps,
            policy=labels.policy,
            background=background,
            saliency=labels.saliency,
            made_from=maps.made_from + brought,
        )

    @property
    def network_size(self) -> tuple[int, int]:
        return self.maps.network_size

    def open(self) -> Infer:
        import torch

        from ray_wssis.semantic.segmenter import to_size

        draw = self.maps.open()

        @torch.inference_mode()
        def infer(images: list[Image]) -> list[Row]:
            records = [image.record for image in images]
            drawn = draw([image.network_image for image in images], [r.tags for r in records])
            rows: list[Row] = []
            for record, maps in zip(records, drawn, strict=True):
                maps[self.never_best(record.tags, len(maps))] = -1
                scores, classes = to_size(maps, (record.height, record.width)).max(dim=0)
                levels = (255 * scores.clamp(min=0)).round()
                rows.append(
                    begin_row(record, record.tags)
                    | {
                        "drawn_classes": classes.to(torch.uint8).cpu().numpy(),
                        "drawn_scores": levels.to(torch.uint8).cpu().numpy(),
                    }
                )
            return rows

        return infer

    def never_best(self, tags: Sequence[int] | None, num_classes: int) -> list[int]:
        """List the labels that no pixel has, whatever the scores: background, and no tags."""
        every = range(num_classes)
        return [k for k in every if k == self.background or (tags is not None and k not in tags)]

    def finish(self, row: Row) -> Row:
        classes, scores = row.pop("drawn_classes"), row.pop("drawn_scores")
        labels = labels_of(classes, scores, self.policy, self.background)
        confidence = confidence_of(scores, self.policy)
        if self.saliency is not None and self.background is not None:
            saliency = read_saliency(self.saliency, row["file"], scores.shape)
            labels, confidence = with_saliency(
                labels, confidence, scores, saliency, self.background
            )
        row["drawn_labels"], row["drawn_confidence"] = labels, confidence
        return complete(row) | {"classes": encode(classes), "scores": encode(scores)}

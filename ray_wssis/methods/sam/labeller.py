"""A labeller that was trained elsewhere: the promptable models of the SAM family.

Segment Anything (arXiv:2304.02643), SAM 2 (arXiv:2408.00714), SAM-HQ (arXiv:2306.01567) and
EdgeTAM (arXiv:2501.07256), as transformers has them.  A point is the prompt, its mask the answer;
nothing is learnt from the masks of a run, which only tell how far the answers can be trusted.

Differs from the papers: of the candidates for a point, the points of all objects choose
(`prompts.py`), and their logits are resized once, to the image, where SAM resizes them twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from ray_wssis.artifacts import short_hash
from ray_wssis.instance.label_row import SCHEMA, complete
from ray_wssis.instance.tidy_config import AS_DRAWN, TidyConfig
from ray_wssis.methods.sam.candidates import Candidate, enlarge
from ray_wssis.methods.sam.weights import STRETCHES, SamWeights
from ray_wssis.streaming.labeller import Infer, Row

LONGEST = 2  # a side of a stretched image is decoded with at most this many times the canvas


@dataclass(frozen=True, kw_only=True)
class SamLabeller:
    weights: SamWeights
    negatives: int  # nearest points of other objects that say "not this one"
    made_from: str
    lineage: dict[str, str]  # what draws, in short, which every mask carries
    tidy: TidyConfig = AS_DRAWN

    needs_original = False  # the networks see a canvas of fixed size
    signals = (
        "predicted_iou",
        "stability",
        "choice_margin",
        "point_inside",
        "area",
        "duplicate",
    )
    schema = pa.unify_schemas(
        [
            SCHEMA,
            pa.schema(
                [
                    ("predicted_iou", pa.list_(pa.float32())),  # by the network itself
                    ("stability", pa.list_(pa.float32())),  # IoU of a tight and a loose cut
                    ("choice_margin", pa.list_(pa.float32())),  # to the next candidate
                ]
            ),
        ]
    )

    @classmethod
    def of(
        cls, weights: SamWeights, negatives: int = 2, *, tidy: TidyConfig = AS_DRAWN
    ) -> "SamLabeller":
        return cls(
            weights=weights,
            negatives=negatives,
            made_from=f"{weights.family} {weights.digest} {negatives} negatives{tidy.made_from}",
            lineage={weights.family: short_hash(weights.digest)},
            tidy=tidy,
        )

    @property
    def network_size(self) -> tuple[int, int]:
        side = self.weights.side
        return side, LONGEST * side if self.weights.family in STRETCHES else side

    @property
    def canvas_multiple(self) -> int:
        return self.network_size[1]  # every canvas is the same

    def open(self) -> Infer:
        from ray_wssis.methods.sam.networks import SamNetworks  # imports torch

        return SamNetworks.load(self.weights, self.negatives).rows

    def finish(self, row: Row) -> Row:
        """Complete a row whose `drawn` are candidates, one per point, or None."""
        size = row["height"], row["width"]
        drawn = row["drawn"]
        masks = [None if one is None else enlarge(one, *size) for one in drawn]
        ious = [0.0 if one is None else one.predicted_iou for one in drawn]
        return complete(
            row
            | {
                "rough": masks,
                "refined": masks,
                "refined_score": ious,
            }
            | signals_of(drawn),
            self.tidy,
        )


def signals_of(drawn: Sequence[Candidate | None]) -> dict[str, list[float]]:
    """Return the columns of a row that are about its candidates."""
    return {
        "predicted_iou": [0.0 if one is None else one.predicted_iou for one in drawn],
        "stability": [0.0 if one is None else one.stability for one in drawn],
        "choice_margin": [0.0 if one is None else one.margin for one in drawn],
    }

"""The networks of the SAM family at work: images and points in, candidates out.

Images are encoded and decoded one after the other, so that no answer depends on which images share
a batch; the objects of an image are decoded in chunks.  The best candidate is found on the coarse
grid of the decoder, so the size of the image costs nothing here.

Legend: S side of the canvas, s of the decoder's grid, n objects of a chunk, K candidates for each,
Q clicks for all objects of the image.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int8, UInt8
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate, pad

from ray_wssis import masks as rle
from ray_wssis.data.records import Point, Record
from ray_wssis.instance.label_row import begin_row
from ray_wssis.methods.sam.candidates import Candidate, cut_out
from ray_wssis.methods.sam.draft_prompts import DraftPrompt, draft_prompt, on_grid
from ray_wssis.methods.sam.prompts import Prompt, choose, chunks, expectations, prompts_of
from ray_wssis.methods.sam.weights import CLASSES, STRETCHES, SamWeights
from ray_wssis.models.device import best_device
from ray_wssis.streaming.decode import Image
from ray_wssis.streaming.labeller import Row

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of all four families
HALF = 0.5  # SAM puts centres of pixels at whole numbers and adds this itself
GRID = 4  # pixels of the canvas along a cell of a mask prompt
FEW = 8  # objects with a mask prompt that are decoded at a time: each needs its own image features


class SamNetworks:
    def __init__(self, model: Any, weights: SamWeights, negatives: int) -> None:
        self.model = model.eval()
        self.stretches = weights.family in STRETCHES
        self.side = weights.side
        self.negatives = negatives

    @classmethod
    def load(cls, weights: SamWeights, negatives: int) -> "SamNetworks":
        """Load the model.  Raises ValueError if some of its weights are missing."""
        import transformers  # the extra `sam`

        transformers.utils.logging.disable_progress_bar()
        known = getattr(transformers, CLASSES[weights.family])
        model, loaded = known.from_pretrained(
            weights.place,
            revision=weights.revision or "main",
            local_files_only=weights.revision is None,
            use_safetensors=True,  # never a pickle
            dtype=torch.float32,
            output_loading_info=True,
        )
        if missing := sorted(loaded["missing_keys"]):
            raise ValueError(
                f"labeller {weights.family}: {weights.place} lacks {len(missing)} weights of the "
                f"model, for instance {missing[0]}"
            )
        return cls(model.to(best_device()), weights, negatives)

    def rows(self, images: list[Image]) -> list[Row]:
        """Draw the objects of some images: one row per image, which `SamLabeller.finish` takes."""
        return [self.row(image.record, image.network_image) for image in images]

    def row(self, record: Record, network_image: UInt8[NDArray[np.uint8], "h w 3"]) -> Row:
        objects = tuple(obj for obj in record.objects if obj.point is not None)
        drawn = self.draw(replace(record, objects=objects), network_image) if objects else []
        return begin_row(record) | {"drawn": drawn}

    @torch.inference_mode()
    def draw(
        self,
        record: Record,
        network_image: UInt8[NDArray[np.uint8], "h w 3"],
        roughs: Sequence[bytes | None] | None = None,
    ) -> list[Candidate | None]:
        """Draw a candidate for each object of a record, all of which have a point.

        With `roughs`, rough masks are part of the prompts, and an object without one gets nothing.
        """
        shape = (self.side, self.side) if self.stretches else network_image.shape[:2]
        scale = shape[0] / record.height, shape[1] / record.width  # canvas pixels per pixel
        embedded = self.embed(self.canvas(network_image))
        prompts = prompts_of(record.objects, self.negatives)
        drafts: dict[int, DraftPrompt] = {}
        wanted: Collection[int] = range(len(prompts))
        most: dict[str, int] = {}
        if roughs is not None:
            drafts = self.drafts(record, roughs, shape, features_of(embedded))
            wanted, most = drafts.keys(), {"size": FEW}
            for place, draft in drafts.items():
                prompts[place] = with_places(prompts[place], draft, scale)
        clicked, expected = expectations(record.objects)
        drawn: list[Candidate | None] = [None] * len(prompts)
        for chunk in chunks(prompts, **most):
            members = [place for place in chunk if place in wanted]
            if not members:
                continue
            own = [drafts[place] for place in members if place in drafts]
            masks, ious = self.decode(embedded, [prompts[i] for i in members], scale, own)
            cells = scale[0] * masks.shape[-2] / self.side, scale[1] * masks.shape[-1] / self.side
            covers = covered(masks, clicked, cells)
            for place, i in enumerate(members):
                drawn[i] = pick(masks[place], ious[place], covers[place], expected[i], cells)
        return drawn

    def drafts(
        self,
        record: Record,
        roughs: Sequence[bytes | None],
        shape: tuple[int, ...],
        features: Float32[NDArray[np.float32], "C e e"],
    ) -> dict[int, DraftPrompt]:
        """Derive prompts from the rough masks that have a pixel, by place.  `shape` is that of the
        image on the canvas."""
        found = {}
        height, width = (max(1, round(side / GRID)) for side in shape)
        for place, rough in enumerate(roughs):
            if rough is not None and rle.area(rough, record.height, record.width):
                mask = rle.decode(rough, record.height, record.width)
                cells = on_grid(mask, height, width, self.side // GRID)
                found[place] = draft_prompt(cells, features)
        return found

    def canvas(self, image: UInt8[NDArray[np.uint8], "h w 3"]) -> Float[Tensor, "1 3 S S"]:
        """Normalise an image; stretch it to the canvas, or pad it with zeros at right and below."""
        device = self.model.device
        mean, std = (torch.tensor(each, device=device)[:, None, None] for each in (MEAN, STD))
        pixels = torch.from_numpy(image.copy()).to(device).permute(2, 0, 1).float()[None]
        if self.stretches:
            size = (self.side, self.side)
            pixels = interpolate(
                pixels, size=size, mode="bilinear", align_corners=False, antialias=True
            )
            return (pixels / 255 - mean) / std
        height, width = pixels.shape[-2:]
        assert max(height, width) <= self.side, f"{height} x {width} on {self.side}"
        return pad((pixels / 255 - mean) / std, (0, self.side - width, 0, self.side - height))

    def embed(self, canvas: Float[Tensor, "1 3 S S"]) -> dict[str, Any]:
        """Encode an image, for as many prompts as there are."""
        embedded = self.model.get_image_embeddings(canvas)
        if isinstance(embedded, tuple):  # of SAM-HQ
            return dict(zip(("image_embeddings", "intermediate_embeddings"), embedded, strict=True))
        return {"image_embeddings": embedded}

    def decode(
        self,
        embedded: dict[str, Any],
        prompts: list[Prompt],
        scale: tuple[float, float],
        drafts: Sequence[DraftPrompt] = (),
    ) -> tuple[Float[Tensor, "n K s s"], Float32[NDArray[np.float32], "n K"]]:
        """Return the logits of the candidates for prompts of equally many clicks, and the IoU that
        the network predicts for each.  `drafts` are what rough masks add to the prompts."""
        clicks = torch.tensor([prompt.points for prompt in prompts], dtype=torch.float32)
        clicks = clicks * torch.tensor([scale[1], scale[0]]) - HALF
        signs = torch.tensor([prompt.positive for prompt in prompts]).long()  # 1: on, 0: off it
        # A mask prompt is added to the features of an image: so each object has its own image.
        axis = 1 if drafts else 0
        asked = {"input_points": clicks.unsqueeze(axis), "input_labels": signs.unsqueeze(axis)}
        if drafts:
            embedded = repeated(embedded, len(drafts))
            boxes = torch.tensor([draft.box for draft in drafts]) * GRID - HALF  # (n, 4)
            asked["input_boxes"] = boxes.unsqueeze(axis)
            logits = torch.from_numpy(np.stack([draft.logits for draft in drafts]))  # (n, s, s)
            asked["input_masks"] = logits.unsqueeze(axis)
        answer = self.model(
            **embedded,
            **{name: value.to(self.model.device) for name, value in asked.items()},
            multimask_output=True,  # False would fall back on rules that nobody can see
        )
        masks, ious = answer.pred_masks.select(axis, 0), answer.iou_scores.select(axis, 0)
        return masks.float(), ious.float().cpu().numpy()


def features_of(embedded: dict[str, Any]) -> Float32[NDArray[np.float32], "C e e"]:
    """Return the coarsest features of an image."""
    features = embedded["image_embeddings"]
    coarsest = features[-1] if isinstance(features, list | tuple) else features
    found: NDArray[np.float32] = coarsest[0].float().cpu().numpy()
    return found


def repeated(value: Any, number: int) -> Any:
    """Repeat the only image in features, however they are nested, without a copy."""
    if isinstance(value, Tensor):
        return value.expand(number, *value.shape[1:])
    if isinstance(value, dict):
        return {key: repeated(each, number) for key, each in value.items()}
    return [repeated(each, number) for each in value]


def with_places(prompt: Prompt, draft: DraftPrompt, scale: tuple[float, float]) -> Prompt:
    """Add the places that a rough mask gives to what people clicked."""
    places = [(draft.on, True), *([] if draft.off is None else [(draft.off, False)])]
    points = tuple((x * GRID / scale[1], y * GRID / scale[0]) for (x, y), _ in places)
    return Prompt(
        points=(*prompt.points, *points),
        positive=(*prompt.positive, *(positive for _, positive in places)),
    )


def covered(
    masks: Float[Tensor, "n K s s"], points: list[Point], cells: tuple[float, float]
) -> Bool[NDArray[np.bool_], "n K Q"]:
    """Tell on which points each candidate lies: on the pixel that holds the point."""
    height, width = masks.shape[-2:]
    places = np.floor(np.array(points)) + HALF
    grid = places * [2 * cells[1] / width, 2 * cells[0] / height] - 1
    flat = masks.flatten(0, 1)[None]  # (1, nK, s, s)
    sampled = grid_sample(
        flat,
        torch.from_numpy(grid).to(flat)[None, None],
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    inside: NDArray[np.bool_] = (sampled[0, :, 0] > 0).cpu().numpy()
    return inside.reshape(*masks.shape[:2], len(points))


def pick(
    masks: Float[Tensor, "K s s"],
    ious: Float32[NDArray[np.float32], " K"],
    covers: Bool[NDArray[np.bool_], "K Q"],
    expected: Int8[NDArray[np.int8], " Q"],
    cells: tuple[float, float],
) -> Candidate | None:
    """Cut the best candidate for an object out of the grid; None if all are empty."""
    empty = (masks.amax(dim=(1, 2)) <= 0).cpu().numpy()
    chosen = choose(ious, covers, expected, empty)
    if chosen is None:
        return None
    logits = masks[chosen.place].cpu().numpy()
    part = cut_out(logits)
    assert part is not None
    return Candidate(
        logits=part[0],
        corner=part[1],
        cells=cells,
        predicted_iou=float(ious[chosen.place].clip(0, 1)),
        stability=float((logits > 1).sum() / (logits > -1).sum()),
        margin=chosen.margin,
    )

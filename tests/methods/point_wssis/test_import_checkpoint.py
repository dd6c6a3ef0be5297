"""Published checkpoints become model folders, or an error says why and nothing is written."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from upath import UPath

from ray_wssis.data.records import Category
from ray_wssis.instance.segmenter import Segmenter
from ray_wssis.instance.segmenter_config import OVERLAPPING_RANGES
from ray_wssis.methods.point_wssis.import_checkpoint import (
    GRIDS,
    import_checkpoint,
    known_categories,
)
from ray_wssis.methods.point_wssis.refiner import Refiner
from ray_wssis.models.backbone_config import PIXEL_STD
from ray_wssis.models.published.names import renamed
from ray_wssis.models.published.refiner import refiner_name
from ray_wssis.models.published.segmenter import SEGMENTER_NAMES
from tests.support.published import (
    REFINER,
    SEGMENTER,
    extremes,
    published_refiner,
    published_segmenter,
)

CPU = torch.device("cpu")


def saved(file: Path, state: dict[str, Tensor], key: str = "model") -> Path:
    torch.save({key: state, "iteration": 1}, file)
    return file


def test_a_segmenter_is_imported(tmp_path: Path) -> None:
    state = published_segmenter()
    first = "backbone.bottom_up.stem.conv1.weight"
    state[first] = torch.arange(64 * 3 * 49.0).view(64, 3, 7, 7)  # blue, green, red
    counter = {"backbone.bottom_up.stem.conv1.norm.num_batches_tracked": torch.tensor(3)}
    file = saved(tmp_path / "model_final.pth", state | counter)  # of a frozen norm: has no place
    import_checkpoint(file, tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "config.json",
        "model.safetensors",
        "model_card.md",
    ]
    loaded = Segmenter.load(UPath(tmp_path / "out"), CPU)
    assert loaded.config.compat == "reference"
    assert loaded.config.network == SEGMENTER
    assert loaded.config.network.grids == GRIDS["student"]
    assert loaded.config.scale_ranges == OVERLAPPING_RANGES
    assert loaded.config.sides == (800, 1333)
    assert [category.id for category in loaded.categories] == [1, 2, 3]

    found = extremes(loaded.network.state_dict())
    red = loaded.network.backbone.body.conv1.weight[:, 0]
    torch.testing.assert_close(red, state[first][:, 2] * 255 * PIXEL_STD[0])
    expected = extremes(
        {renamed(key, SEGMENTER_NAMES, ""): state[key] for key in state if key != first}
    )
    assert {key: found[key] for key in expected} == expected
    assert set(found) - set(expected) == {"backbone.body.conv1.weight"}

    card = (tmp_path / "out" / "model_card.md").read_text()
    assert "`model_final.pth`" in card and "licence" in card and "compat: reference" in card


def test_a_refiner_is_imported(tmp_path: Path) -> None:
    state = published_refiner(num_classes=8)
    first = torch.arange(64 * 13 * 49.0).view(64, 13, 7, 7)
    state["layer0.0.weight"] = first
    del state["layer0.1.num_batches_tracked"]
    file = saved(tmp_path / "best_AP.pt", state, "model_state")
    import_checkpoint(file, tmp_path / "out")
    loaded = Refiner.load(UPath(tmp_path / "out"), CPU)
    assert loaded.network.config == REFINER.model_copy(update={"compat": "reference"})
    assert [category.name for category in loaded.categories][:3] == ["pedestrian", "rider", "car"]
    layer = loaded.network.first
    assert torch.equal(layer.seen.weight, first[:, [0, 1, 2, 12]])
    assert torch.equal(layer.heat_weight, first[:, 3:12].transpose(0, 1))
    found = extremes(loaded.network.state_dict())
    expected = extremes(
        {refiner_name(key): state[key] for key in state if key != "layer0.0.weight"}
    )
    assert {key: found[key] for key in expected} == expected
    counter = "encoder.bn1.num_batches_tracked"
    assert set(found) - set(expected) == {"first.seen.weight", "first.heat_weight", counter}
    assert found[counter] == (0, 0)


def test_the_categories_must_be_as_many_as_the_network_knows(tmp_path: Path) -> None:
    coco = tmp_path / "coco.json"
    entries = [{"id": 9, "name": "b"}, {"id": 2, "name": "a"}]
    coco.write_text(json.dumps({"images": [], "annotations": [], "categories": entries}))
    for state in (published_segmenter(), published_refiner()):
        file = saved(tmp_path / "a.pth", state)
        with pytest.raises(ValueError, match="lists 2 categories, the network knows 3 classes"):
            import_checkpoint(file, tmp_path / "out", categories=coco)
    with pytest.raises(ValueError, match="there is no such annotation file"):
        import_checkpoint(file, tmp_path / "out", categories=tmp_path / "none.json")
    coco.write_text(json.dumps({"images": [], "annotations": [], "categories": [{"id": "x"}]}))
    with pytest.raises(ValueError, match=r"coco\.json: a category: `id` is 'x'"):
        import_checkpoint(file, tmp_path / "out", categories=coco)
    assert not (tmp_path / "out").exists()


def test_known_numbers_of_classes_have_names() -> None:
    coco = known_categories(80)
    assert len(coco) == 80
    assert (coco[0], coco[-1]) == (
        Category(id=1, name="person"),
        Category(id=90, name="toothbrush"),
    )
    gaps = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert [category.id for category in coco] == sorted(set(range(1, 91)) - gaps)
    assert known_categories(8)[7] == Category(id=8, name="bicycle")
    assert known_categories(2) == (Category(id=1, name="1"), Category(id=2, name="2"))


def refusal(tmp_path: Path, state: dict[str, Tensor]) -> str:
    """The error about a state dict that cannot be imported; nothing is written."""
    out = tmp_path / "refused"
    with pytest.raises(ValueError) as caught:
        import_checkpoint(saved(tmp_path / "bad.pth", state), out)
    assert not out.exists()
    return str(caught.value)


def test_tensors_that_are_missing_or_unused_are_named(tmp_path: Path) -> None:
    state = published_segmenter()
    del state["ins_head.cate_tower.3.weight"], state["mask_head.conv_pred.1.bias"]
    state["ins_head.cate_tower.2.weight"] = torch.ones(3)
    state["backbone.bottom_up.res4.5.conv4.weight"] = torch.ones(3)
    state["head.bias"] = torch.ones(3)
    error = refusal(tmp_path, state)
    assert error == (
        "SOLOv2 weights: among 322 tensors 3 unused (ins_head.cate_tower.2.weight, "
        "backbone.bottom_up.res4.5.conv4.weight, head.bias), "
        "2 missing (ins_head.cate_tower.3.weight, mask_head.conv_pred.1.bias)"
    )


@pytest.mark.parametrize(
    "missing",
    [
        "backbone.bottom_up.stem.conv1.weight",
        "backbone.fpn_output2.weight",
        "ins_head.cate_pred.weight",
        "ins_head.kernel_pred.weight",
        "mask_head.conv_pred.0.weight",
    ],
)
def test_a_missing_tensor_that_holds_a_width_is_named(tmp_path: Path, missing: str) -> None:
    state = published_segmenter()
    del state[missing]
    assert f"missing ({missing}" in refusal(tmp_path, state)


@pytest.mark.parametrize("missing", ["aspp.project.0.weight", "decoder_2.conv.1.0.weight"])
def test_a_missing_tensor_of_a_refiner_that_holds_a_width_is_named(
    tmp_path: Path, missing: str
) -> None:
    state = published_refiner()
    del state[missing]
    assert f"missing ({missing}" in refusal(tmp_path, state)


def test_many_names_are_cut(tmp_path: Path) -> None:
    state = published_refiner() | {f"extra.{i}": torch.ones(1) for i in range(20)}
    error = refusal(tmp_path, state)
    assert "20 unused (extra.0, extra.1, extra.2, extra.3, extra.4, ...)" in error


def test_wrong_shapes_are_named(tmp_path: Path) -> None:
    state = published_segmenter()
    state["ins_head.cate_pred.bias"] = torch.ones(80)
    assert refusal(tmp_path, state).endswith(
        "1 of another shape (ins_head.cate_pred.bias is [80], wanted [3])"
    )
    state = published_refiner()
    state["layer0.0.weight"] = torch.ones(32, 8, 7, 7)
    assert refusal(tmp_path, state).endswith(
        "1 of another shape (layer0.0.weight is [32, 8, 7, 7], wanted [64, 8, 7, 7])"
    )


def test_other_networks_are_refused(tmp_path: Path) -> None:
    foreign = {"conv1.weight": torch.ones(64, 3, 7, 7), "layer1.0.conv1.weight": torch.ones(1)}
    error = refusal(tmp_path, foreign)
    assert "neither a published SOLOv2 (ins_head.*) nor a MaskRefineNet (decoder_*)" in error
    assert "2 other tensors (conv1.weight, layer1.0.conv1.weight)" in error
    assert "0 other tensors" in refusal(tmp_path, {})
    shallow = {k: v for k, v in published_segmenter().items() if ".res4.5." not in k}
    assert "5 blocks in res4" in refusal(tmp_path, shallow)
    headless = {k: v for k, v in published_segmenter().items() if "cate_pred" not in k}
    assert "no class output ins_head.cate_pred" in refusal(tmp_path, headless)


def test_an_existing_folder_is_not_overwritten(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.pth", published_refiner())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is there and not empty"):
        import_checkpoint(file, tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["mine.txt"]
    with pytest.raises(ValueError, match="is there and not empty"):
        import_checkpoint(file, file)


def test_grids_are_not_for_a_refiner(tmp_path: Path) -> None:
    file = saved(tmp_path / "a.pth", published_refiner(), "model_state")
    with pytest.raises(ValueError, match=r"grids of a teacher: .* holds a MaskRefineNet"):
        import_checkpoint(file, tmp_path / "out", "teacher")
    assert not (tmp_path / "out").exists()

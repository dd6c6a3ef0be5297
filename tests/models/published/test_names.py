import pytest

from ray_wssis.models.published.names import published_name, renamed
from ray_wssis.models.published.refiner import REFINER_NAMES
from ray_wssis.models.published.segmenter import SEGMENTER_NAMES


def test_published_names_are_those_that_were_published() -> None:
    """Pairs written down by hand, in both directions."""
    for published, ours in {
        "backbone.bottom_up.stem.conv1.weight": "backbone.body.conv1.weight",
        "backbone.bottom_up.stem.conv1.norm.bias": "backbone.body.bn1.bias",
        "backbone.bottom_up.res2.0.shortcut.weight": "backbone.body.layer1.0.downsample.0.weight",
        "backbone.bottom_up.res5.0.shortcut.norm.running_var": (
            "backbone.body.layer4.0.downsample.1.running_var"
        ),
        "backbone.bottom_up.res4.22.conv3.weight": "backbone.body.layer3.22.conv3.weight",
        "backbone.bottom_up.res3.1.conv2.norm.weight": "backbone.body.layer2.1.bn2.weight",
        "backbone.fpn_lateral2.bias": "pyramid.fpn.inner_blocks.0.0.bias",
        "backbone.fpn_output5.weight": "pyramid.fpn.layer_blocks.3.0.weight",
        "ins_head.cate_tower.9.weight": "instance_head.class_tower.3.0.weight",
        "ins_head.kernel_tower.4.bias": "instance_head.kernel_tower.1.1.bias",
        "ins_head.cate_pred.bias": "instance_head.class_out.bias",
        "ins_head.kernel_pred.weight": "instance_head.kernel_out.weight",
        "mask_head.convs_all_levels.0.conv0.0.weight": "mask_head.levels.0.0.0.weight",
        "mask_head.convs_all_levels.3.conv2.1.bias": "mask_head.levels.3.4.1.bias",
        "mask_head.conv_pred.1.weight": "mask_head.out.1.weight",
    }.items():
        assert renamed(published, SEGMENTER_NAMES, "") == ours
        assert published_name(ours, SEGMENTER_NAMES) == published
    for published, ours in {
        "layer0.1.running_mean": "encoder.bn1.running_mean",
        "layer1.1.0.downsample.0.weight": "encoder.layer1.0.downsample.0.weight",
        "layer3.22.bn3.weight": "encoder.layer3.22.bn3.weight",
        "aspp.convs.0.1.0.weight": "aspp.whole.0.weight",
        "aspp.convs.1.1.bias": "aspp.local.1.bias",
        "aspp.convs.4.0.weight": "aspp.dilated.2.0.weight",
        "aspp.project.0.weight": "aspp.project.0.weight",
        "decoder_3.conv.0.0.weight": "decoder.0.join.0.weight",
        "decoder_0.conv.1.1.bias": "decoder.3.smooth.1.bias",
        "head.bias": "head.bias",
    }.items():
        assert renamed(published, REFINER_NAMES, "") == ours
        assert published_name(ours, REFINER_NAMES) == published


def test_a_number_out_of_its_count_fits_nothing() -> None:
    for key in ("ins_head.cate_tower.2.weight", "backbone.fpn_output1.bias", "decoder_4.conv.0."):
        names = REFINER_NAMES if key.startswith("decoder") else SEGMENTER_NAMES
        with pytest.raises(ValueError, match=f"{key} is in no published network"):
            renamed(key, names, "SOLOv2")

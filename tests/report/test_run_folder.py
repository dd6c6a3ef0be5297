from upath import UPath

from ray_wssis.report.run_folder import RunFolder


def test_stages_are_read_from_their_manifests_in_the_order_they_started(run: UPath) -> None:
    found = RunFolder.read(run)
    assert list(found.stages) == ["weights", "apples", "maps", "report"]
    stage = found.stages["maps"]
    assert (stage.says, stage.seconds, stage.seed) == ("Labels <all> images.", 90.0, 7)
    assert stage.failed == [{"image_id": 4, "reason": "zero bytes"}]
    assert stage.rejected == [{"annotation_id": 9, "reason": "beside it"}]
    assert found.stages["weights"].log == [{"step": 1, "loss": 2.0}]


def test_figures_of_the_run_come_from_its_own_file_or_from_the_stages(run: UPath) -> None:
    assert RunFolder.read(run).figures == {"apples": 3.25, "pears": None}
    (run / "metrics.json").write_text('{"apples": 4.0, "plums": NaN}')
    found = RunFolder.read(run)
    assert (found.figure("apples"), found.figure("plums"), found.figure("pears")) == (4, None, None)

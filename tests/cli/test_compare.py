from pathlib import Path

from typer.testing import CliRunner

from ray_wssis.cli.app import app


def test_a_folder_that_is_no_run_is_refused_and_not_made(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["compare", str(tmp_path / "typo")])
    assert result.exit_code == 1
    assert "typo holds no run: there is no config.resolved.yaml" in result.stderr
    assert not (tmp_path / "typo").exists()

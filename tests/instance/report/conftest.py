from tests.support.finished_run import run

__all__ = ["run"]  # a fixture

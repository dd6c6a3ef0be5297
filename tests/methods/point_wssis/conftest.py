from collections.abc import Iterator

import pytest

from tests.support.recordings import RECORDINGS, Recording
from tests.support.untrained import data, untrained

__all__ = ["data", "untrained"]  # fixtures


@pytest.fixture(scope="session", params=RECORDINGS, ids=lambda folder: folder.name)
def recording(request: pytest.FixtureRequest) -> Iterator[Recording]:
    yield Recording(request.param)

"""Buckets that are away for a while, in every way that was seen."""

import logging
import threading
import time
from collections.abc import Iterator

import pytest
from upath import UPath

from ray_wssis import outage
from ray_wssis.data.images.read import ImageError, MissingImage, read_bytes
from ray_wssis.outage import StorageAway
from ray_wssis.patient_s3 import PatientS3
from ray_wssis.storage import write_atomically
from tests.support.faulty_s3 import BUSY, CUT, HANG, RESET, SAME, SLOW, FaultyS3, faulty_s3


@pytest.fixture(scope="module")
def service() -> Iterator[FaultyS3]:
    with faulty_s3() as service:
        UPath("s3://data").mkdir()
        UPath("s3://data/there.png").write_bytes(b"pixels")
        yield service


@pytest.fixture(autouse=True)
def always_there(service: FaultyS3) -> Iterator[None]:
    yield
    service.answers = SAME


def comes_back(service: FaultyS3, seconds: float) -> None:
    timer = threading.Timer(seconds, lambda: setattr(service, "answers", SAME))
    timer.daemon = True
    timer.start()


def test_every_s3_address_is_opened_by_it(service: FaultyS3) -> None:
    assert isinstance(UPath("s3://data/there.png").fs, PatientS3)
    assert isinstance(UPath("s3a://data/there.png").fs, PatientS3)


@pytest.mark.parametrize("answers", [BUSY, CUT, RESET])
def test_reading_and_writing_wait_until_it_answers(service: FaultyS3, answers: str) -> None:
    service.answers, service.num_refused = answers, 0
    comes_back(service, 2)
    start = time.monotonic()
    assert read_bytes("s3://data/there.png") == b"pixels"
    assert 1.5 < time.monotonic() - start < 60
    assert service.num_refused > 2

    service.answers = answers
    comes_back(service, 1)
    write_atomically(UPath("s3://data/new"), b"written")
    assert UPath("s3://data/new").read_bytes() == b"written"


def test_what_hangs_is_asked_again(service: FaultyS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PatientS3, "read_timeout", 1)  # seconds, of s3fs
    PatientS3.clear_instance_cache()
    service.answers, service.num_refused = HANG, 0
    comes_back(service, 2)
    assert read_bytes("s3://data/there.png") == b"pixels"
    assert service.num_refused >= 2
    PatientS3.clear_instance_cache()


def test_what_is_slow_is_waited_for(service: FaultyS3) -> None:
    service.answers, service.num_refused = SLOW, 0
    assert read_bytes("s3://data/there.png") == b"pixels"
    assert service.num_refused >= 1


def test_what_is_not_there_is_said_at_once(service: FaultyS3) -> None:
    with pytest.raises(MissingImage):
        read_bytes("s3://data/nowhere.png")
    with pytest.raises(ImageError):
        read_bytes("s3://no-such-bucket/a.png")


def test_after_its_patience_it_says_so_and_blames_no_image(
    service: FaultyS3, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(outage.PATIENCE, "0.5")
    monkeypatch.setattr(PatientS3, "retries", 3)
    monkeypatch.setattr(outage, "said_at", -outage.SAY_EVERY)
    service.answers = BUSY
    with caplog.at_level(logging.WARNING), pytest.raises(StorageAway, match="did not answer"):
        read_bytes("s3://data/there.png")
    (said,) = [record.message for record in caplog.records if "storage" in record.message]
    assert said.startswith("the storage does not answer (")

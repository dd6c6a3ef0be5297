"""S3 as fsspec opens it, except that it waits while the service is away.

s3fs gives up after two seconds of errors, and at once where nothing answers.  Whatever opens an
`s3://` address, Ray Train's checkpoints included, does so through this class (`storage.py`).
"""

from s3fs import S3FileSystem
from s3fs.core import set_custom_error_handler

from ray_wssis.outage import LONGEST_PAUSE, is_passing, patience, say

QUICK = 10  # tries of s3fs before its pauses are the longest, 15 s each


def tries_again(error: Exception) -> bool:
    """Say what is waited for, if waiting helps."""
    if not is_passing(error):
        return False
    say(error)
    return True


class PatientS3(S3FileSystem):  # type: ignore[misc]  # s3fs has no types
    @property
    def retries(self) -> int:
        return QUICK + int(patience() / LONGEST_PAUSE)


set_custom_error_handler(tries_again)

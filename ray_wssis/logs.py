"""The log of a run: sentences for people, or one JSON object per line for machines.

The choice is in the environment, so that processes started from here make the same.
"""

import hashlib
import json
import logging
import os
import sys
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Any

from upath import UPath

VARIABLE = "WSSIS_LOG"
CHATTY = ("aiobotocore", "botocore")  # libraries that tell where they found credentials
OF_EVERY_RECORD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}
logger = logging.getLogger(__name__)


class LogFormat(StrEnum):
    """Values of `--log-format`."""

    TEXT = "text"
    JSON = "json"


def choose(chosen: LogFormat) -> LogFormat:
    """Choose the format for this process and those that it starts."""
    os.environ[VARIABLE] = chosen.value
    return chosen


def wants_json() -> bool:
    return os.environ.get(VARIABLE) == LogFormat.JSON.value


def run_id(folder: UPath) -> str:
    """Return the name of a run's folder with digits that tell it from others: `mine-3f09ac`."""
    return f"{folder.name}-{hashlib.sha256(str(folder).encode()).hexdigest()[:6]}"


def begin(run: UPath | None) -> None:
    """Log to stderr, about the run in this folder if there is one.

    As JSON, warnings of libraries and uncaught exceptions become lines too.
    """
    handler = logging.StreamHandler()
    if wants_json():
        handler.setFormatter(JsonFormatter(None if run is None else run_id(run)))
        logging.captureWarnings(True)
        sys.excepthook = log_uncaught
    else:
        handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    logger.critical("%s: %s", kind.__name__, error, exc_info=(kind, error, traceback))


class JsonFormatter(logging.Formatter):
    """Formats a record as a line of JSON, with any `extra` values that it was logged with.

    A record without a `stage` belongs to the stage that logged last.
    """

    def __init__(self, run: str | None) -> None:
        super().__init__()
        self.run = run
        self.stage: str | None = None

    def format(self, record: logging.LogRecord) -> str:
        extra = {
            key: value
            for key, value in vars(record).items()
            if key not in OF_EVERY_RECORD and not key.startswith("_")  # those are Ray's
        }
        self.stage = extra.pop("stage", self.stage)
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "run": self.run,
            "stage": self.stage,
            "message": record.getMessage().strip(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line | extra | line, default=str, ensure_ascii=False)

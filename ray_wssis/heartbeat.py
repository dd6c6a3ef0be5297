"""A line at least every 15 seconds, so that nobody wonders whether a command still works."""

import logging
import threading
import time

QUIET_SECONDS = 15.0
LOOK_EVERY = 1.0  # seconds

logger = logging.getLogger(__name__)


class LastLine(logging.Handler):
    """Remembers when something was last said, in the log or by one who calls `note`."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.note()

    def note(self) -> None:
        self.at = time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        self.note()


LAST_LINE = LastLine()


class Heartbeat(threading.Thread):
    """Says that a stage is still at work while `with` lasts, whenever nothing else was said."""

    def __init__(self, stage: str) -> None:
        super().__init__(daemon=True)
        self.stage = stage
        self.finished = threading.Event()
        self.started = time.monotonic()

    def __enter__(self) -> "Heartbeat":
        LAST_LINE.note()
        logging.getLogger("ray_wssis").addHandler(LAST_LINE)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finished.set()
        self.join()
        logging.getLogger("ray_wssis").removeHandler(LAST_LINE)

    def run(self) -> None:
        while not self.finished.wait(LOOK_EVERY):
            now = time.monotonic()
            if now - LAST_LINE.at >= QUIET_SECONDS:
                text = f"  {self.stage}: still at work after {now - self.started:.0f} s"
                logger.info("%s", text, extra={"stage": self.stage})

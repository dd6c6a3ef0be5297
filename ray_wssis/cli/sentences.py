"""Errors as sentences: a command ends with the reason, not with a traceback."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from ray_wssis.logs import begin, wants_json
from ray_wssis.outage import is_passing
from ray_wssis.session import Terminated

STOPPED = 130  # the exit code after Ctrl-C
TERMINATED = 143  # after SIGTERM

logger = logging.getLogger(__name__)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Print what a user did wrong as a sentence (with WSSIS_DEBUG=1: as a traceback)."""
    try:
        yield
    except KeyboardInterrupt as stop:
        explain("Stopped. The same command continues from here.")
        raise typer.Exit(TERMINATED if isinstance(stop, Terminated) else STOPPED) from None
    except (ValueError, OSError) as error:
        if os.environ.get("WSSIS_DEBUG") == "1":
            raise
        cause = getattr(error, "cause", None) or error  # Ray wraps what happened in a worker
        explain(str(cause), "red")
        raise typer.Exit(1) from None
    except Exception as error:
        if os.environ.get("WSSIS_DEBUG") == "1" or not is_passing(error):
            raise
        explain(
            f"the storage does not answer: {error}. The same command continues from here", "red"
        )
        raise typer.Exit(1) from None


def explain(sentence: str, style: str = "none") -> None:
    """Say why a command ends, in its log."""
    if wants_json():
        begin(None)  # for a command that has not yet named its run
        logger.error("%s", sentence)
        return
    Console(stderr=True).print(escape(sentence), style=style, soft_wrap=True, highlight=False)


class Sentences(typer.core.TyperGroup):
    """A group of commands whose errors are sentences."""

    def invoke(self, ctx: Any) -> Any:
        with plain_errors():
            return super().invoke(ctx)


def start_command(command: Callable[..., None], description: str | None) -> None:
    """Run one command as a script, for the pages in `jobs/`."""
    job = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    job.command(help=description)(plain_errors()(command))
    job()

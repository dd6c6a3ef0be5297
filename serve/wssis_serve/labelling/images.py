"""The images that people label, and which windows saved the labels of one."""

import time
from dataclasses import dataclass
from typing import Any

from ray_wssis.data.images.folder import list_images
from ray_wssis.data.images.read import image_uri
from ray_wssis.storage import locate
from wssis_serve.errors import ApiError


class ImagesToLabel:
    """A folder of images.  What is put there later is seen by `refresh`."""

    def __init__(self, folder: str) -> None:
        """Raises ValueError for a folder without images."""
        self.folder = str(locate(folder))
        self.refresh()
        if not self.names:
            raise ValueError(f"{folder}: there are no images; give a folder of images to label")

    def refresh(self) -> None:
        self.names = list_images(self.folder)

    def uri(self, name: str) -> str:
        """The place of an image.  Raises ApiError 404 for what is none of the folder."""
        if name not in self.names:
            raise ApiError(404, "not_found", f"{name[:200]!r} is none of the images to label")
        return image_uri(self.folder, name)


@dataclass(frozen=True)
class Save:
    """The last save of an image by a window."""

    change: int  # its number, among those of the image in the window
    revision: str  # of the labels then
    when: float  # of time.monotonic


class LastSaves:
    """The windows that saved an image since the server started, the latest last.

    A browser that was killed may still have copies of labels that it had saved: the numbers of
    changes tell.
    """

    def __init__(self) -> None:
        self.saves: dict[str, dict[str, Save]] = {}  # by image and window

    def note(self, name: str, window: str, change: int, revision: str) -> None:
        windows = self.saves.setdefault(name, {})
        windows.pop(window, None)
        windows[window] = Save(change, revision, time.monotonic())

    def of(self, name: str) -> list[dict[str, Any]]:
        """The last save of each window: its name, the number of the change and the revision."""
        return [
            {"window": window, "change": save.change, "revision": save.revision}
            for window, save in self.saves.get(name, {}).items()
        ]

    def conflict(self, name: str, window: str, theirs: str, yours: str) -> ApiError:
        """The answer to a save about labels that are not those of the server any more.

        `theirs` and `yours` count labels, such as `3 objects`.
        """
        last = next(reversed(self.saves.get(name, {}).items()), None)
        by, ago = "somebody", ""
        if last is not None:
            by = "this window" if last[0] == window else "another window"
            ago = f" {max(1, round(time.monotonic() - last[1].when))} s ago"
        text = f"{name} was saved by {by}{ago} and has {theirs}; your {yours} are not saved"
        return ApiError(409, "conflict", text)

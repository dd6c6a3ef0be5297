"""The images that people label, and who saved the labels of one last."""

import time

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


class LastSaves:
    """The window that saved an image last, and when it did."""

    def __init__(self) -> None:
        self.saves: dict[str, tuple[str, float]] = {}

    def note(self, name: str, window: str) -> None:
        self.saves[name] = window, time.monotonic()

    def conflict(self, name: str, window: str, theirs: str, yours: str) -> ApiError:
        """The answer to a save about labels that are not those of the server any more.

        `theirs` and `yours` count labels, such as `3 objects`.
        """
        who, when = self.saves.get(name, ("", 0.0))
        by = "this window" if who == window else "another window" if who else "somebody"
        ago = f" {max(1, round(time.monotonic() - when))} s ago" if who else ""
        text = f"{name} was saved by {by}{ago} and has {theirs}; your {yours} are not saved"
        return ApiError(409, "conflict", text)

"""Settings for what becomes of masks after they are drawn."""

from pydantic import Field

from ray_wssis.config import Config


class TidyConfig(Config):
    specks: float = Field(default=0, ge=0, lt=0.5)  # islands and holes below this share go
    exclusive: bool = False  # no pixel belongs to two masks of an image

    @property
    def changes(self) -> bool:
        """Tell whether any mask can change."""
        return self.specks > 0 or self.exclusive

    @property
    def made_from(self) -> str:
        """Return what stands for it in what a labeller is made from; empty if nothing changes."""
        return f" specks {self.specks:g} exclusive {self.exclusive}" if self.changes else ""


AS_DRAWN = TidyConfig()

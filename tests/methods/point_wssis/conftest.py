from tests.support.untrained import data, untrained

__all__ = ["data", "untrained"]  # fixtures

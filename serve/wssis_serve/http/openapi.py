"""The API for programs: `python -m wssis_serve.http.openapi` writes `openapi.json`."""

import json
from pathlib import Path

from wssis_serve.http.api import bare_api

FILE = Path(__file__).parent / "openapi.json"


def document() -> str:
    return json.dumps(bare_api().openapi(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(document())

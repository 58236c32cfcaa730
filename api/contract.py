"""Writes docs/openapi.json: `python -m api.contract`. Needs no database."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import SecretStr

from api.app import create_app
from hoistway.settings import Settings

if __name__ == "__main__":
    app = create_app(Settings(database_url=SecretStr("postgresql://127.0.0.1/none")))
    text = json.dumps(app.openapi(), indent=1, ensure_ascii=False)
    (Path(__file__).parents[1] / "docs" / "openapi.json").write_text(text + "\n", "utf-8")

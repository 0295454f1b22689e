"""The sentences that the server's page, the commands and the static page in `web/` share.

They stand in texts.json, by subject and name. Their fields are those of `str.format`.
"""

import json
from pathlib import Path

TEXTS: dict[str, dict[str, str]] = json.loads(
    Path(__file__).with_name("texts.json").read_text("utf-8")
)

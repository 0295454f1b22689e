"""The small pieces of HTML of the page. Text from files and users is escaped."""

from html import escape
from pathlib import Path

HEADER = "<h1>depthmask</h1><p>What is new in a photo, and how far away everything is.</p>"
FILES_DELETED = "Dropped files are deleted within an hour after you leave."


def footer(model: str, card: Path | None) -> str:
    """Names the model, links its card, and says how long dropped files are kept."""
    link = '<a href="#model">Model card</a>' if card else ""
    parts = (escape(f"Model {model}"), link, FILES_DELETED)
    return f"<p>{' · '.join(part for part in parts if part)}</p>"

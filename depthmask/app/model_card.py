"""The model tab: the model card that lies beside the weights."""

import base64
import re
from pathlib import Path

import gradio as gr

from depthmask.files import fingerprint

NO_CARD = (
    "These weights have no model card: a NAME.md or README.md beside them, and their line in "
    "SHA256SUMS."
)


def find_card(checkpoint: Path) -> Path | None:
    """Finds a checkpoint's model card, if SHA256SUMS beside it lists the weights.

    It is the file of the checkpoint's name that ends in .md, or else README.md.
    """
    sums = checkpoint.parent / "SHA256SUMS"
    cards = (checkpoint.with_suffix(".md"), checkpoint.parent / "README.md")
    card = next((path for path in cards if path.is_file()), None)
    if card is None or not sums.is_file():
        return None
    entry = f"{fingerprint(checkpoint)}  {checkpoint.name}"
    return card if entry in sums.read_text("utf-8").splitlines() else None


def build_model_tab(card: Path | None) -> None:
    """Shows a model card."""
    text = embed_pictures(card.read_text("utf-8"), card.parent) if card else NO_CARD
    gr.Markdown(text, elem_id="card", buttons=[])


def embed_pictures(text: str, folder: Path) -> str:
    """Embeds the JPEGs that a Markdown text links, because the page serves no other files.

    Args:
        text: Markdown; the paths in it are relative to the folder.
        folder: Where the text lies. A missing picture leaves its alternative text.
    """

    def embed(found: re.Match[str]) -> str:
        path = folder / found["path"]
        if not path.is_file():
            return found["alt"]
        data = base64.b64encode(path.read_bytes()).decode()
        return f"![{found['alt']}](data:image/jpeg;base64,{data})"

    return re.sub(r"!\[(?P<alt>[^\]]*)\]\((?P<path>[^):]+\.jpg)\)", embed, text)

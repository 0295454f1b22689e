"""The model tab: its card, as it lies beside the weights."""

from pathlib import Path

import gradio as gr

from depthmask.fingerprint import fingerprint

NO_CARD = "There is no model card of these weights: README.md and SHA256SUMS beside them."


def find_card(checkpoint: Path) -> Path | None:
    """The model card of a checkpoint: README.md beside it, if SHA256SUMS lists the weights."""
    card, sums = (checkpoint.parent / name for name in ("README.md", "SHA256SUMS"))
    if not (card.is_file() and sums.is_file()):
        return None
    entry = f"{fingerprint(checkpoint)}  {checkpoint.name}"
    return card if entry in sums.read_text("utf-8").splitlines() else None


def build_model_tab(card: Path | None) -> None:
    """Shows a model card."""
    text = card.read_text("utf-8") if card else NO_CARD
    gr.Markdown(text, elem_id="card", buttons=[])

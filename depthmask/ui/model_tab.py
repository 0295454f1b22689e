"""The model tab: its card, as it lies beside the weights."""

from pathlib import Path

import gradio as gr

NO_CARD = "There is no model card beside these weights."


def find_card(checkpoint: Path) -> Path | None:
    """The model card of a checkpoint: README.md in its folder."""
    card = checkpoint.parent / "README.md"
    return card if card.is_file() else None


def build_model_tab(card: Path | None) -> None:
    """Shows a model card."""
    text = card.read_text("utf-8") if card else NO_CARD
    gr.Markdown(text, elem_id="card", buttons=[])

"""Gradio's fields for the API, made to pass a value on as it was sent: what it may be is checked behind them.

Gradio's own make a text of true, round 0.5 and fill in what is not there, before any check of ours.
"""

from typing import Any

import gradio as gr


class Raw:
    """Passes on what was sent."""

    def preprocess(self, payload: Any) -> Any:
        """The value as it came."""
        return payload


class Text(Raw, gr.Textbox):
    """A text."""

    def get_block_name(self) -> str:
        """Gradio's name of the front end: the one of gr.Textbox."""
        return "textbox"


class Number(Raw, gr.Number):
    """A number."""

    def get_block_name(self) -> str:
        """Gradio's name of the front end: the one of gr.Number."""
        return "number"


class Flag(Raw, gr.Checkbox):
    """Yes or no."""

    def get_block_name(self) -> str:
        """Gradio's name of the front end: the one of gr.Checkbox."""
        return "checkbox"

"""Gradio's widgets for a picture, a sound and a video, made to pass on what a visitor brings unread.

Gradio's own open, decode or convert the file before any check of ours, and show an error of theirs.
"""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ImageData


def any_file() -> str:
    """The script that lets a browser pass on any file, for our own sentence in place of Gradio's."""
    return Path(__file__).with_name("any_file.js").read_text(encoding="utf-8")


class Unread:
    """Passes on the upload's path, whatever the file holds."""

    def preprocess(self, payload: Any) -> str | None:
        """The path of what arrived, None where nothing did."""
        return payload.path if payload else None

    def postprocess(self, value: Any) -> Any:
        """Show a file."""
        return FileData(path=str(value), orig_name=Path(value).name) if value else None


class Picture(Unread, gr.Image):
    """A picture by upload, webcam or clipboard. Its value is a path."""

    def postprocess(self, value: Any) -> Any:
        """Show a file."""
        return ImageData(path=str(value), orig_name=Path(value).name) if value else None

    def get_block_name(self) -> str:
        """Gradio's name of the front end: the one of gr.Image."""
        return "image"


class Sound(Unread, gr.Audio):
    """A sound by upload or microphone. Its value is a path."""

    def get_block_name(self) -> str:
        """Gradio's name of the front end: the one of gr.Audio."""
        return "audio"


class Footage(Unread, gr.Video):
    """A video by upload. Its value is a path."""

    def get_block_name(self) -> str:
        """Gradio's name of the front end: the one of gr.Video."""
        return "video"

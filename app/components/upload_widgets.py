"""Gradio's widgets for files, made to pass on what a visitor brings unread, and only what they uploaded.

Gradio's own open, decode or convert a file before any check of ours, show an error of theirs, leave an empty
file behind for each, and pass on any path that the page serves.
"""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData, ImageData, ListFiles

from app import uploads, validation
from models.core.errors import UserError


def claimed(files: list[FileData]) -> list[str]:
    """Paths of uploads that are from now on this request's alone, to read and to delete.

    Raises gr.Error with a sentence for what was not uploaded, or was read before.
    """
    mine: list[Path] = []
    try:
        mine.extend(uploads.claim(file.path) for file in files)
    except UserError as error:
        for file in mine:
            uploads.drop(file)
        raise validation.refusal(error.key) from None
    return [str(file) for file in mine]


def any_file() -> str:
    """The script that lets a browser pass on any file, for our own sentences in place of Gradio's."""
    return Path(__file__).with_name("any_file.js").read_text(encoding="utf-8")


class Unread:
    """Passes on the upload's path, whatever the file holds."""

    def preprocess(self, payload: Any) -> str | None:
        """The path of what arrived, None where nothing did."""
        return claimed([payload])[0] if payload else None

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


class File(Unread, gr.File):
    """One file of any kind, for the API. Its value is a path."""

    def get_block_name(self) -> str:
        """Gradio's name of the front end: the one of gr.File."""
        return "file"


class Files(gr.File):
    """Several files, for the API, if made with file_count="multiple". Its value is a list of paths.

    No __init__ of its own: Gradio reads from its signature what the browser is told.
    """

    def preprocess(self, payload: ListFiles | FileData | None) -> list[str] | None:
        """The paths of what arrived."""
        files = payload.root if isinstance(payload, ListFiles) else [payload] if payload else []
        return claimed(files) if files else None

    def get_block_name(self) -> str:
        """Gradio's name of the front end: the one of gr.File."""
        return "file"


class UploadButton(Unread, gr.UploadButton):
    """A button that takes one file. Its value is a path."""

    def get_block_name(self) -> str:
        """Gradio's name of the front end: the one of gr.UploadButton."""
        return "uploadbutton"


class FilesButton(gr.UploadButton):
    """A button that takes several files, if made with file_count="multiple". Its value is a list of paths."""

    preprocess = Files.preprocess

    def get_block_name(self) -> str:
        """Gradio's name of the front end: the one of gr.UploadButton."""
        return "uploadbutton"

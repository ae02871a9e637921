"""The talking stage: one video at a time on one screen, its other view, and files to take home.

It knows no lab: it gets addresses. A result and what is said while another one is made travel apart:

    stage = VideoStage(words=...)
    yield preview("", 0.1, "Listening")                  # nothing to see yet
    yield preview(first_second, 0.3, "Drawing")          # played again and again, silently
    yield preview(None, 0.4, "Drawing", picture=data_url)   # or a picture of what is being made
    yield show([View("whole", file), View("panels", other)], [Taken("Video", file)])
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from app.components.component import Component

# What the stage says. A page passes its translations of the same keys.
WORDS = {
    "empty": "Choose a face and what it says, and press “Animate”. The video appears here.",
    "waiting": "The first second appears here as soon as it is drawn.",
    "first": "The first second",
    "whole": "Whole picture",
    "panels": "Three stages",
    "plain": "Without outlines",
    "outlined": "With outlines",
    "mesh": "3D animation",
    "blend": "Blend",
    "generated": "Generated",
    "film": "The talking face",
    "views": "What is shown",
    "pace": "How it is played",
    "loop": "Again and again",
    "slow": "Half speed",
}


@dataclass(frozen=True)
class View:
    """A way to see the result. name: "whole", "panels", "plain", "outlined". file: an mp4 that is served."""

    name: str
    file: Path


@dataclass(frozen=True)
class Taken:
    """A file to take home. label: what the link says."""

    label: str
    file: Path


class VideoStage(Component):
    """The stage as a Gradio component. words: what it says, keys as in WORDS.

    loops: plays again and again until the visitor says otherwise.
    """

    NAME, WORDS = "video_stage", WORDS

    def __init__(self, value: str | None = "", *, loops: bool = False, **more: Any) -> None:
        self._loops = loops
        super().__init__(value, **more)

    def changing(self) -> tuple[str, ...]:
        """See `Component`."""
        return ("preview",)

    def fixed(self) -> dict[str, Any]:
        """See `Component`."""
        return {"loops": self._loops}


def show(views: list[View], files: list[Taken]) -> dict[str, Any]:
    """The update that shows a result, and no preview."""
    value = {
        "views": [{"name": view.name, "url": address(view.file)} for view in views],
        "files": [
            {"label": taken.label, "url": address(taken.file), "name": taken.file.name} for taken in files
        ],
    }
    return gr.update(value=json.dumps(value), preview="")


def clear() -> dict[str, Any]:
    """The update that empties the stage."""
    return gr.update(value="", preview="")


def preview(
    file: Path | None, fraction: float, text: str, poster: Path | None = None, picture: str = ""
) -> dict[str, Any]:
    """The update that tells how far a video is. file: its first second, None where that is not there yet.

    poster: a picture that stands there, dimmed, until then. picture: a data URL of what is being made.
    """
    told = {"url": address(file) if file else "", "poster": address(poster) if poster else ""}
    told |= {"picture": picture}
    return gr.update(preview=json.dumps({**told, "fraction": round(fraction, 3), "text": text}))


def address(file: Path) -> str:
    """Where the page serves a file of its upload folder, from the page's own address on."""
    return "gradio_api/file=" + quote(file.as_posix())

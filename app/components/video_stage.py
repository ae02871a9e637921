"""The talking stage: a video on a screen, its other views, and files to take home.

Beside the video stands the mouth of each frame, enlarged in the browser; or what the video was made of, in
time with it, one row of controls for both, and the mouths of both below.

It knows no lab: it gets addresses. A result and what is said while another one is made travel apart:

    stage = VideoStage(words=...)
    yield preview("", 0.1, "Listening")                  # nothing to see yet
    yield preview(Beginning(first_second), 0.3, "Drawing")  # played again and again, silently
    yield preview(None, 0.4, "Drawing", picture=data_url)   # or a picture of what is being made
    yield show([View("whole", file), View("panels", other)], [Taken("Video", file)], Beside(still, boxes, 25))
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from app.components.component import Component
from models.core.progress import Beginning

# What the stage says. A page passes its translations of the same keys.
WORDS = {
    "empty": "Choose a face and what it says, and press “Animate”. The video appears here.",
    "waiting": "The first second appears here as soon as it is drawn.",
    "first": "The first second",
    "whole": "Whole picture",
    "panels": "Three stages",
    "beside": "Beside the original",
    "original": "Original",
    "result": "Result",
    "mouth": "The mouth, enlarged",
    "original_mouth": "The original mouth",
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
    "play": "Play",
    "pause": "Pause",
    "seek": "Place in the video",
    "mute": "Sound off",
    "unmute": "Sound on",
}


@dataclass(frozen=True)
class View:
    """A way to see the result. name: "whole", "beside", "panels", "plain", "outlined". file: an mp4 that is
    served.
    """

    name: str
    file: Path


@dataclass(frozen=True)
class Taken:
    """A file to take home. label: what the link says."""

    label: str
    file: Path


@dataclass(frozen=True)
class Beside:
    """What is seen beside the view "whole", and all of what is seen in "beside".

    source: what the video was made of, a picture or an mp4 in step with it, of its size. boxes: the mouth in
    each of its frames, a square of left, top and side in pixels. fps: of both.
    """

    source: Path | None
    boxes: Sequence[tuple[float, float, float]]
    fps: int


class VideoStage(Component):
    """The stage as a Gradio component. words: what it says, keys as in WORDS.

    loops: plays again and again until the visitor says otherwise. mouths: has room for what is in `Beside`.
    """

    NAME, WORDS, SCRIPTS = "video_stage", WORDS, ("video_stage_beside.js", "video_stage_controls.js")

    def __init__(
        self, value: str | None = "", *, loops: bool = False, mouths: bool = False, **more: Any
    ) -> None:
        self._fixed = {"loops": loops, "mouths": mouths}
        super().__init__(value, **more)

    def changing(self) -> tuple[str, ...]:
        """See `Component`."""
        return ("preview",)

    def fixed(self) -> dict[str, Any]:
        """See `Component`."""
        return self._fixed


def show(views: list[View], files: list[Taken], beside: Beside | None = None) -> dict[str, Any]:
    """The update that shows a result, and no preview."""
    value: dict[str, Any] = {
        "views": [{"name": view.name, "url": address(view.file)} for view in views],
        "files": [
            {"label": taken.label, "url": address(taken.file), "name": taken.file.name} for taken in files
        ],
    }
    if beside:
        value |= {"boxes": beside.boxes, "fps": beside.fps}
    if beside and beside.source:
        value["source"] = {"url": address(beside.source), "moving": beside.source.suffix == ".mp4"}
    return gr.update(value=json.dumps(value, allow_nan=False), preview="")


def clear() -> dict[str, Any]:
    """The update that empties the stage."""
    return gr.update(value="", preview="")


def preview(
    first: Beginning | None, fraction: float, text: str, poster: Path | None = None, picture: str = ""
) -> dict[str, Any]:
    """The update that tells how far a video is. first: its first second, None where that is not there yet.

    poster: a picture that stands there, dimmed, until then. picture: a data URL of what is being made.
    """
    told: dict[str, Any] = {"fraction": round(fraction, 3), "text": text, "picture": picture}
    told |= {"url": address(first.film) if first else "", "poster": address(poster) if poster else ""}
    told |= {"boxes": first.boxes if first else ()}
    return gr.update(preview=json.dumps(told, allow_nan=False))


def address(file: Path) -> str:
    """Where the page serves a file of its upload folder, from the page's own address on."""
    return "gradio_api/file=" + quote(file.as_posix())

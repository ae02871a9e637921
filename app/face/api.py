"""The face lab's named API endpoints.

`/face_animate` does what a visitor does on the page: a face and a voice in, a video out, and what is known of
it. `/face_voices` lists the voices.
"""

from typing import Any

import gradio as gr

from app.components.raw_fields import Flag, Number, Text
from app.components.upload_widgets import File
from app.face import service
from app.face.session import FaceSession
from app.messages import answered
from app.session import Visits
from models.core.errors import UserError
from models.face import STAGES
from models.face.speech import voices
from models.face.speech.languages import LANGUAGES
from models.face.types import Made


class FaceApi:
    """The endpoints on hidden widgets: only widgets give Gradio's clients file uploads."""

    def __init__(self, visits: Visits) -> None:
        self.visits = visits
        with gr.Row(visible=False):
            fields = [
                File(label="portrait"),
                File(label="video"),
                File(label="audio"),
                Text("", label="text"),
                Text("en", label="language"),
                Text("", label="voice"),
                Text(STAGES[-1], label="stage"),
                Flag(True, label="panels"),
                Flag(True, label="marked"),
                Number(0, label="seed"),
                Flag(False, label="consent"),
            ]
            results = [
                gr.JSON(label="result"),
                *(gr.File(label=name) for name in ("video", "panels", "csv", "npz")),
            ]
            button, listing = gr.Button(), gr.Button()
            able = gr.JSON(label="voices")
        listing.click(self.list_voices, None, able, api_name="face_voices")
        button.click(self.animate, fields, results, api_name="face_animate")

    def list_voices(self) -> dict[str, Any]:
        """Languages and their voices."""
        return {
            code: {
                "language": one.label,
                "voices": [
                    {"name": voice.name, "kind": voice.kind, "by": voice.engine}
                    for voice in voices.offered()
                    if voice.language == code
                ],
            }
            for code, one in LANGUAGES.items()
        }

    def animate(
        self,
        portrait: str | None,
        video: str | None,
        audio: str | None,
        text: str,
        language: str,
        voice: str,
        stage: str,
        panels: bool,
        marked: bool,
        seed: float,
        consent: bool,
        request: gr.Request,
    ) -> tuple[dict[str, Any], str, str | None, str, str]:
        """A video whose face says the audio or the text. consent: the person shown agreed to it."""

        def work(session: FaceSession) -> tuple[dict[str, Any], str, str | None, str, str]:
            if portrait and video:
                raise UserError("face_both")
            if audio and text:
                raise UserError("speech_both")
            face = service.take_footage(session, video) if video else None
            face = service.take_portrait(session, portrait) if portrait else face
            speech = service.take_speech(session, audio) if audio else None
            speaker = voice or ("" if audio else service.fitting(session, language))
            rest = (text, language, speaker, stage, panels, marked, seed, consent)
            wanted = service.order(face, bool(video), speech, *rest)
            for step in service.animate(session, wanted):
                if isinstance(step, Made):
                    seen = str(step.panels) if step.panels else None
                    files = (str(step.video), seen, str(step.blendshapes), str(step.vertices))
                    return service.facts(step, wanted), *files
            raise UserError("cancelled")

        return answered(self.visits, request, FaceSession, work)

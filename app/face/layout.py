"""The face tab's widgets, laid out: who speaks, what is said, and the stage."""

import gradio as gr

from app.components import video_stage
from app.components.upload_widgets import Footage, Picture, Sound, any_file
from app.earlier import Earlier
from app.face import films
from app.face.films import Film
from app.face.session import FaceSession
from app.i18n import part, say
from app.lab_tab import MakingTab
from app.messages import hears_language, html
from app.scripts import script
from app.session import Visits
from models.face import STAGES
from models.face.speech import voices
from models.face.types import ARTICULATION


class FaceWidgets(MakingTab[FaceSession]):
    """The widgets; `FaceTab` says what happens when one is used."""

    lab = FaceSession

    def __init__(self, visits: Visits, i18n: gr.I18n) -> None:
        self.visits = visits
        with gr.Row(elem_classes="tl-face", equal_height=False):
            with gr.Column(elem_classes="tl-who", scale=0, min_width=280):
                self._lay_who(i18n)
            with gr.Column(elem_classes="tl-says", scale=0, min_width=280):
                self._lay_says(i18n)
            with gr.Column(elem_classes="tl-talking", scale=5, min_width=320):
                self._lay_stage(i18n)

    def _lay_who(self, i18n: gr.I18n) -> None:
        html(i18n("html.face_lead"), elem_classes="tl-leading")
        self.who = gr.Radio(
            [(i18n("face.who_portrait"), "portrait"), (i18n("face.who_video"), "video")],
            value="portrait",
            label=i18n("face.who"),
            elem_id="tl-face-who",
            elem_classes="tl-either",
        )
        self.portrait = Picture(
            sources=["upload", "webcam", "clipboard"],
            label=i18n("face.portrait"),
            show_label=False,
            placeholder=str(i18n("face.portrait_hint")),
            elem_id="tl-face-portrait",
            height=300,
            buttons=[],
        )
        self.footage = Footage(
            sources=["upload"],
            label=i18n("face.video"),
            show_label=False,
            elem_id="tl-face-footage",
            height=300,
            visible=False,
            buttons=[],
        )
        self.example = gr.Button(i18n("face.example"), elem_id="tl-face-example", size="sm")
        self.refused = html(elem_id="tl-face-refused")
        html(i18n("html.face_upload_note"), js_on_load=any_file())

    def _lay_says(self, i18n: gr.I18n) -> None:
        self.says = gr.Radio(
            [(i18n("face.says_text"), "text"), (i18n("face.says_audio"), "audio")],
            value="text",
            label=i18n("face.says"),
            elem_id="tl-face-says",
            elem_classes="tl-either",
        )
        with gr.Column(elem_id="tl-face-typed") as self.typed:
            self.text = gr.Textbox(
                label=i18n("face.text"),
                placeholder=i18n("face.placeholder"),
                lines=3,
                max_lines=8,
                elem_id="tl-face-text",
            )
            with gr.Row(elem_classes="tl-voices"):
                self.language = gr.Dropdown(
                    [(one.label, code) for code, one in voices.LANGUAGES.items()],
                    value="en",
                    label=i18n("face.language"),
                    elem_id="tl-face-language",
                    min_width=120,
                )
                self.voice = gr.Dropdown(
                    speakers("en", "en"),
                    value=speakers("en", "en")[0][1],
                    label=i18n("face.voice"),
                    elem_id="tl-face-voice",
                    min_width=120,
                )
            with gr.Row(elem_classes="tl-listening"):
                self.listen = gr.Button(
                    i18n("face.listen"), elem_id="tl-face-listen", size="sm", scale=0, min_width=104
                )
                self.heard = html(elem_id="tl-face-heard")
            self.chips = html(i18n("html.face_chips"), elem_id="tl-face-chips", js_on_load=script("chips"))
        self.speech = Sound(
            sources=["upload", "microphone"],
            type="filepath",
            label=i18n("face.speech_label"),
            show_label=False,
            elem_id="tl-face-speech",
            visible=False,
            editable=False,
            buttons=[],
        )
        self.stage = gr.Radio(
            [(i18n(f"face.stage_{name}"), name) for name in STAGES],
            value=STAGES[-1],
            label=i18n("face.stage"),
            elem_id="tl-face-stage",
            elem_classes="tl-either",
        )
        with gr.Accordion(i18n("face.more"), open=False, elem_id="tl-face-more"):
            self.articulation = gr.Slider(
                *ARTICULATION, 1.0, step=0.1, label=i18n("face.articulation"), elem_id="tl-face-articulation"
            )
            self.panels = gr.Checkbox(True, label=i18n("face.panels"), elem_id="tl-face-panels")
            self.marked = gr.Checkbox(True, label=i18n("face.marked"), elem_id="tl-face-marked")
            with gr.Row(elem_classes="tl-seeding"):
                self.seed = gr.Number(
                    7, label=i18n("face.seed"), precision=0, minimum=0, elem_id="tl-face-seed", min_width=90
                )
                self.dice = gr.Button(
                    i18n("face.dice"), elem_id="tl-face-dice", elem_classes="tl-dice", scale=0, min_width=48
                )
        self.consent = gr.Checkbox(False, label=i18n("face.consent"), elem_id="tl-face-consent")
        with gr.Row(elem_classes="tl-go"):
            self.animate = gr.Button(i18n("face.animate"), variant="primary", elem_id="tl-animate", scale=3)
            self.stop = gr.Button(
                i18n("face.stop"), elem_id="tl-face-stop", interactive=False, scale=1, min_width=72
            )
        self.notice = html(elem_id="tl-face-notice")

    def _lay_stage(self, i18n: gr.I18n) -> None:
        self.screen = video_stage.VideoStage(
            words=part("stage", video_stage.WORDS), mouths=True, elem_id="tl-face-screen"
        )
        self.status = html(elem_id="tl-face-status")
        self.log = html(elem_id="tl-face-log")
        self.hearing = hears_language()
        html(i18n("html.face_cards"), elem_id="tl-face-card")
        self.earlier = Earlier(self.visits, Film, films.past, "faces")  # last: it moves nothing as it comes


def speakers(tongue: str, name: str) -> list[tuple[str, str]]:
    """The voices of a language as choices: what each is called beside the language, and its name.

    name: of the page's language.
    """
    able = [voice for voice in voices.offered() if voice.language == tongue]
    return [(called(voice, name), voice.name) for voice in able]


def called(voice: voices.Voice, name: str) -> str:
    """A voice as a person reads it in the page's language `name`: "Bella, woman"."""
    kind = say(name, f"face.voice_{voice.kind}")
    return say(name, "face.voice_named" if voice.title else "face.voice_robot", name=voice.title, kind=kind)

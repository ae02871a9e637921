"""The colonoscopy tab's widgets, laid out, and what they show of a session."""

from typing import Any

import gradio as gr

from app.colonoscopy import mask_presets, service, works
from app.colonoscopy.session import ColonoscopySession
from app.colonoscopy.works import Drawn
from app.components import mask_pad, result_strip
from app.components.upload_widgets import UploadButton, any_file
from app.earlier import Earlier
from app.i18n import part
from app.lab_tab import MakingTab
from app.messages import hears_language, html
from app.session import Visits
from models.colonoscopy import LOOKS, SAMPLERS, pipeline
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.synthesis.registry import GENERATORS

TASKS = ("draw", "inpaint", "remove")  # a whole frame, or a change in one's own


class ColonoscopyWidgets(MakingTab[ColonoscopySession]):
    """The widgets; `ColonoscopyTab` says what happens when one is used."""

    lab = ColonoscopySession

    def __init__(self, visits: Visits, i18n: gr.I18n, models: list[str]) -> None:
        self.visits = visits
        self.models = models
        with gr.Row(elem_classes="tl-colonoscopy", equal_height=False):
            with gr.Column(elem_classes="tl-padside", scale=0, min_width=320):
                self._lay_pad(i18n)
            with gr.Column(elem_classes="tl-controls", scale=0, min_width=240):
                self._lay_controls(i18n)
            with gr.Column(elem_classes="tl-frames", scale=5, min_width=320):
                self._lay_frames(i18n)

    def _lay_pad(self, i18n: gr.I18n) -> None:
        html(i18n("html.colonoscopy_lead"), elem_classes="tl-leading")
        self.pad = mask_pad.MaskPad(
            words=part("pad", [*mask_pad.WORDS, *(f"preset_{name}" for name in mask_presets.names())]),
            presets=mask_presets.urls(),
            elem_id="tl-pad",
        )
        with gr.Row(elem_classes="tl-uploads"):
            self.frame_upload = UploadButton(
                str(i18n("colonoscopy.frame_upload")), elem_id="tl-frame-upload", size="sm"
            )
            self.mask_upload = UploadButton(
                str(i18n("colonoscopy.mask_upload")), elem_id="tl-mask-upload", size="sm"
            )
        html(i18n("html.colonoscopy_upload_note"), js_on_load=any_file())

    @staticmethod
    def _model(i18n: gr.I18n, name: str) -> Any:
        """What a choice is called: one that ships in the page's language, an imported one by its title."""
        shipped = name in GENERATORS.shipped
        return i18n(f"colonoscopy.model_{name}") if shipped else GENERATORS[name].title

    def _lay_controls(self, i18n: gr.I18n) -> None:
        self.model = gr.Radio(
            [(self._model(i18n, name), name) for name in self.models],
            value=self.models[0],
            label=i18n("colonoscopy.model"),
            elem_id="tl-model",
        )
        self.task = gr.Radio(
            [(i18n(f"colonoscopy.task_{name}"), name) for name in TASKS],
            value=TASKS[0],
            label=i18n("colonoscopy.task"),
            elem_id="tl-task",
            visible=False,  # until a frame of one's own is there
        )
        self.look = gr.Dropdown(
            [(i18n(f"colonoscopy.look_{name}"), name) for name in LOOKS],
            value="any",
            label=i18n("colonoscopy.look"),
            elem_id="tl-look",
            visible=pipeline.INPAINTER in self.models,  # the others were told of no clinic
        )
        self.count = gr.Slider(
            1, service.MOST_FRAMES, 4, step=1, label=i18n("colonoscopy.count"), elem_id="tl-count"
        )
        with gr.Row(elem_classes="tl-seeding"):
            self.seed = gr.Number(
                7, label=i18n("colonoscopy.seed"), precision=0, minimum=0, elem_id="tl-seed", min_width=90
            )
            self.dice = gr.Button(i18n("colonoscopy.dice"), elem_id="tl-dice", scale=0, min_width=48)
        with gr.Accordion(i18n("colonoscopy.more"), open=False, elem_id="tl-more"):
            self.steps = gr.Slider(
                1, service.MOST_STEPS, 20, step=1, label=i18n("colonoscopy.steps"), elem_id="tl-steps"
            )
            self.sampler = gr.Radio(
                [(i18n(f"colonoscopy.sampler_{name}"), name) for name in SAMPLERS],
                value=SAMPLERS[0],
                label=i18n("colonoscopy.sampler"),
                elem_id="tl-sampler",
            )
            self.judge = gr.Radio(
                [(SEGMENTERS[name].title, name) for name in SEGMENTERS.installed()],
                value=pipeline.JUDGE,
                label=i18n("find.judge"),
                elem_id="tl-judge",
            )
        with gr.Row(elem_classes="tl-go"):
            self.draw = gr.Button(i18n("colonoscopy.draw"), variant="primary", elem_id="tl-draw", scale=3)
            self.stop = gr.Button(
                i18n("colonoscopy.stop"), elem_id="tl-stop", interactive=False, scale=1, min_width=72
            )
        with gr.Row(elem_id="tl-grid", visible=len(self.models) > 1):
            self.grid = gr.Button(i18n("colonoscopy.grid"), elem_id="tl-grid-draw", scale=1, min_width=120)
            self.seeds = gr.Radio(
                [(str(count), count) for count in service.SEEDS],
                value=service.SEEDS[0],
                label=i18n("colonoscopy.seeds"),
                elem_id="tl-grid-seeds",
                elem_classes="tl-either",
                min_width=100,
            )
        self.notice = html(elem_id="tl-colonoscopy-notice")
        self.status = html(elem_id="tl-colonoscopy-status")

    def _lay_frames(self, i18n: gr.I18n) -> None:
        html(i18n("html.colonoscopy_caution"))
        self.strip = result_strip.ResultStrip(words=part("strip", result_strip.WORDS), elem_id="tl-strip")
        with gr.Row(elem_id="tl-home", visible=False) as self.home:
            self.burn = gr.Checkbox(True, label=i18n("colonoscopy.burn"), elem_id="tl-burn", min_width=200)
            self.zip = gr.Button(i18n("colonoscopy.zip"), elem_id="tl-zip", size="sm", min_width=120)
            self.dicom = gr.Button(i18n("colonoscopy.dicom"), elem_id="tl-dicom", size="sm", min_width=90)
        self.earlier = Earlier(self.visits, Drawn, works.past_frames, "drawings")
        self.hearing = hears_language()
        self.saved = gr.DownloadButton("-", elem_id="tl-saved")
        html(i18n("html.colonoscopy_dice_help"), elem_classes="tl-dice-help")
        html(i18n("html.colonoscopy_cards"), elem_id="tl-colonoscopy-card")

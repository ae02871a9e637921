"""The colonoscopy lab's named API endpoints: a mask file in, frames out as JSON and as a zip.

`/colonoscopy_draw`, `/colonoscopy_grid`, `/colonoscopy_film`, `/colonoscopy_segment` and `/colonoscopy_find`
do what a visitor does on the page.
"""

from typing import Any

import gradio as gr

from app import validation
from app.colonoscopy import film_service, find_service, service
from app.colonoscopy.session import ColonoscopySession
from app.components.raw_fields import Flag, Number, Text
from app.components.upload_widgets import File, Files
from app.messages import answered
from app.session import Visits
from models.colonoscopy import SAMPLERS
from models.colonoscopy.data.film_exports import FilmMade
from models.colonoscopy.video.base import FilmOrder
from models.colonoscopy.video.registry import FILMS
from models.core.errors import UserError


class ColonoscopyApi:
    """Endpoints on hidden widgets: only widgets give Gradio's clients file uploads."""

    def __init__(self, visits: Visits) -> None:
        self.visits = visits
        with gr.Row(visible=False):
            mask = File(label="mask")
            frame = File(label="frame")
            count = Number(1, label="count")
            seed = Number(0, label="seed")
            model = Text("arsdm", label="model")
            steps = Number(20, label="steps")
            sampler = Text(SAMPLERS[0], label="sampler")
            burn = Flag(True, label="burn")
            result = gr.JSON(label="result")
            packed = gr.File(label="zip")
            frames = Files(file_count="multiple", label="frames")
            segmenters = Text("polyps", label="segmenters")
            detectors = Text("", label="detectors")
            mask_last = File(label="mask_last")
            move = Text(FilmOrder.move, label="move")
            seconds = Number(FilmOrder.seconds, label="seconds")
            method = Text(FILMS.default, label="model")
            look = Text(FilmOrder.look, label="look")
            times = Number(FilmOrder.steps, label="steps")
            films = [gr.File(label=name) for name in ("video", "outlined", "zip", "dicom")]
            button = gr.Button()
        fields = [mask, count, seed, model, steps, sampler, burn]
        button.click(self.draw, fields, [result, packed], api_name="colonoscopy_draw")
        button.click(self.grid, [mask, seed, steps, look], [result, packed], api_name="colonoscopy_grid")
        filmed = [mask, mask_last, frame, move, seconds, seed, method, look, times]
        button.click(self.film, filmed, [result, *films], api_name="colonoscopy_film")
        button.click(self.segment, [frame], result, api_name="colonoscopy_segment")
        looked = [frames, segmenters, detectors]
        button.click(self.find, looked, [result, packed], api_name="colonoscopy_find")

    def draw(
        self,
        mask: str | None,
        count: float,
        seed: float,
        model: str,
        steps: float,
        sampler: str,
        burn: bool,
        request: gr.Request,
    ) -> tuple[list[dict[str, Any]], str]:
        """Frames for a mask file: what is known of each, and a zip of images/, masks/ and samples.json."""

        def work(session: ColonoscopySession) -> tuple[list[dict[str, Any]], str]:
            from models.colonoscopy.data.exports import facts

            marked = validation.flag(burn, "burn")
            drawn = service.open_mask(_files(mask))
            wanted = service.order(drawn.mask, count, seed, model, steps, sampler)
            wanted = service.as_it_came(wanted, drawn.shape)
            for _ in service.draw(session, wanted):
                pass
            return [facts(sample) for sample in session.frames], str(service.pack(session, marked))

        return answered(self.visits, request, ColonoscopySession, work)

    def grid(
        self, mask: str | None, seed: float, steps: float, look: str, request: gr.Request
    ) -> tuple[dict[str, Any], str]:
        """A frame by every installed model for each of two seeds: their Dice by model, what is known of each
        frame, seed after seed, and a zip as `draw` gives it.
        """

        def work(session: ColonoscopySession) -> tuple[dict[str, Any], str]:
            from models.colonoscopy.data.exports import facts

            models, drawn = service.models(), service.open_mask(_files(mask))
            wanted = service.order(
                drawn.mask, service.SEEDS[0], seed, models[0], steps, SAMPLERS[0], look=look
            )
            for _ in service.draw_each(session, service.as_it_came(wanted, drawn.shape), models):
                pass
            frames = [facts(sample) for sample in session.frames]
            dice = {name: [one["dice"] for one in frames if one["model"] == name] for name in models}
            return {"dice": dice, "frames": frames}, str(service.pack(session, burn=True))

        return answered(self.visits, request, ColonoscopySession, work)

    def film(
        self,
        mask: str | None,
        mask_last: str | None,
        frame: str | None,
        move: str,
        seconds: float,
        seed: float,
        model: str,
        look: str,
        steps: float,
        request: gr.Request,
    ) -> tuple[dict[str, Any] | str, ...]:
        """A film for a mask file: what is known of it, two mp4s (the second with outlines), a zip, DICOM."""

        def work(session: ColonoscopySession) -> tuple[dict[str, Any] | str, ...]:
            brought = film_service.bring(mask, mask_last, frame)
            wanted = film_service.order(
                brought.mask, move, seconds, seed, model, look, steps, brought.mask_last, brought.frame
            )
            for step in film_service.film(session, wanted, model, shape=brought.shape):
                made = step
            assert isinstance(made, FilmMade)
            return made.facts, *map(str, made.paths)

        return answered(self.visits, request, ColonoscopySession, work)

    def segment(self, frame: str | None, request: gr.Request) -> dict[str, Any]:
        """The polyps that the segmenter finds in a frame: the mask as a PNG data URL, and its share."""

        def work(session: ColonoscopySession) -> dict[str, Any]:
            from models.colonoscopy.data.exports import mask_png

            picture = service.on_pad(service.open_frame(_files(frame))[0])
            found = service.segment(picture, session)
            return {"area": round(float(found.mean()), 4), "mask": validation.png_url(mask_png(found))}

        return answered(self.visits, request, ColonoscopySession, work)

    def find(
        self, frames: list[str] | None, segmenters: str, detectors: str, request: gr.Request
    ) -> tuple[list[dict[str, Any]], str]:
        """What networks (names with commas between) find in frames: areas, boxes, and a zip of masks."""

        def work(session: ColonoscopySession) -> tuple[list[dict[str, Any]], str]:
            from models.colonoscopy.data.findings import facts

            brought = find_service.open_frames(frames)
            found = list(find_service.find(session, brought, *find_service.chosen(segmenters, detectors)))
            return [{"name": one.name, **facts(one)} for one in found], str(find_service.pack(session, found))

        return answered(self.visits, request, ColonoscopySession, work)


def _files(file: str | None) -> list[str]:
    if not file:
        raise UserError("no_file")
    return [file]

"""The colonoscopy lab's tab: drawing frames. Its widgets are in `layout`, what it asks in `service`."""

from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr
import numpy as np
from gradio.context import Context

from app import validation
from app.colonoscopy import film_views, find_views, service, works
from app.colonoscopy import views as answer
from app.colonoscopy.api import ColonoscopyApi
from app.colonoscopy.film_panel import FilmPanel, TabParts
from app.colonoscopy.find_panel import FindPanel
from app.colonoscopy.layout import TASKS, ColonoscopyWidgets
from app.colonoscopy.session import ColonoscopySession
from app.colonoscopy.works import Drawn
from app.components import mask_pad, result_strip
from app.i18n import language, say
from app.messages import Updates, about, notes, quiet, settled
from app.scripts import script
from app.session import Visits
from models.colonoscopy import LOOKS, pipeline
from models.colonoscopy.pipeline import Order, Sample
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core.errors import UserError
from models.core.image_io import MAX_FILE
from models.core.notes import note
from models.core.progress import Drawing, Progress
from models.core.upload_validation import megabytes

EACH = "each"  # a whole frame by each model, for each seed


def fragments(name: str) -> dict[str, str]:
    """Pieces of HTML put together from the words of a language."""
    note = say(name, "colonoscopy.upload_note", limit=f"{megabytes(MAX_FILE)} MB")
    return {
        "html.colonoscopy_lead": f'<p class="tl-lead">{escape(say(name, "colonoscopy.lead"))}</p>',
        "html.colonoscopy_caution": answer.caution(name, pipeline.INPAINTER in GENERATORS.installed()),
        "html.colonoscopy_upload_note": quiet(note),
        "html.colonoscopy_dice_help": quiet(say(name, "colonoscopy.dice_help")),
        "html.colonoscopy_cards": about(name, "colonoscopy"),
        **film_views.fragments(name),
        **find_views.fragments(name),
    }


def build(visits: Visits, i18n: gr.I18n) -> None:
    """Lay out the tab in the current gr.Blocks and wire it. Raises UserError where no model can draw."""
    tab = ColonoscopyTab(visits, i18n, service.models())
    FilmPanel(visits, i18n, TabParts(tab.pad, tab.look, tab.judge, tab.framed, tab.hearing))
    FindPanel(visits, i18n)
    ColonoscopyApi(visits)


class ColonoscopyTab(ColonoscopyWidgets):
    """What happens when a widget of the tab is used."""

    def __init__(self, visits: Visits, i18n: gr.I18n, models: list[str]) -> None:
        super().__init__(visits, i18n, models)
        self._wire()

    def _wire(self) -> None:
        page = Context.root_block
        assert page is not None
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        arrived = page.load(self.arrive, None, [self.model, self.seed, self.look, self.count], **quiet)
        arrived.then(None, None, None, js=script("link_read"), **quiet)
        fields = [self.pad, self.count, self.seed, self.model, self.steps, self.sampler, self.judge]
        fields += [self.look, self.task]
        drawn = [self.strip, self.status, self.notice, self.draw, self.stop, self.home, self.earlier.strip]
        free: dict[str, Any] = {"fn": self.free, "inputs": None, "outputs": self.draw, **quiet}
        self.draw.click(self.draw_frames, fields, drawn, trigger_mode="once", **quiet).then(**free)
        each = [self.pad, self.seeds, self.seed, self.steps, self.sampler, self.judge, self.look]
        self.grid.click(self.draw_grid, each, drawn, trigger_mode="once", **quiet).then(**free)
        self.stop.click(self.halt, None, None, queue=False, **quiet)
        self.dice.click(None, None, self.seed, js=script("dice"), **quiet)
        self.framed = self.frame_upload.upload(
            self.take_frame, [self.frame_upload, self.task], [self.pad, self.task, self.notice], **quiet
        )
        self.mask_upload.upload(self.take_mask, self.mask_upload, [self.pad, self.notice], **quiet)
        compared = [self.strip, self.status, self.notice, self.draw, self.stop]
        chosen = self.strip.choose(self.compare, None, compared, trigger_mode="always_last", **quiet)
        chosen.then(**free)
        again = [*fields, self.seeds, self.strip, self.status, self.notice, self.home, self.earlier.strip]
        self.earlier.strip.choose(self.bring_back, None, again, trigger_mode="always_last", **quiet)
        said = [self.strip, self.status, self.notice]
        self.hearing.spoken(self.speak, None, said, trigger_mode="always_last", **quiet)
        for button, work in ((self.zip, self.pack), (self.dicom, self.pack_dicom)):
            packed = button.click(work, self.burn, [self.saved, self.notice], **quiet)
            packed.success(None, None, None, js="() => trilab.save('tl-saved')", **quiet)

    def arrive(self, request: gr.Request) -> Updates:
        """The page opens: a link to a frame names model, look, seed and how many; the pad reads its mask."""
        asked = dict(request.query_params)
        few = range(1, service.MOST_FRAMES + 1)
        known: Updates = {}
        for widget, name, able in ((self.model, "model", self.models), (self.look, "look", LOOKS)):
            known[widget] = asked[name] if asked.get(name) in able else gr.skip()
        for field, name, span in ((self.seed, "seed", range(10**9)), (self.count, "count", few)):
            number = int(text) if (text := asked.get(name, "")[:9]).isdecimal() else -1
            known[field] = number if number in span else gr.skip()
        return known

    def take_frame(self, file: str | None, task: str, request: gr.Request) -> Updates:
        """A frame to draw over arrived: a polyp is drawn into it unless one is to be removed."""

        def work(session: ColonoscopySession) -> Updates:
            frame, read = service.open_frame(_files(file))
            alters = pipeline.INPAINTER in self.models
            session.own_frame = frame
            # What alters already is not set again: by now the visitor may have chosen another.
            kept = alters and task in TASKS[1:]
            return {
                self.pad: mask_pad.lay(backdrop=result_strip.picture_url(service.on_pad(frame))),
                self.task: gr.skip() if kept else gr.update(visible=alters, value=TASKS[alters]),
                self.notice: notes(request, read),
            }

        return self.told(request, work)

    def take_mask(self, file: str | None, request: gr.Request) -> Updates:
        """A mask file arrived."""

        def work(session: ColonoscopySession) -> Updates:
            from models.colonoscopy.data.exports import mask_png

            found = service.open_mask(_files(file))
            session.mask_shape = found.shape
            changed = not np.array_equal(found.mask, found.given)
            told = [*found.notes, *([note("mask_undo")] if changed else [])]
            given = validation.png_url(mask_png(found.given)) if changed else None
            return {
                self.pad: mask_pad.lay(mask=validation.png_url(mask_png(found.mask)), given=given),
                self.notice: notes(request, told),
            }

        return self.told(request, work)

    def draw_frames(
        self,
        drawing: str | None,
        count: float,
        seed: float,
        model: str,
        steps: float,
        sampler: str,
        judge: str,
        look: str,
        task: str,
        request: gr.Request,
    ) -> Iterator[Updates]:
        """Draw: previews and frames as they come."""
        at_work = self.session(request).at_work
        if not at_work.acquire(blocking=False):  # clicked again while the click before is answered
            yield {self.status: gr.skip()}
            return

        def work(session: ColonoscopySession) -> Iterator[Updates]:
            try:
                mask = validation.drawing(drawing, service.SIZE)
                wanted = service.order(mask, count, seed, model, steps, sampler, judge, look)
                wanted = service.as_it_came(wanted, session.mask_shape)
                table = self._table(request, wanted) if task == EACH else None
                yield self._begun(request) | {
                    self.home: gr.update(visible=False),
                    self.strip: result_strip.show([], table),
                }
                yield from self._drawn(request, session, wanted, task)
            finally:
                at_work.release()  # before the button can be clicked again

        yield from settled(self.told_while(request, work))

    def draw_grid(
        self,
        drawing: str | None,
        seeds: float,
        seed: float,
        steps: float,
        sampler: str,
        judge: str,
        look: str,
        request: gr.Request,
    ) -> Iterator[Updates]:
        """Compare all models: a frame by each for each of a few seeds, as they come."""
        first = self.models[0]
        yield from self.draw_frames(drawing, seeds, seed, first, steps, sampler, judge, look, EACH, request)

    def free(self, request: gr.Request) -> Updates:
        """Draw can be clicked again: only after its event, during which Gradio drops every other click."""
        return {self.draw: gr.update(interactive=not self.session(request).at_work.locked())}

    def halt(self, request: gr.Request) -> None:
        """Stop."""
        service.stop(self.session(request))

    def compare(self, request: gr.Request, event: gr.EventData) -> Iterator[Updates]:
        """A frame was chosen in the strip: draw its noise with another model."""
        place, other = result_strip.read_choice(event)
        name = language(request)

        def work(session: ColonoscopySession) -> Iterator[Updates]:
            kept = service.frame(session, place)
            others = [one for one in self.models if one != kept.model]
            chosen = other if other in others else (others or self.models)[-1]
            choices = [(answer.model(name, one), one) for one in others]

            def beside(**more: Any) -> Updates:
                return {self.strip: result_strip.beside(place or 0, chosen, choices, **more)}

            done = False
            yield self._begun(request) | beside(text=say(name, "colonoscopy.waiting")) | {self.status: ""}
            clock = answer.Clock(name, 1)
            try:
                for step in service.compare(session, place or 0, chosen):
                    done |= isinstance(step, Sample)
                    if isinstance(step, Sample):
                        yield beside(card=answer.card(name, step))
                    else:
                        yield beside(image=_picture(step), text=clock.told(step))
            except UserError:
                yield {self.strip: gr.update(beside="")}
                raise
            if not done:  # stopped
                yield {self.strip: gr.update(beside="")}

        yield from settled(self.told_while(request, work))

    def speak(self, request: gr.Request) -> Updates:
        """The page speaks another language: what is told of the frames is said in it."""
        session = self.session(request)
        if not session.frames or session.at_work.locked():
            return {self.notice: ""}
        return self._told_of(request, session, len(session.frames)) | {self.notice: ""}

    def _told_of(self, request: gr.Request, session: ColonoscopySession, wanted: int) -> Updates:
        """The frames that are there, and what there is to tell of them. wanted: how many were ordered."""
        name, frames = language(request), list(session.frames)
        seeds = dict.fromkeys(one.seed for one in frames)
        table = answer.table(name, session.compared, seeds) if session.compared else None
        return {
            self.strip: result_strip.show([answer.card(name, one) for one in frames], table),
            self.status: answer.finished(name, frames, wanted),
        }

    def pack(self, burn: bool, request: gr.Request) -> Updates:
        """The frames as a zip in ArSDM's layout."""
        return self._packed(request, burn, dicom=False)

    def pack_dicom(self, burn: bool, request: gr.Request) -> Updates:
        """The frames as DICOM files."""
        return self._packed(request, burn, dicom=True)

    def _packed(self, request: gr.Request, burn: bool, dicom: bool) -> Updates:
        def work(session: ColonoscopySession) -> Updates:
            return {self.saved: gr.update(value=str(service.pack(session, bool(burn), dicom)))}

        return self.told(request, work)

    def _drawn(
        self, request: gr.Request, session: ColonoscopySession, wanted: Order, task: str
    ) -> Iterator[Updates]:
        name, cards = language(request), 0
        count = wanted.count * (len(self.models) if task == EACH else 1)
        clock = answer.Clock(name, count)
        if task in TASKS[1:]:
            running = service.alter(session, wanted, remove=task == "remove")
        elif task == EACH:
            running = service.draw_each(session, wanted, self.models)
        else:
            running = service.draw(session, wanted)
        for step in running:
            if isinstance(step, Sample):
                card = result_strip.add(cards, answer.card(name, step))
                cards += 1
                yield {self.strip: card, self.home: gr.update(visible=True)}
            elif not isinstance(step.preview, Drawing):
                yield {self.status: quiet(clock.told(step))}
            elif step.preview.index == cards:
                share = step.fraction * count - cards
                yield {
                    self.strip: result_strip.preview(_picture(step), share, clock.told(step)),
                    self.status: "",
                }
        yield {
            self.strip: result_strip.settle(),
            self.status: answer.finished(name, session.frames, count),
        }
        if session.frames:
            altered = session.own_frame if task in TASKS[1:] else None
            work = works.drawn(session, wanted, task, altered)
            yield self.earlier.add(request, session.visit, work)

    def bring_back(self, request: gr.Request, event: gr.EventData) -> Updates:
        """Earlier frames were clicked: they are shown, and all is set as it was when they were drawn."""

        def work(session: ColonoscopySession) -> Updates:
            number, chosen = self.earlier.chosen(session.visit, event)
            works.bring_frames_back(session, chosen)
            shown = self.earlier.shown(request, session.visit, number)
            count = chosen.order.count * max(len(chosen.compared), 1)
            return self._told_of(request, session, count) | self._settings(chosen) | shown

        return self.told(request, work)

    def _settings(self, chosen: Drawn) -> Updates:
        """The widgets as they were when these were ordered."""
        order, task = chosen.order, TASKS[0] if chosen.task == EACH else chosen.task
        return {
            self.home: gr.update(visible=True),
            self.pad: answer.laid(order.mask, chosen.own_frame),
            (self.seeds if chosen.compared else self.count): order.count,
            self.seed: order.seed,
            self.model: order.model,
            self.steps: order.steps,
            self.sampler: order.sampler,
            self.judge: order.judge,
            self.look: order.look,
            self.task: gr.update(value=task, visible=chosen.own_frame is not None or None),
        }

    def _table(self, request: gr.Request, wanted: Order) -> result_strip.Table:
        seeds = range(wanted.seed, wanted.seed + wanted.count)
        return answer.table(language(request), self.models, seeds)

    def _begun(self, request: gr.Request) -> Updates:
        return {
            self.notice: "",
            self.status: quiet(say(language(request), "colonoscopy.waiting")),
            self.draw: gr.update(interactive=False),
            self.stop: gr.update(interactive=True),
        }


def _picture(step: Progress) -> str:
    if not isinstance(step.preview, Drawing):
        return ""
    return result_strip.picture_url(service.on_pad(step.preview.frame))


def _files(file: str | None) -> list[str]:
    return [file] if file else []

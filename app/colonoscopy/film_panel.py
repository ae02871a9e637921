"""The panel "film": the polyp on the pad becomes a film, seen as it is made, played and taken home."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app import validation
from app.colonoscopy import film_service, film_views, service, works
from app.colonoscopy.session import ColonoscopySession
from app.colonoscopy.views import Clock, laid
from app.colonoscopy.works import Filmed
from app.components import video_stage
from app.components.mask_pad import MaskPad
from app.components.result_strip import picture_url
from app.earlier import Earlier
from app.i18n import LANGUAGES, language, part, say
from app.lab_tab import MakingTab
from app.messages import Updates, html, quiet, settled
from app.scripts import script
from app.session import Visits
from models.colonoscopy import MASKLESS, MOVES
from models.colonoscopy.data.film_exports import FilmMade
from models.colonoscopy.data.masks import check_mask
from models.colonoscopy.video.base import LONGEST, SHORTEST, FilmOrder
from models.colonoscopy.video.registry import FILMS
from models.core.progress import Drawing, Progress

# Of a film: a frame that is drawn, or the visitor's with the polyp drawn into it, or as it is.
BEGINNINGS = DRAWN, PAINTED, OWN = ("drawn", "painted", "own")
OWN_WORDS = ("empty", "waiting", "film")  # of the stage, which says them otherwise in another lab


@dataclass(frozen=True)
class TabParts:
    """What the panel uses of the tab around it. framed: the event of a frame that was brought to the pad.

    hearing: has the event of another language.
    """

    pad: MaskPad
    look: gr.Dropdown
    judge: gr.Radio
    framed: Any
    hearing: gr.HTML


class FilmPanel(MakingTab[ColonoscopySession]):
    """Its widgets and what happens when one is used."""

    lab = ColonoscopySession

    def __init__(self, visits: Visits, i18n: gr.I18n, tab: TabParts) -> None:
        self.visits, self.tab = visits, tab
        models = FILMS.installed()
        with gr.Column(elem_id="tl-film"):
            if not models:
                html(i18n("html.film_missing"), elem_id="tl-film-missing")
                return
            html(i18n("html.film_lead"))
            with gr.Row(elem_classes="tl-film-work", equal_height=False):
                with gr.Column(elem_classes="tl-film-controls", scale=0, min_width=260):
                    self._lay_controls(i18n, models)
                with gr.Column(elem_classes="tl-film-stage", scale=5, min_width=260):
                    self._lay_stage()
        self._wire()

    def _lay_controls(self, i18n: gr.I18n, models: tuple[str, ...]) -> None:
        self.model = gr.Radio(
            [
                (i18n(f"film.model_{one}") if one in FILMS.shipped else FILMS[one].title, one)
                for one in models
            ],
            value=models[0],
            label=i18n("film.model"),
            elem_id="tl-film-model",
        )
        self.maskless = html(elem_id="tl-film-maskless")
        self.move = gr.Radio(
            [(i18n(f"film.move_{one}"), one) for one in MOVES],
            value=FilmOrder.move,
            label=i18n("film.move"),
            elem_id="tl-film-move",
        )
        self.seconds = gr.Slider(
            SHORTEST, LONGEST, 4, step=0.5, label=i18n("film.seconds"), elem_id="tl-film-seconds"
        )
        with gr.Row(elem_classes="tl-seeding"):
            self.seed = gr.Number(
                7,
                label=i18n("colonoscopy.seed"),
                precision=0,
                minimum=0,
                elem_id="tl-film-seed",
                min_width=90,
            )
            self.dice = gr.Button(
                i18n("colonoscopy.dice"),
                elem_id="tl-film-dice",
                elem_classes="tl-dice",
                scale=0,
                min_width=48,
            )
        with gr.Row(elem_classes="tl-film-last"):
            self.last = html(elem_id="tl-film-last")
            self.key_last = gr.Button(i18n("film.key_last"), elem_id="tl-film-key", size="sm")
            self.forget_last = gr.Button(
                i18n("film.forget_last"), elem_id="tl-film-forget", size="sm", visible=False
            )
        self.begin = gr.Radio(
            [(i18n(f"film.begin_{one}"), one) for one in BEGINNINGS],
            value=DRAWN,
            label=i18n("film.begin"),
            elem_id="tl-film-begin",
            visible=False,
        )
        with gr.Row(elem_classes="tl-film-go"):
            self.film = gr.Button(i18n("film.film"), variant="primary", elem_id="tl-film-go", scale=3)
            self.stop = gr.Button(
                i18n("colonoscopy.stop"), elem_id="tl-film-stop", interactive=False, scale=1, min_width=72
            )
        self.notice = html(elem_id="tl-film-notice")

    def _lay_stage(self) -> None:
        own = part("film_stage", OWN_WORDS)
        known = part("stage", video_stage.WORDS)
        self.screen = video_stage.VideoStage(
            words={name: {**known[name], **own[name]} for name in LANGUAGES},
            loops=True,
            elem_id="tl-film-screen",
        )
        self.status = html(elem_id="tl-film-status")
        self.log = html(elem_id="tl-film-log")
        self.earlier = Earlier(self.visits, Filmed, works.past_film, "films")

    def _wire(self) -> None:
        hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        fields = [self.tab.pad, self.model, self.move, self.seconds, self.seed]
        fields += [self.begin, self.tab.look, self.tab.judge]
        shown = [self.screen, self.status, self.log, self.notice, self.film, self.stop, self.earlier.strip]
        made = self.film.click(self.make, fields, shown, trigger_mode="once", **hidden)
        made.then(self.free, None, self.film, **hidden)
        self.stop.click(self.halt, None, None, queue=False, **hidden)
        self.dice.click(None, None, self.seed, js=script("dice"), **hidden)
        self.model.change(self.choose_model, self.model, self.maskless, **hidden)
        keyed = [self.last, self.forget_last, self.notice]
        self.key_last.click(self.take_last, self.tab.pad, keyed, **hidden)
        self.forget_last.click(self.drop_last, None, keyed, **hidden)
        self.tab.framed.then(self.offer_frame, None, self.begin, **hidden)
        again = [*fields, *keyed, self.screen, self.status, self.log, self.earlier.strip]
        self.earlier.strip.choose(self.bring_back, None, again, trigger_mode="always_last", **hidden)
        said = [self.maskless, self.last, self.screen, self.status, self.log, self.notice]
        self.tab.hearing.spoken(self.speak, self.model, said, trigger_mode="always_last", **hidden)

    def choose_model(self, model: object, request: gr.Request) -> Updates:
        """Another method: whether it knows masks is told."""
        text = quiet(say(language(request), "film.maskless")) if model in MASKLESS else ""
        return {self.maskless: text}

    def take_last(self, drawing: str | None, request: gr.Request) -> Updates:
        """What is on the pad is the outline of the last frame."""

        def work(session: ColonoscopySession) -> Updates:
            session.mask_last = check_mask(validation.drawing(drawing, service.SIZE))
            picture = film_views.last_outline(language(request), session.mask_last)
            return {self.last: picture, self.forget_last: gr.update(visible=True)}

        return self.told(request, work)

    def drop_last(self, request: gr.Request) -> Updates:
        """No outline is the last one: the camera alone moves the polyp."""
        self.session(request).mask_last = None
        return {self.last: "", self.forget_last: gr.update(visible=False), self.notice: ""}

    def offer_frame(self, request: gr.Request) -> Updates:
        """A frame was brought to the pad: a film begins with it, the polyp drawn into it."""
        there = self.session(request).own_frame is not None
        return {self.begin: gr.update(visible=there, value=PAINTED if there else DRAWN)}

    def make(
        self,
        drawing: str | None,
        model: str,
        move: str,
        seconds: float,
        seed: float,
        begin: str,
        look: str,
        judge: str,
        request: gr.Request,
    ) -> Iterator[Updates]:
        """Film: previews, frames as they come, then the film."""
        at_film = self.session(request).at_film
        if not at_film.acquire(blocking=False):  # clicked again while the click before is answered
            yield {self.status: gr.skip()}
            return

        def work(session: ColonoscopySession) -> Iterator[Updates]:
            try:
                mask = validation.drawing(drawing, service.SIZE)
                brought = session.own_frame if begin in (PAINTED, OWN) else None
                given = (session.mask_last, brought, begin == PAINTED)
                wanted = film_service.order(mask, move, seconds, seed, model, look, None, *given)
                shape = film_service.shape_of(session, wanted)
                yield self._begun(request)
                made = yield from self._made(request, session, wanted, (model, judge, shape))
                if made is not None:
                    work = works.filmed(made, wanted, mask, session.mask_shape, judge)
                    yield self.earlier.add(request, session.visit, work)
            finally:
                at_film.release()  # before the button can be clicked again

        yield from settled(self.told_while(request, work))

    def free(self, request: gr.Request) -> Updates:
        """Film can be clicked again: only after its event, during which Gradio drops every other click."""
        return {self.film: gr.update(interactive=not self.session(request).at_film.locked())}

    def halt(self, request: gr.Request) -> None:
        """Stop."""
        film_service.stop(self.session(request))

    def speak(self, model: object, request: gr.Request) -> Updates:
        """The page speaks another language: what is told of the film is said in it."""
        name, session = language(request), self.session(request)
        told = self.choose_model(model, request) | {
            self.last: film_views.last_outline(name, session.mask_last),
            self.notice: "",
        }
        if session.film is None or session.at_film.locked():
            return told
        return told | self._told_of(request, session, session.film)

    def _told_of(self, request: gr.Request, session: ColonoscopySession, made: FilmMade) -> Updates:
        """The film that is there, and what there is to tell of it."""
        wanted = round(made.facts["seconds"] * made.facts["fps"])
        told = film_views.finished(language(request), made, wanted)
        return self._result(request, session) | {self.status: told}

    def bring_back(self, request: gr.Request, event: gr.EventData) -> Updates:
        """An earlier film was clicked: it is played, and all is set as it was when it was made."""

        def work(session: ColonoscopySession) -> Updates:
            number, chosen = self.earlier.chosen(session.visit, event)
            works.bring_film_back(session, chosen)
            return {
                **self._told_of(request, session, chosen.made),
                **self._settings(request, chosen),
                **self.earlier.shown(request, session.visit, number),
            }

        return self.told(request, work)

    def _settings(self, request: gr.Request, chosen: Filmed) -> Updates:
        """The widgets as they were when this was ordered."""
        order, own = chosen.order, chosen.order.frame is not None
        begin = (PAINTED if order.painted else OWN) if own else DRAWN
        return {
            self.tab.pad: laid(chosen.mask, order.frame),
            self.tab.look: order.look,
            self.tab.judge: chosen.judge,
            self.model: chosen.made.facts["model"],
            self.move: order.move,
            self.seconds: order.seconds,
            self.seed: order.seed,
            self.begin: gr.update(value=begin, visible=own or None),
            self.last: film_views.last_outline(language(request), order.mask_last),
            self.forget_last: gr.update(visible=order.mask_last is not None),
        }

    def _begun(self, request: gr.Request) -> Updates:
        waiting = say(language(request), "colonoscopy.waiting")
        return {
            self.notice: "",
            self.status: "",
            self.log: "",
            self.screen: video_stage.preview(None, 0.0, waiting),
            self.film: gr.update(interactive=False),
            self.stop: gr.update(interactive=True),
        }

    def _made(
        self,
        request: gr.Request,
        session: ColonoscopySession,
        wanted: FilmOrder,
        more: tuple[object, object, tuple[int, int] | None],
    ) -> Generator[Updates, None, FilmMade | None]:
        name, picture = language(request), ""
        clock = Clock(name, wanted.count)
        for step in film_service.film(session, wanted, *more):
            if isinstance(step, Progress):
                if isinstance(step.preview, Drawing):
                    picture = picture_url(step.preview.frame)
                told = clock.told(step)
                yield {self.screen: video_stage.preview(None, step.fraction, told, picture=picture)}
            else:
                yield self._result(request, session) | {
                    self.status: film_views.finished(name, step, wanted.count)
                }
                return step
        yield self._result(request, session) | {self.status: quiet(say(name, "film.stopped_empty"))}
        return None

    def _result(self, request: gr.Request, session: ColonoscopySession) -> Updates:
        """The film that is there, which may be the one before, or the empty stage."""
        made, name = session.film, language(request)
        if made is None:
            return {self.screen: video_stage.clear(), self.log: ""}
        shown = video_stage.show(film_views.views(made), film_views.taken(name, made))
        return {self.screen: shown, self.log: film_views.log(name, made)}

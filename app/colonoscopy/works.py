"""What a visitor drew and filmed, each with its mask, model, seed and settings: a click brings it back."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from app.colonoscopy import film_service, film_views, service, views
from app.colonoscopy.session import ColonoscopySession
from app.components.history_strip import SIDE, Past, jpeg_url, small
from app.history import Work, linked_all
from app.i18n import say
from models.colonoscopy.data.film_exports import FilmMade
from models.colonoscopy.data.images import Frame, Mask
from models.colonoscopy.pipeline import Order, Sample
from models.colonoscopy.video.base import FilmOrder
from models.core import ffmpeg_calls
from models.core.errors import UserError

SEEN = 4  # frames of a drawing that the strip shows


@dataclass(frozen=True, eq=False)
class Drawn(Work):
    """Frames and what they were ordered as.

    compared: the models that drew them in turns, see `ColonoscopySession`. task: as on the page.
    own_frame: the visitor's, that was altered. pictures: data URLs of the first ones.
    """

    frames: tuple[Sample, ...]
    compared: tuple[str, ...]
    order: Order
    task: str
    own_frame: Frame | None
    pictures: tuple[str, ...]

    def size(self) -> int:
        """See `Work`."""
        own = 0 if self.own_frame is None else self.own_frame.nbytes
        return own + sum(one.frame.nbytes + one.mask.nbytes + one.found.nbytes for one in self.frames)


def drawn(session: ColonoscopySession, order: Order, task: str, own_frame: Frame | None) -> Drawn:
    """The frames that were just drawn. own_frame: that was altered, None for a whole frame."""
    frames = tuple(session.frames)
    pictures = tuple(small(service.on_pad(one.frame)) for one in frames[:SEEN])
    return Drawn(frames, session.compared, order, task, own_frame, pictures)


def bring_frames_back(session: ColonoscopySession, work: Drawn) -> None:
    """The frames are the visitor's again, and what they were made of. Raises UserError("still_making")."""
    if session.at_work.locked():
        raise UserError("still_making")
    session.frames, session.compared = list(work.frames), work.compared
    session.mask_shape = work.order.shape
    if work.own_frame is not None:
        session.own_frame = work.own_frame


def past_frames(name: str, number: int, work: Drawn) -> Past:
    """Frames as the strip shows them."""
    first = work.frames[0]
    by = say(name, "history.each") if work.compared else views.model(name, first.model)
    title = f"{by} · {first.seed}"
    told = [say(name, "history.frames", count=len(work.frames))]
    if work.order.look != "any":
        told.append(say(name, f"colonoscopy.look_{work.order.look}"))
    return Past(number, title, (" · ".join(told),), work.pictures)


@dataclass(frozen=True, eq=False)
class Filmed(Work):
    """A film and what it was ordered as.

    mask: that was on the pad, empty where none was. shape: of the file that it came from. judge: as on the
    page. poster: the first picture, a data URL.
    """

    made: FilmMade
    order: FilmOrder
    mask: Mask
    shape: tuple[int, int] | None
    judge: str
    poster: str

    def files(self) -> tuple[Path, ...]:
        """See `Work`."""
        return self.made.paths

    def linked(self, folder: Path) -> Self:
        """See `Work`."""
        return replace(self, made=linked_all(self.made, folder))

    def size(self) -> int:
        """See `Work`."""
        arrays = (self.order.mask, self.order.mask_last, self.order.frame)
        return sum(one.nbytes for one in arrays if one is not None)


def filmed(made: FilmMade, order: FilmOrder, mask: Mask, shape: tuple[int, int] | None, judge: str) -> Filmed:
    """What was just filmed."""
    poster = jpeg_url(ffmpeg_calls.still(made.video, SIDE))
    return Filmed(made, order, mask, shape, judge, poster)


def bring_film_back(session: ColonoscopySession, work: Filmed) -> None:
    """The film is the visitor's again, and what it was made of. Raises UserError("still_making")."""
    if session.at_film.locked():
        raise UserError("still_making")
    film_service.show_again(session, linked_all(work.made, session.visit.shown))
    session.mask_last = work.order.mask_last
    session.mask_shape = work.shape if work.order.frame is None else None
    if work.order.frame is not None:
        session.own_frame = work.order.frame


def past_film(name: str, number: int, work: Filmed) -> Past:
    """A film as the strip shows it."""
    facts = work.made.facts
    told = [say(name, "history.seconds", seconds=f"{facts['frames'] / facts['fps']:.1f}")]
    if facts["knows_mask"]:
        told.append(say(name, f"film.move_{facts['move']}"))
    return Past(
        number,
        f"{film_views.model(name, facts['model'])} · {facts['seed']}",
        (" · ".join(told),),
        (work.poster,),
    )

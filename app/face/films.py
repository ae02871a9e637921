"""The videos that a visitor made, each with its face, its voice and its settings: a click brings it back."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from app.components.history_strip import SIDE, Past, jpeg_url
from app.face import service
from app.face import views as answer
from app.face.session import FaceSession
from app.history import Work, files_of, linked, linked_all
from app.i18n import say
from models.core import ffmpeg_calls
from models.core.errors import UserError
from models.face.types import Made, Order

HELD = {"portrait": "portrait", "video": "footage", "audio": "speech"}  # an order's files in the session


@dataclass(frozen=True, eq=False)
class Film(Work):
    """A video and what it was ordered as. poster: its first picture, a data URL."""

    made: Made
    order: Order
    poster: str

    def files(self) -> tuple[Path, ...]:
        """See `Work`."""
        return (*service.files(self.made), *self._brought())

    def _brought(self) -> list[Path]:
        """What the video was made of, and what is to be seen of a film that browsers don't play."""
        kept = files_of(self.order).values()
        return [*kept, *filter(Path.is_file, map(service.preview_of, kept))]

    def linked(self, folder: Path) -> Self:
        """See `Work`."""
        return self.linked_in(folder, folder)

    def linked_in(self, shown: Path, kept: Path) -> Self:
        """The same with its result in one folder, and what that was made of in another."""
        linked(service.log_of(self.made), shown)
        for file in self._brought():
            linked(file, kept)
        return replace(self, made=linked_all(self.made, shown), order=linked_all(self.order, kept))


def film(made: Made, wanted: Order) -> Film:
    """What was just made."""
    return Film(made, replace(wanted, track=None), jpeg_url(ffmpeg_calls.still(made.video, SIDE)))


def bring_back(session: FaceSession, film: Film) -> Film:
    """The video is the visitor's result again, and what it was made of is what was brought.

    Raises UserError("still_making").
    """
    if session.at_work.locked():
        raise UserError("still_making")
    for name in files_of(film.order):
        service.forget(session, HELD[name])
    again = film.linked_in(session.visit.shown, session.visit.folder)
    for name, file in files_of(again.order).items():
        setattr(session, HELD[name], file)
    service.show_again(session, again.made)
    return again


def past(name: str, number: int, film: Film) -> Past:
    """A video as the strip shows it."""
    order = film.order
    tongue = answer.label(order.language) if order.text else ""
    lasts = say(name, "history.seconds", seconds=f"{film.made.seconds:.1f}")
    told = [lasts, tongue, say(name, f"face.stage_{order.stage}")]
    title = order.text or say(name, "history.spoken")
    return Past(number, title, (" · ".join(text for text in told if text),), (film.poster,))

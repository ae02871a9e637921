"""The questions that a visitor asked, each with its scan and methods: a click asks it again."""

import weakref
from dataclasses import dataclass, field

from app import validation
from app.components.history_strip import Past
from app.history import Work
from app.i18n import say
from app.scene.session import SceneSession
from models.scene.data.scan import Scan
from models.scene.grounding.registry import GROUNDERS


@dataclass(frozen=True)
class Question(Work):
    """A question and what was found.

    shipped: name of the scan that ships. own: a visitor's scan, which can be asked as long as it is open, and
    own_id tells it from others. name: of the scan. found: label and id of the object, or how many fit, "" for
    none.
    """

    sentence: str
    methods: tuple[str, ...]
    name: str
    shipped: str = ""
    own_id: int = 0
    own: "weakref.ref[Scan] | None" = field(default=None, compare=False)
    found: str = field(default="", compare=False)

    def there(self) -> bool:
        """See `Work`."""
        return self.own is None or self.own() is not None

    def is_of(self, session: SceneSession) -> bool:
        """Whether its scan is the one that is open."""
        return session.shipped == self.shipped if self.own is None else self.own() is session.original


def asked(session: SceneSession, sentence: object) -> Question:
    """The question that was answered last."""
    assert session.original is not None
    found = [f"{one.best.label} {one.best.object_id}" for one in session.compared if one.best]
    if session.answer is not None:
        found = [f"{one.label} {one.object_id}" for one in session.answer.candidates[:1]]
    fits = session.answer.fits if session.answer else session.compared[0].fits if session.compared else ()
    if fits:
        found = [f"{found[0].rsplit(' ', 1)[0]} × {len(fits)}"]
    return Question(
        sentence=validation.sentence(sentence),
        methods=session.methods,
        name=session.original.name,
        shipped=session.shipped,
        own_id=0 if session.shipped else id(session.original),
        own=None if session.shipped else weakref.ref(session.original),
        found=found[0] if found else "",
    )


def past(name: str, number: int, one: Question, title: str) -> Past:
    """A question as the strip shows it. title: of its scan."""
    titles = [GROUNDERS[method].title for method in one.methods]
    by = "" if one.methods == (GROUNDERS.default,) else titles[0]
    if len(titles) > 1:
        by = say(name, "history.methods", count=len(titles))
    told = [title, one.found or say(name, "history.nothing"), by]
    return Past(number, one.sentence, (" · ".join(text for text in told if text),))

"""The questions that a visitor asked, each with its scan and methods: a click asks it again."""

import weakref
from dataclasses import dataclass, field

from app import validation
from app.components.history_strip import Past
from app.history import Work
from app.i18n import say
from app.scene.labels import shown
from app.scene.session import SceneSession
from models.scene.data.scan import Scan
from models.scene.grounding.registry import GROUNDERS


@dataclass(frozen=True)
class Question(Work):
    """A question and what was found.

    shipped: name of the scan that ships. own: a visitor's scan, which can be asked as long as it is open, and
    own_id tells it from others. name: of the scan. label: of the object that was found, "" for none.
    which: its id, or how many fit.
    """

    sentence: str
    methods: tuple[str, ...]
    name: str
    shipped: str = ""
    own_id: int = 0
    own: "weakref.ref[Scan] | None" = field(default=None, compare=False)
    label: str = field(default="", compare=False)
    which: str = field(default="", compare=False)

    def there(self) -> bool:
        """See `Work`."""
        return self.own is None or self.own() is not None

    def is_of(self, session: SceneSession) -> bool:
        """Whether its scan is the one that is open."""
        return session.shipped == self.shipped if self.own is None else self.own() is session.original


def asked(session: SceneSession, sentence: object) -> Question:
    """The question that was answered last."""
    assert session.original is not None
    found = [(one.best.label, str(one.best.object_id)) for one in session.compared if one.best]
    if session.answer is not None:
        found = [(one.label, str(one.object_id)) for one in session.answer.candidates[:1]]
    fits = session.answer.fits if session.answer else session.compared[0].fits if session.compared else ()
    label, which = found[0] if found else ("", "")
    return Question(
        sentence=validation.sentence(sentence),
        methods=session.methods,
        name=session.original.name,
        shipped=session.shipped,
        own_id=0 if session.shipped else id(session.original),
        own=None if session.shipped else weakref.ref(session.original),
        label=label,
        which=f"× {len(fits)}" if fits else which,
    )


def past(name: str, number: int, one: Question, title: str) -> Past:
    """A question as the strip shows it. title: of its scan."""
    titles = [GROUNDERS[method].title for method in one.methods]
    by = "" if one.methods == (GROUNDERS.default,) else titles[0]
    if len(titles) > 1:
        by = say(name, "history.methods", count=len(titles))
    found = f"{shown(name, one.label)} {one.which}" if one.label else say(name, "history.nothing")
    told = [title, found, by]
    return Past(number, one.sentence, (" · ".join(text for text in told if text),))

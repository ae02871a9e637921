"""The things that a sentence names, where it names them, and which labels of a scan mean such a thing."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache

from models.scene.data import nyu40
from models.scene.synthetic_language.vocabulary import STRUCTURE, SYNONYMS

# Things of rooms beside NYU40's classes and ScanNet's labels, so that a missing one is known to be a thing.
_MORE_THINGS = """
piano guitar fridge oven stove microwave dishwasher toaster kettle computer laptop keyboard mouse phone
clock fan heater fireplace plant vase candle carpet bench ladder bicycle bike suitcase umbrella shoe shoes
cup mug plate bottle bowl basket bin bucket broom towel mirror blanket cushion tv television screen
speaker printer cat dog car person elevator stairs statue drum easel aquarium globe trophy
"""
MORE_THINGS = tuple(_MORE_THINGS.split())
WORD = re.compile(r"[a-z][a-z'-]*")
LONGEST = 3  # words of a name
# Where a person stands or looks, or what something else is at: what is named there is not what is asked for.
_ASIDE = re.compile(
    r"(?:so |and |then )?(?:when|if|while|as|facing|looking|standing|from|imagine|with|face|stand|look|"
    r"you are|you're|entering|upon|walk|sitting|viewing|assuming|orient|at|on|in|next|by|between|under|above|"
    r"directly|across|to|near|behind|not)\b"
)
_BEFORE_ANOTHER = re.compile(
    r"\b(?:of|on|in|from|to|by|under|above|behind|near|nearest|with|between|beside|below|at|not)\b"
)
_BEFORE_IT = re.compile(r"\b(?:looking for|one of)\b")


@dataclass(frozen=True)
class Mention:
    """A thing that a sentence names. start, end: its characters; "desk lamp" is one mention, of a lamp."""

    noun: str
    start: int
    end: int


def singulars(word: str) -> set[str]:
    """A word and what it may be the plural of."""
    forms = {word}
    if word.endswith("ies"):
        forms.add(word[:-3] + "y")
    if word.endswith("es"):
        forms.add(word[:-2])
    if word.endswith("s") and not word.endswith("ss"):
        forms.add(word[:-1])
    if word.endswith("ves"):
        forms.add(word[:-3] + "f")
    return forms


@cache
def names_of_things() -> frozenset[str]:
    """Names of things, of one word and of more."""
    names = {
        *nyu40.NAMES,
        *SYNONYMS,
        *(one for several in SYNONYMS.values() for one in several),
        *MORE_THINGS,
    }
    return frozenset(name.lower() for name in names if not name.startswith("other")) - STRUCTURE | {
        "wall",
        "floor",
        "ceiling",
    }


def things(text: str) -> list[str]:
    """Names of things in a sentence in lower case, the longest ones, in its order, each once."""
    return list(dict.fromkeys(one.noun for one in _named(text, names_of_things())))


def mentions(text: str, labels: Iterable[str] = ()) -> list[Mention]:
    """The things that a sentence in lower case names, in its order. labels: more names, of a scan."""
    found: list[Mention] = []
    for one in _named(text, names_of_things() | {label for label in labels if label}):
        if found and text[found[-1].end : one.start] == " ":
            found[-1] = Mention(one.noun, found[-1].start, one.end)
        else:
            found.append(one)
    return found


def head(text: str, named: Iterable[Mention]) -> Mention | None:
    """The thing that a sentence in lower case asks for; None where it is a pronoun or can't be told."""
    for clause in re.finditer(r"[^,.;!?]+", text):
        inside = [one for one in named if clause.start() <= one.start < clause.end()]
        if not inside or _ASIDE.match(clause.group().strip()):
            continue
        before = text[clause.start() : inside[0].start]
        unsure = _BEFORE_ANOTHER.search(before) and not _BEFORE_IT.search(before)
        return None if unsure else inside[0]
    return None


def called(noun: str, labels: Collection[str]) -> tuple[str, ...]:
    """The labels of a scan by which such a thing may be called, under this name or another."""
    if not noun:
        return ()
    same = {noun, *SYNONYMS.get(noun, ())}
    same |= {label for label, others in SYNONYMS.items() if noun in others}
    same |= {other for label in list(same) for other in SYNONYMS.get(label, ())}
    # "chair" is there where an "office chair" is; a "tv stand" is no tv.
    last = {form for name in same for form in singulars(name.split()[-1])}
    return tuple(
        {label for label in labels if label and (label in same or singulars(label.split()[-1]) & last)}
    )


def _named(text: str, names: Collection[str]) -> Iterable[Mention]:
    words = list(WORD.finditer(text))
    at = 0
    while at < len(words):
        for length in range(LONGEST, 0, -1):
            some = words[at : at + length]
            name = " ".join(word.group() for word in some)
            forms = singulars(name) & set(names)
            # Words of one name stand side by side: "the bed. table" is no "bed table".
            together = not re.search(r"[^\w\s'-]", text[some[0].start() : some[-1].end()])
            if len(some) == length and forms and together:
                noun = name if name in names else sorted(forms, key=lambda form: (len(form), form))[0]
                yield Mention(noun, some[0].start(), some[-1].end())
                at += length
                break
        else:
            at += 1

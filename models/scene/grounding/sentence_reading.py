"""A sentence is read before a network is asked: typos of known labels, things that aren't there, words that
nobody knows, several things asked at once, colours of a scan without colour. Each is told.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

from models.core.checkpoints import FOLDER
from models.core.errors import UserError
from models.core.notes import Note, note
from models.scene.chinese.sentence import HAN, in_english
from models.scene.data.scan import Scan
from models.scene.grounding.claims import ORDINALS
from models.scene.grounding.things import called, names_of_things, singulars, things
from models.scene.synthetic_language.vocabulary import COLOURS, SYNONYMS
from models.scene.types import Answer

ALIKE = 80.0  # likeness of two words (Levenshtein, per cent) from which one is a typo of the other
SHORTEST = 4  # letters of a word that can be a typo
EVEN = 0.6  # the second candidate has so much of the first one's share where both fit
_MORE_COLOURS = """
grey orange purple pink beige golden silver dark light cream turquoise violet colored coloured
"""
MORE_COLOURS = tuple(_MORE_COLOURS.split())
_FUNCTION = """
a an the this that these those it its they them he she i you we one ones some any all both each other
another there here what which who where whose is are was be being been am do does did has have had can
could will would shall should may might must not no yes and or but nor so if then than as of in on at to
by for from with without into onto over under above below behind beside besides between among near next
close closest nearest nearby far farthest furthest further left right front back top bottom middle center
centre corner side end edge against along across around opposite facing toward towards away out up down
off inside outside beneath underneath first second third last two three four five six only most more less
least very just also too my your his her our their me him us please show find look looking want need big
small large little tall short long wide narrow round square rectangular high low tallest biggest smallest
largest longest widest made seat stands standing sits sitting placed located put thing things object
objects item items room
"""
FUNCTION = frozenset(_FUNCTION.split()) | set(ORDINALS)
LISTED = re.compile(r"\s*(?:,|;|\band\b|\bor\b)\s*", re.IGNORECASE)
FOREIGN = re.compile(r"[^\x00-\u024f\W\d_]+")  # words in another script than Latin
RELATION = re.compile(
    r"\b(?:in|on|at|to|by|with|of|from|into|over|under|above|below|behind|besides?|between|among|near\w*|next|"
    r"close\w*|left|right|front|against|along|across|around|opposite|facing|towards?|away|that|which|is|are)\b"
)


@dataclass(frozen=True)
class ReadSentence:
    """text: what the network is asked. missing: the thing that this scan has none of, "" for none.

    labels: of the scan, by which the thing that is named first may be called.
    """

    given: str
    text: str
    missing: str
    notes: tuple[Note, ...]
    labels: tuple[str, ...] = ()

    def told(self, answer: Answer) -> Answer:
        """The answer with what was found in the sentence; a missing thing is a noun or isn't named."""
        notes = [*answer.notes, *self.notes]
        if answer.fits:
            return replace(answer, sentence=self.given, notes=tuple(notes))
        if answer.candidates:
            best = answer.candidates[0].score
            even = [one for one in answer.candidates if one.score >= EVEN * best]
            if len(even) > 1 and answer.candidates[0].label == answer.target:
                notes.append(note("one_of_several", label=answer.candidates[0].label, count=len(even)))
            return replace(answer, sentence=self.given, notes=tuple(notes))
        # The verdict names it already.
        notes = [one for one in notes if one.facts.get("noun") != self.missing]
        return replace(answer, sentence=self.given, missing=self.missing, notes=tuple(notes))


def understood(sentence: str) -> tuple[str, tuple[Note, ...]]:
    """What the networks are asked, in English, and what a Chinese sentence was understood as.

    Raises UserError("thing_unknown") where it is Chinese and the thing that it asks for can't be translated.
    """
    if not HAN.search(sentence):
        return sentence, ()
    english = in_english(sentence)
    if not english.target:
        raise UserError("thing_unknown", words=", ".join(english.unknown))
    notes = [note("understood_as", text=english.text)]
    if english.unknown:
        notes.append(note("words_unknown", words=", ".join(english.unknown)))
    return english.text, tuple(notes)


def read_sentence(sentence: str, scan: Scan) -> ReadSentence:
    """What a sentence says about a scan, as far as its words tell. Raises as `understood` does."""
    labels = [instance.label for instance in scan.instances]
    there = _words_of(labels)
    english, translated = understood(sentence)
    text, notes = _spelled_right(english, there)
    notes = [*translated, *notes]
    words = re.findall(r"[a-z][a-z'-]*", text.lower())
    named = things(text.lower())
    lost = [noun for noun in named if not called(noun, labels)]
    unknown = [w for w in words if not _is_known(w, there) and w not in " ".join(lost).split()]
    unknown += FOREIGN.findall(text)
    notes += [note("thing_missing", noun=noun) for noun in lost]
    if unknown:
        notes.append(note("words_unknown", words=", ".join(dict.fromkeys(unknown))))
    asked = _asked_at_once(text.lower())
    if len(asked) > 1:
        notes.append(note("several_asked", first=asked[0], count=len(asked)))
        text = LISTED.split(text, maxsplit=1)[0]
    if not scan.coloured:
        text, colours = _without_colours(text)
        if colours:
            notes.append(note("colour_unknown", words=", ".join(colours)))
    # A word before the name of a thing says what kind of it, as in "rubbish bin".
    heads = [
        w
        for w in unknown
        if not (after := re.search(rf"\b{re.escape(w)}\s+([a-z]+)", text.lower())) or not things(after[1])
    ]
    missing = lost[0] if lost else heads[0] if heads else ""
    first = called(named[0], labels) if named else ()
    return ReadSentence(sentence, text, missing, tuple(notes), first)


def _spelled_right(sentence: str, there: set[str]) -> tuple[str, list[Note]]:
    """The sentence with typos of the scan's own labels put right."""
    from rapidfuzz import fuzz, process

    notes: list[Note] = []

    def right(found: re.Match[str]) -> str:
        word = found[0].lower()
        if len(word) < SHORTEST or _is_known(word, there):
            return found[0]
        best = process.extractOne(word, [one for one in there if len(one) >= SHORTEST - 1], scorer=fuzz.ratio)
        if best is None or best[1] < ALIKE:
            return found[0]
        notes.append(note("typo", word=found[0], read=best[0]))
        return str(best[0])

    return re.sub(r"[A-Za-z][A-Za-z'-]*", right, sentence), notes


def _words_of(labels: Iterable[str]) -> set[str]:
    """Single words of labels and of what else these are called."""
    found: set[str] = set()
    for label in labels:
        for name in (label, *SYNONYMS.get(label, ())):
            found |= set(name.split())
    return found


@cache
def _vocabulary() -> frozenset[str]:
    """Words that people used to describe rooms: those of the captions that the captioner learnt from."""
    file = FOLDER / "xtrans2cap" / "config.json"
    words = json.loads(file.read_text(encoding="utf-8")).get("words", []) if file.is_file() else []
    return frozenset(str(word).lower() for word in words)


def _is_known(word: str, there: set[str]) -> bool:
    nouns = {part for name in names_of_things() for part in name.split()}
    known = FUNCTION | set(COLOURS) | set(MORE_COLOURS) | there | nouns | _vocabulary()
    parts = [part for part in re.split(r"['-]", word) if len(part) > 1]
    return any(form in known for form in singulars(word)) or (
        bool(parts) and all(any(form in known for form in singulars(part)) for part in parts)
    )


def _asked_at_once(text: str) -> list[str]:
    """Things that a sentence asks for beside each other: "the chair and the table and the lamp"."""
    parts = LISTED.split(text.strip(" .?!"))
    if len(parts) < 2 or RELATION.search(parts[0]):
        return []
    asked = []
    for part in parts:
        named = things(part)
        bare = len(named) == 1 and len(part.split()) <= len(named[0].split()) + 1
        if named and (re.match(r"(?:the|a|an)\s", part) or bare):
            asked.append(named[0])
    return asked if len(asked) > 1 and things(parts[0]) else []


def _without_colours(text: str) -> tuple[str, list[str]]:
    """The sentence without words for colours, and these."""
    names = [*COLOURS, *MORE_COLOURS]
    pattern = re.compile(rf"\b(?:{'|'.join(names)})(?:ish)?\b\s*", re.IGNORECASE)
    named = [found.strip().lower() for found in pattern.findall(text)]
    return re.sub(r"\s+", " ", pattern.sub("", text)).strip() or text, list(dict.fromkeys(named))

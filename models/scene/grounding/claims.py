"""What a sentence claims of the thing that it asks for, where boxes can decide it.

Everything is read off the words. A claim that is not put in one of the ways
known here, or that may be about another thing of the sentence, is passed over:
the reader says nothing rather than something wrong.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from models.scene.grounding.things import Mention, called, head, mentions

ORDINALS = (
    *("first", "second", "third", "fourth", "fifth"),
    *("sixth", "seventh", "eighth", "ninth", "tenth"),
)
_DIGITS = ("1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th", "10th")
_RANKS = {word: rank for words in (ORDINALS, _DIGITS) for rank, word in enumerate(words)}
RANK = "|".join(_RANKS)  # a pattern of each of them
_PLACE = (
    r"next to|near|beside|by|close to|against|under|underneath|below|beneath|on|on top of|above|over|"
    r"touching|at|in front of"
)
# "the third chair from the left", "second on your right", "2nd rightmost", "left to right, the 4th chair"
_IN_A_ROW = re.compile(
    rf"\b(?P<rank1>{RANK})\b(?: [a-z-]+){{0,4}}? (?:from|to|on|in from|over from|starting from|in|at) "
    r"(?:the |your |my )?(?:far |very )?(?P<side1>left|right|top|bottom)\b|"
    rf"\b(?P<rank2>{RANK}) (?P<side2>left|right)[ -]?most\b|"
    rf"\b(?P<side3>left|right) to (?:left|right)\b[a-z, ]{{1,30}}?\b(?P<rank3>{RANK})\b|"
    rf"\b(?P<rank4>{RANK})\b[a-z, (]{{1,30}}?\b(?P<side4>left|right) to (?:left|right)\b"
)
_AT_THE_END = re.compile(
    r"\b(?P<side1>left|right)[ -]?most\b|"
    r"\b(?:far(?:thest|ther)?|furthest|further|most)(?: (?:to|on))?(?: the| your)? ?(?P<side2>left|right)\b"
    r"(?! (?:wall|corner|side of|of the|end))"
)
# "second closest to the window", "third farthest from the door", "the second stall from the door"
_BY_DISTANCE = re.compile(
    rf"\b(?P<rank1>{RANK})[ -](?:most )?(?:closest|nearest)\b(?: [a-z-]+){{0,2}}? (?:to|from)\b|"
    rf"\b(?P<rank2>{RANK})[ -](?:most )?(?P<far>farthest|furthest)\b(?: [a-z-]+){{0,2}}? from\b|"
    rf"\b(?P<rank3>{RANK})\b(?: [a-z-]+){{0,4}}? from (?=the|a\b)"
    r"(?!the (?:far |very )?(?:left|right|top|bottom|back|front|end|side|corner|ground|floor)\b)"
)
# "the chair on the left": not on the left of something
_ON_A_SIDE = re.compile(
    r"\b(?:on|to|at|in) (?:the|your|my|its) (?:very |extreme )?(?:[a-z]+ )?(?P<side1>left|right)\b"
    r"(?:[- ]?hand)?(?: side)?(?=\s*(?:$|[.,;!?(]|of the room|when|if|as|facing))"
)
_CORNER = re.compile(
    r"(?<!upper )(?<!top )(?<!lower )(?<!bottom )(?<!table )(?<!desk )(?<!couch )(?<!bed )\bcorners?\b"
    r"(?! (?:of|table|desk|cabinet|shelf|couch|sofa|chair|window|where)"
    r"(?! (?:the |this )?(?:room|bathroom|kitchen|office|bedroom|garage)))"
)
_BETWEEN = re.compile(r"\bbetween\b")
_AND = re.compile(r"(?: [a-z-]+)?,? ?(?:and|&)(?: (?:the|a|an|another|other|one))*(?: [a-z-]+){0,2} ?")
_WITHOUT = re.compile(
    rf"\b(?:without|(?:with|has|have|having|contains?) no|no|(?:does|do)(?: not|n['’]t) have|not having|"
    rf"lacks|lacking|(?:is|are)(?: not|n['’]t) (?:{_PLACE})|not (?:the one )?(?:{_PLACE}))\b"
    r"(?: (?:a|any|the|its|other))?"
)
_NOT = re.compile(
    r"(?:\bnot\b|n['’]t\b|\bnever\b|\bnor\b)"
    r"(?: (?:the|one|be|so|fully|directly|right|located|placed|sitting|standing|in|is|a|that|which))*\s*$"
)

# "facing the window", "looking at the beds"; but not "the chair is facing the table"
_FACING = re.compile(
    r"(?P<be>\b(?:is|are) )?\b(?:fac(?:e|ing)|look(?:ing)? (?:at|to|towards?|out(?: of)?)|"
    r"turn(?:ed|ing)? (?:to|towards?))\b"
)
_BACK_TO = re.compile(r"\bback (?:is |are )?(?:to|facing|against|towards?)\b")
_ENTERING = re.compile(
    r"\b(?:enter(?:ing)?|walk(?:ing)? (?:in|into|through)|com(?:e|ing) in|"
    r"(?:from|stand(?:ing)? (?:at|in|by|near)) the (?:door|doorway|entrance))\b"
)


# "facing the window," ends where its comma is: what comes then is not of the window
_STANDS = re.compile(rf"(?:{_FACING.pattern}|{_BACK_TO.pattern}|{_ENTERING.pattern})[^,.;!?]*,")


@dataclass(frozen=True)
class Outlook:
    """How a person stands in the room as a sentence says it.

    kind: "facing" something, with the "back" to it, "entering" by it. anchor: its noun.
    """

    kind: str
    anchor: str


@dataclass(frozen=True)
class Claim:
    """One claim.

    kind: "row" (rank-th from a side, 0 is the first), "side" (on one side), "corner" (of the room), "between"
    (anchors: one noun or two), "without" (no such anchor is at it), "near" and "far" (rank-th by its distance
    from an anchor). negated: it is said not to be so.
    """

    kind: str
    side: str = ""
    rank: int = 0
    anchors: tuple[str, ...] = ()
    negated: bool = False


@dataclass(frozen=True)
class ReadClaims:
    """noun: the thing that is asked for, "" where a pronoun stands for it. claims: about it.

    outlook: how the person who says it stands, None where that isn't said.
    """

    noun: str
    claims: tuple[Claim, ...]
    outlook: Outlook | None = None


@dataclass(frozen=True)
class _Text:
    text: str
    named: Sequence[Mention]
    asked: Mention | None
    labels: Sequence[str]

    def about(self, start: int, end: int) -> str:
        """Of what the words from start to end speak: "it", "other", or "" where their sentence names nothing.

        That is the thing named last before them in their sentence; another one inside them counts too.
        """
        own = set(called(self.asked.noun, self.labels)) if self.asked else set()

        def other(one: Mention) -> bool:
            return one != self.asked and not own & set(called(one.noun, self.labels))

        if any(other(one) for one in self.named if start <= one.start and one.end <= end):
            return "other"
        begins = max(self.text.rfind(mark, 0, start) for mark in ".;!?")
        stands = list(_STANDS.finditer(self.text, begins + 1, start))
        begins = stands[-1].end() if stands else begins
        before = [one for one in self.named if begins < one.start and one.end <= start]
        if self.asked is None:
            return "it"
        return "" if not before else "other" if other(before[-1]) else "it"

    def after(self, end: int, words: int) -> Mention | None:
        """The thing named next, at most some words on and in the same clause."""
        one = next((one for one in self.named if one.start >= end), None)
        between = self.text[end : one.start] if one else ""
        near = len(between.split()) <= words and not re.search(r"[.,;!?]", between)
        return one if near else None


@lru_cache(maxsize=8192)  # each method that is asked reads the same
def read_claims(sentence: str, labels: tuple[str, ...]) -> ReadClaims:
    """What a sentence in English claims. labels: of the scan's objects, which name things too."""
    text = re.sub(r"\s+", " ", sentence.lower())
    named = mentions(text, labels)
    asked = head(text, named)
    read = _Text(text, named, asked, sorted(set(labels)))
    claims = [*_rows(read), *_distances(read), *_corners(read), *_betweens(read), *_withouts(read)]
    return ReadClaims(asked.noun if asked else "", tuple(dict.fromkeys(claims)), _outlook(read))


def _outlook(read: _Text) -> Outlook | None:
    """The first that is said; a back to something counts before a face to something else."""
    for kind, pattern in (("back", _BACK_TO), ("facing", _FACING)):
        for one in pattern.finditer(read.text):
            other = one.groupdict().get("be") and not read.text[: one.start()].endswith("you ")
            anchor = None if other else read.after(one.end(), 3)
            if anchor is not None:
                return Outlook(kind, anchor.noun)
    return Outlook("entering", "door") if _ENTERING.search(read.text) else None


def _rows(read: _Text) -> Iterator[Claim]:
    """Ranks in a row, its ends, its sides; what is said most exactly counts alone."""
    for pattern, kind in ((_IN_A_ROW, "row"), (_AT_THE_END, "row"), (_ON_A_SIDE, "side")):
        found = list(pattern.finditer(read.text))
        for one in found:
            about = read.about(*one.span())
            if about == "it" or (about == "" and kind == "row"):
                said = {name.rstrip("1234"): value for name, value in one.groupdict().items() if value}
                yield Claim(kind, said["side"], _RANKS.get(said.get("rank", ""), 0))
        if found:
            return


def _distances(read: _Text) -> Iterator[Claim]:
    """Ranks by distance but the first, which the networks know as well as the boxes do."""
    for one in _BY_DISTANCE.finditer(read.text):
        anchor = read.after(one.end(), 4)
        said = {name.rstrip("123"): value for name, value in one.groupdict().items() if value}
        rank = _RANKS[said["rank"]]
        if rank and anchor is not None and anchor != read.asked and read.about(*one.span()) != "other":
            yield Claim("far" if "far" in said else "near", rank=rank, anchors=(anchor.noun,))


def _corners(read: _Text) -> Iterator[Claim]:
    for one in _CORNER.finditer(read.text):
        if read.asked is not None and read.about(*one.span()) == "it":
            yield Claim("corner", negated=bool(_NOT.search(read.text[: one.start()])))


def _betweens(read: _Text) -> Iterator[Claim]:
    for one in _BETWEEN.finditer(read.text):
        first = read.after(one.end(), 5)
        if first is None or read.about(*one.span()) == "other":
            continue
        second = read.named[read.named.index(first) + 1 :][:1]
        if second and not _AND.fullmatch(read.text[first.end : second[0].start]):
            second = []
        yield Claim("between", anchors=tuple(each.noun for each in (first, *second)))


def _withouts(read: _Text) -> Iterator[Claim]:
    for one in _WITHOUT.finditer(read.text):
        anchor = read.after(one.end(), 2)
        if anchor is not None and read.asked is not None and read.about(*one.span()) != "other":
            yield Claim("without", anchors=(anchor.noun,))

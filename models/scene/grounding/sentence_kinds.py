"""Of which kinds a sentence is, read off its words: what makes it hard to find the object that it means."""

import re

from models.scene.grounding.claims import RANK

KINDS = (
    "ordinal",
    "superlative",
    "negation",
    "left_right",
    "front_behind",
    "between",
    "corner",
    "facing",
    "other",
)
# "the second floor" and "at first" put nothing in a row.
_ORDINAL = re.compile(rf"(?<!at )\b(?:{RANK})\b(?! (?:floor|stor(?:e?y)|sight|glance|person))")
_ENDS = re.compile(r"\b([a-z]{2,}est|[a-z]+most|(?:most|least)(?= [a-z]+))\b")
# Words that end as superlatives do and are none.
_NO_ENDS = {"almost", "utmost", "chest", "nest", "rest", "test", "vest", "west", "northwest", "southwest"}
_NO_ENDS |= {
    "guest",
    "forest",
    "request",
    "harvest",
    "headrest",
    "armrest",
    "footrest",
    "backrest",
    "suggest",
}
_NO_ENDS |= {"interest", "digest", "honest", "modest", "priest", "breast", "arrest", "contest", "midwest"}
_NEGATION = re.compile(
    r"\b(?:not|no|none|without|never|neither|nor|nothing|except|cannot|instead of|rather than|other than)\b|"
    r"n['’]t\b|\b(?:isnt|doesnt|dont|arent|wont|cant)\b"
)
# "right next to" says how near, not on which side.
_SIDE = re.compile(
    r"\bleft(?:most|hand)?\b|\bright(?:most|hand)\b|\b(?:the|your|my|far) right\b|"
    r"\bright\b(?! (?:next|beside|behind|by|in|above|below|under\w*|near\w*|against|across|up|at|there|when|"
    r"inside|outside|over|on top|along|around|before|after|between|as|where|here|now)\b)"
)
_DEPTH = re.compile(
    r"\bin ?front\b|\bbehind\b|\bin back of\b|\b(?:at|in|on|to|towards?|near) the (?:front|back)\b|"
    r"\bfront(?:most)? (?:left|right|row|one)\b|\bback (?:left|right|row|one)\b|\b(?:hindmost|rearmost)\b"
)
_BETWEEN = re.compile(r"\b(?:in[- ]?)?between\b|\bin the middle of (?:the )?(?:two|both)\b|\bsandwiched\b")
_CORNER = re.compile(r"\bcorners?\b")
_VIEW = re.compile(
    r"\bfac(?:e|es|ing)\b|\blook(?:ing|s)? (?:at|to|toward|towards|from|in|into|out|straight)\b|"
    r"\b(?:when|if|as|while|imagine|from where) (?:you|i|one|you're|you’re|your|youre)\b|\bstanding\b|"
    r"\bstand (?:in|at|by|with|near|on|facing)\b|\b(?:when|upon|while|as) (?:entering|walking|sitting|seated|"
    r"lying|laying|viewing|coming)\b|\byour (?:back|left|right)\b|\bwith (?:the|your) back\b|"
    r"\bwalk(?:ing)? in"
)
_READERS = {
    "ordinal": _ORDINAL,
    "negation": _NEGATION,
    "left_right": _SIDE,
    "front_behind": _DEPTH,
    "between": _BETWEEN,
    "corner": _CORNER,
    "facing": _VIEW,
}


def kinds_of(sentence: str) -> tuple[str, ...]:
    """The kinds of a sentence in the order of KINDS, ("other",) where it is of none.

    ordinal: it counts in a row ("the second from the left"). superlative: "closest", "tallest", "leftmost".
    negation: "not", "no", "without". left_right and front_behind: sides. between, corner: these words.
    facing: it says where a person stands or looks. A sentence may be of several.
    """
    text = re.sub(r"\s+", " ", sentence.lower())
    found = {kind for kind, pattern in _READERS.items() if pattern.search(text)}
    if any(word not in _NO_ENDS for word in _ENDS.findall(text)):
        found.add("superlative")
    return tuple(kind for kind in KINDS if kind in found) or ("other",)

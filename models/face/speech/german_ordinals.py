"""German ordinals, "3. Platz": a number with a full stop before the noun that it counts, declined.

A full stop after a number may as well end a sentence ("Es kostet 3. Danach ..."), so it counts only before
these nouns, before months, or after an article.
"""

import re
from collections.abc import Callable

MASCULINE = {
    "Platz", "Stock", "Rang", "Preis", "Tag", "Monat", "Geburtstag", "Gang", "Teil", "Versuch", "Schritt",
    "Akt", "Satz", "Advent",
}  # fmt: skip
FEMININE = {
    "Etage", "Klasse", "Woche", "Runde", "Liga", "Auflage", "Ausgabe", "Stunde", "Minute", "Seite", "Frage",
    "Reihe", "Stufe", "Phase",
}  # fmt: skip
NEUTER = {
    "Mal", "Kapitel", "Jahrhundert", "Quartal", "Jahr", "Semester", "Spiel", "Obergeschoss", "Bild", "Lied",
}  # fmt: skip
# After these the ending is -e, after the others -en.
WEAK = r"der|die|das|dieser|diese|dieses|jeder|jede|jedes|welcher|welche|welches|ins|aufs|fürs"
OBLIQUE = r"den|dem|des|am|im|zum|zur|vom|beim|bis|ab|seit|in|einem|einer|eines|einen|diesem|diesen"
_COUNTED = re.compile(
    r"(?:\b(?P<before>\w+)\s+)?(?<![\d.,])\b(?P<number>\d{1,3})\.\s+(?P<noun>[A-ZÄÖÜ][\w-]+)", re.UNICODE
)


def spoken_ordinals(text: str, ordinal: Callable[[int], str], months: str) -> str:
    """The text with its ordinals written out.

    ordinal: a number's stem with -e ("dritte"). months: their names, divided by blanks; days before them are
    of the masculine "Tag".
    """

    def said(found: re.Match[str]) -> str:
        before, noun = found["before"] or "", found["noun"]
        weak = re.fullmatch(WEAK, before, re.IGNORECASE)
        oblique = re.fullmatch(OBLIQUE, before, re.IGNORECASE)
        known = noun in MASCULINE | FEMININE | NEUTER | set(months.split())
        if not (known or weak or oblique):
            return found[0]
        ending = "" if weak or (not oblique and noun in FEMININE) else "n" if oblique else _strong(noun)
        return f"{before} {ordinal(int(found['number']))}{ending} {noun}".strip()

    return _COUNTED.sub(said, text)


def _strong(noun: str) -> str:
    """Without an article: dritter Platz, drittes Kapitel."""
    return "s" if noun in NEUTER else "r"

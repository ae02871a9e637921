"""Chinese beside English: the generator's sentences about the shipped rooms, asked in both languages."""

import random
import re
from collections.abc import Iterator
from typing import Any

from models.core.results import markdown, write
from models.scene import pipeline
from models.scene.chinese.caption import name_of
from models.scene.chinese.sentence import describing
from models.scene.data.scan import Scan
from models.scene.synthetic_language.sentences import make_sentences

SENTENCES = 200
EACH = 12  # generated of a kind and a room
COMMAND = "python -m models.scene evaluate chinese"
# What the generator says of two things, and what of one, in Chinese.
TWO = {
    r"(?:closest|nearest) to": "离{a}最近",
    r"near|next to|close to|beside|by": "{a}旁边",
    r"(?:farthest|furthest|furthest away) from": "离{a}最远",
    r"on top of|on|lying on|sitting on|resting on": "{a}上面",
    r"above|over|higher than": "{a}上方",
    r"under|below|beneath|underneath": "{a}下面",
    r"to the left of": "{a}左边",
    r"to the right of": "{a}右边",
}
ONE = {
    r"in the corner(?: of the room)?": "房间角落里",
    r"in the (?:middle|center) of the room": "房间中间",
    r"against the wall|up against a wall": "靠墙",
}
ASKED = r"(?:(?:choose|select|find) |it is )?the (?:correct )?(?P<t>[a-z ]+?) (?:that (?:is|are) |is |are )?"


def in_chinese(english: str) -> str | None:
    """A generated sentence in Chinese; None where it is put in a way that has no counterpart here."""
    for words, said in TWO.items():
        if found := re.fullmatch(rf"{ASKED}(?:{words}) the (?P<a>[a-z ]+)", english):
            return _whole(said, found["t"], found["a"])
    for words, said in ONE.items():
        if found := re.fullmatch(rf"{ASKED}(?:{words})", english):
            return _whole(said, found["t"])
    if found := re.fullmatch(rf"{ASKED}(?:in )?between the (?P<a>[a-z ]+?) and the (?P<b>[a-z ]+)", english):
        return _whole("{a}和{b}之间", found["t"], found["a"], found["b"])
    if found := re.fullmatch(r"(?:choose )?the (?P<w>\w+) (?P<t>[a-z ]+)", english):
        written = {word: name for name, word in describing().items() if name[-1] == "色" or name[0] == "最"}
        return _whole(written[found["w"]], found["t"]) if found["w"] in written else None
    return None


def _whole(said: str, target: str, one: str = "", two: str = "") -> str | None:
    names = [name_of(word) if word else "" for word in (target, one, two)]
    if None in names:
        return None
    return f"{said.format(a=names[1], b=names[2])}的{names[0]}"


def questions() -> Iterator[tuple[Scan, str, str, int]]:
    """(scan, English, Chinese, target) of all that can be said in both."""
    for name in pipeline.examples():
        scan = pipeline.open_example(name)
        for made in make_sentences(list(scan.instances), random.Random(0), each=EACH):
            chinese = in_chinese(made.sentence)
            if chinese is not None:
                yield scan, made.sentence, chinese, made.target


def evaluate() -> dict[str, Any]:
    """Prints and writes how many of the same questions are answered rightly in either language."""
    every = list(questions())
    asked = random.Random(1).sample(every, min(SENTENCES, len(every)))
    right = {"English": 0, "Chinese": 0}
    for scan, english, chinese, target in asked:
        for language, sentence in (("English", english), ("Chinese", chinese)):
            best = pipeline.ground(scan, sentence).candidates
            right[language] += bool(best) and best[0].object_id == target
    rows = [{"language": name, "right": 100 * count / len(asked)} for name, count in right.items()]
    text = (
        "## Questions in Chinese",
        f"{len(asked)} sentences that boxes prove, made of the shipped rooms and put into Chinese: "
        "per cent whose object InstanceRefer finds. The rooms' own labels are offered. The Chinese sentences "
        "and what reads them were written by the same hand, so that other ways of putting it are not in it.",
        markdown(rows),
        f"`{COMMAND}`",
    )
    print("\n\n".join(text))
    write("chinese", "\n\n".join(text))
    share = right["Chinese"] / max(right["English"], 1)
    return {"chinese": rows, "share_of_english": round(share, 3), "n": len(asked)}

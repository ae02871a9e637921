"""A Chinese description of one object -> the same in English, which is what the networks read.

Chinese puts all that tells an object before it: 离窗户最近的椅子, "near the window -est 的 chair". So a
description is read from its end: the noun, then each 的 before it with what it joins, in which other things
can stand, described in the same way. What is not known is kept apart and told, never guessed.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
NAMELESS = "object"  # what stands for a noun that isn't known
HAN = re.compile(r"[㐀-鿿]")
MEASURE = "把张个台盏扇只本块幅件棵盆条座面卷瓶双间盒层排部架辆位"
NUMBERS = dict(zip("一二三四五六七八九", range(1, 10), strict=True)) | {"两": 2}
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")
WISH = re.compile(
    r"^(?:请|帮我|麻烦|我想要?|我要|给我|你能)*(?:找到|找出|找一下|找|选择|选出|选|指出|指|标出|显示(?![器屏])|看看|看)?(?:一下)?"
    r"(?:(?:它|这|那|该物体|目标)(?:就)?是)?"
)
QUESTION = re.compile(r"(?:在哪里|在哪儿|在哪|是哪个|是哪一个|吗|呢)$")
DEMONSTRATIVE = re.compile(rf"^(?:[这那哪](?:一?[{MEASURE}])?|一[{MEASURE}]|唯一的?)")
COUNT = re.compile(rf"^[两二三四五][{MEASURE}]")
INNER = rf"[这那][一]?[{MEASURE}]"  # joins like 的: 窗边那把椅子
NOUN = r"(?P<x>.+?)的?"

Post = Callable[[re.Match[str], "Reading"], str]


@dataclass
class Reading:
    """What one sentence was read as.

    unknown: words that no table has. target: whether the noun of the last description was known; that of a
    whole is read after those of its parts.
    """

    unknown: list[str] = field(default_factory=list)
    target: bool = True

    def thing(self, text: str) -> str:
        """A described thing with its article: "the table next to the door"."""
        return f"the {self.phrase(text)}"

    def phrase(self, text: str) -> str:
        """A description, without an article."""
        text = DEMONSTRATIVE.sub("", text.strip("的，, "))
        parts = _joined(text)
        before: list[str] = []
        after: list[str] = []
        head = self._head(parts.pop(), before)
        while parts:
            last = parts[-1]
            if (adjective := _adjective(last)) is not None:
                before.insert(0, adjective)
                parts.pop()
                continue
            # An adjective right behind a relation: 沙发上红色的抱枕.
            if (cut := next((at for at in range(1, len(last)) if _adjective(last[at:])), 0)) and (
                self.relation(last[:cut]) is not None
            ):
                before.insert(0, str(_adjective(last[cut:])))
                parts[-1] = last[:cut]
                continue
            # What stands before belongs to the thing in this relation, if it has one that it can describe.
            whole = "的".join(parts)
            said = self.relation(whole)
            if said is None:
                after.append(self.relation(last) or self._lost(last))
                parts.pop()
                continue
            after.insert(0, said)
            break
        self.target = head != NAMELESS
        return " ".join([*(word for word in before if word), head, *(word for word in after if word)])

    def _head(self, text: str, before: list[str]) -> str:
        """The noun at the end; the adjectives right before it, without 的, go to `before`."""
        text = COUNT.sub("", DEMONSTRATIVE.sub("", text))
        if found := re.fullmatch(
            rf"(?:从|由)?(?P<side>左|右|前|后)(?:边|侧|往[左右])?(?:开始|起)?(?:往[左右])?数?(?:起)?的?"
            rf"第(?P<n>[一二三四五六七八九])[{MEASURE}]?(?P<rest>.+)",
            text,
        ):
            side = {"左": "left", "右": "right", "前": "front", "后": "back"}[found["side"]]
            return f"{self._counted(found['n'], found['rest'], before)} from the {side}"
        if found := re.fullmatch(rf"第(?P<n>[一二三四五六七八九])[{MEASURE}]?(?P<rest>.+)", text):
            return self._counted(found["n"], found["rest"], before)
        for start in range(len(text)):
            noun = things().get(text[start:])
            if noun is not None:
                adjectives = _adjectives(text[:start])
                if adjectives is None:
                    self._lost(text[:start])
                before[:0] = adjectives or []
                return noun
        self._lost(text)
        return NAMELESS

    def _counted(self, number: str, rest: str, before: list[str]) -> str:
        own: list[str] = []
        head = self._head(rest, own)
        return " ".join([ORDINALS[NUMBERS[number] - 1], *own, head])

    def relation(self, text: str) -> str | None:
        """How the object lies to others, in English; None for what isn't a relation."""
        text = text.strip("的")
        if found := re.fullmatch(r"(?:它)?(?:并)?(?:不是?|没有?)(?P<rest>(?:在|靠|挨|离|面).+)", text):
            inner = self.relation(found["rest"])
            return None if inner is None else f"that is not {inner}"
        for pattern, said in RELATIONS:
            if found := pattern.fullmatch(text):
                return said(found, self)
        return None

    def _lost(self, text: str) -> str:
        if text:
            self.unknown.append(text)
        return ""


def _near(word: str) -> Post:
    return lambda found, reading: f"{word} {reading.thing(found['x'])}"


def _fixed(words: str) -> Post:
    return lambda found, reading: words


def _with(found: re.Match[str], reading: Reading) -> str:
    place = {"上": " on it", "下": " under it", "里": " in it", "旁": " next to it"}
    return f"with {reading.thing(found['x'])}{place.get((found['place'] or '')[:1], '')}"


def _between_two(found: re.Match[str], reading: Reading) -> str:
    name = reading.phrase(found["x"])
    return f"between the two {name if name.endswith('s') else f'{name}s'}"


SIDES = {
    "next to": r"旁边?|旁侧|身边|(?<![左右前后上下里外旁])边上?|附近|隔壁",
    "on": r"上面?|上边|顶上|顶部",
    "above": r"上方|正上方",
    "under": r"下面?|下边|下方|底下|正下方",
    "in": r"里面?|里边|内|之内|中",
    "to the left of": r"左边|左侧|左面|左手边|左方",
    "to the right of": r"右边|右侧|右面|右手边|右方",
    "in front of": r"前面?|前边|前方|正前方|面前",
    "behind": r"后面?|后边|后方|背后|背面",
    "opposite": r"对面|正对面",
}
RELATIONS: tuple[tuple[re.Pattern[str], Post], ...] = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        (r"(?:靠|靠着|贴着|挨着)墙壁?", _fixed("against the wall")),
        (rf"(?:离|距离|距){NOUN}最近", _near("closest to")),
        (rf"(?:最靠近|最接近|紧靠|紧挨着?){NOUN}", _near("closest to")),
        (rf"(?:离|距离|距){NOUN}最远", _near("farthest from")),
        (rf"(?:离|距离|距){NOUN}(?:很|比较|较|更)?近", _near("close to")),
        (rf"(?:离|距离|距){NOUN}(?:很|比较|较|更)?远", _near("far from")),
        (rf"(?:靠近|靠着|挨着|邻近|贴着|靠){NOUN}", _near("near")),
        (rf"(?:与|和|跟){NOUN}相邻", _near("next to")),
        (rf"(?:面向|面对着?|朝向|朝着?|对着|正对着?){NOUN}", _near("facing")),
        (r"(?:在|位于|处于|放在)?(?P<one>.+?)(?:和|与|跟|及)(?P<two>.+?)的?(?:之间|中间|间)",
         lambda found, reading: f"between {reading.thing(found['one'])} and {reading.thing(found['two'])}"),
        (rf"(?:在|位于)?两[{MEASURE}]?(?P<x>.+?)的?(?:之间|中间|间)", _between_two),
        (r"(?:在|位于)?(?:房间|屋子|屋)?的?(?:角落里?|墙角|角上)", _fixed("in the corner of the room")),
        (r"(?:在|位于)?(?:房间|屋子|屋)的?(?:正)?(?:中间|中央|中心)", _fixed("in the middle of the room")),
        (r"(?:在|位于)?(?:正)?(?:中间|中央)", _fixed("in the middle")),
        (r"(?:在|位于)?(?:最)(?P<side>左|右)(?:边|侧|面)?",
         lambda found, _: f"on the far {'left' if found['side'] == '左' else 'right'}"),
        (r"(?:在|位于)(?P<side>左|右)(?:边|侧|面)",
         lambda found, _: f"on the {'left' if found['side'] == '左' else 'right'}"),
        (r"(?:单独|独自)(?:在一边|放着)?", _fixed("by itself")),
        (rf"(?P<place>上面?|下面|里面?|旁边)?[放摆装带挂盖]?[有着了]{NOUN}(?:在上面|在里面)?", _with),
        *(
            (rf"(?:它)?(?:在|位于|处于|放在|摆在|挂在|坐落在)?{NOUN}的?(?:{names})", _near(words))
            for words, names in SIDES.items()
        ),
    )
)  # fmt: skip


@dataclass(frozen=True)
class EnglishSentence:
    """text: in English. unknown: words that no table has. target: whether what is meant was known."""

    text: str
    unknown: tuple[str, ...]
    target: bool


def in_english(text: str) -> EnglishSentence:
    """A sentence with Chinese characters in it, in English."""
    clauses = [QUESTION.sub("", WISH.sub("", part)) for part in re.split(r"[，。；！？,.;!?\s]+", text)]
    first, *others = [clause for clause in clauses if clause] or [""]
    reading = Reading()
    said = [_clause(first, reading)]
    target = reading.target
    for clause in others:
        relation = reading.relation(clause)
        said.append(_clause(clause, reading) if relation is None else f"it is {relation}")
    return EnglishSentence(". ".join(said), tuple(dict.fromkeys(reading.unknown)), target)


def _clause(clause: str, reading: Reading) -> str:
    """A description; or a statement, the thing, 在, and where: 椅子在窗户旁边."""
    stated = re.fullmatch(r"(?P<who>[^在的]+?)(?P<where>(?:不)?(?:在|位于|靠近|靠着|离).+)", clause)
    before = list(reading.unknown)
    if stated is not None and (where := reading.relation(stated["where"])) is not None:
        return f"{reading.thing(stated['who'])} {where}"
    reading.unknown = before
    return reading.thing(clause)


@cache
def things() -> Mapping[str, str]:
    """English names of things."""
    found: dict[str, str] = json.loads((FOLDER / "things.json").read_text(encoding="utf-8"))
    return found


@cache
def describing() -> Mapping[str, str]:
    """English adjectives; colours with and without 色."""
    tables: dict[str, dict[str, str]] = json.loads((FOLDER / "describing.json").read_text(encoding="utf-8"))
    colours = tables["colours"]
    return {**tables["others"], **colours, **{f"{name}色": word for name, word in colours.items()}}


def _joined(text: str) -> list[str]:
    """What 的 joins, and 那把 where it stands for it. The noun is last."""
    marked = re.sub(rf"(?<=.){INNER}", "的", text)
    parts = [part for part in marked.split("的") if part]
    return parts or [text]


def _adjective(text: str) -> str | None:
    found = _adjectives(text)
    return " ".join(found) if found else None


def _adjectives(text: str) -> list[str] | None:
    """English adjectives of a run of Chinese ones; None where it is something else."""
    known, found = describing(), []
    text = re.sub(r"^(?:是|很|比较|颜色是|非常)", "", text)
    while text:
        length = next((size for size in range(min(4, len(text)), 0, -1) if text[:size] in known), 0)
        if not length:
            return None
        found.append(known[text[:length]])
        text = text[length:]
    return found

"""An English caption -> Chinese, where it is put in one of the ways that captioners put things.

Captioners say few things in few forms ("This is a black bag. It is to the right of the table."), and each has
its counterpart here. What has none stays in English as a whole: half a translation helps nobody.
"""

import re
from collections.abc import Mapping
from functools import cache

from models.scene.chinese.sentence import describing, things
from models.scene.synthetic_language.vocabulary import SYNONYMS

MEASURES = {
    "把": "椅子 办公椅 扶手椅 吉他 雨伞 扫帚",
    "张": "桌子 餐桌 茶几 书桌 边桌 圆桌 床 沙发 画 海报 地毯 地垫 浴室垫 长椅 纸 毯子",
    "台": "电视 显示器 电脑 笔记本电脑 冰箱 微波炉 洗衣机 打印机 咖啡机 洗碗机 抽油烟机 搅拌机 音箱",
    "盏": "灯",
    "扇": "门 窗户",
    "面": "镜子 墙 白板 黑板 窗帘 浴帘",
    "本": "书",
    "盆": "植物",
    "双": "鞋",
    "瓶": "牛奶",
    "条": "毛巾",
}
NAME = r"[a-z][a-z -]*?"
AT = r"(?:the |a |an |its )?"
RANKS = tuple(zip(("first", "second", "third", "fourth", "fifth"), "一二三四五", strict=True))
# What stands behind "it is", and what is said for it: {a} and {b} are things.
PLACES: tuple[tuple[str, str], ...] = (
    (rf"(?:to|on|at) the (?:far )?right(?: side| hand side)? of {AT}(?P<a>{NAME})", "在{a}的右边"),
    (rf"(?:to|on|at) the (?:far )?left(?: side| hand side)? of {AT}(?P<a>{NAME})", "在{a}的左边"),
    (r"(?:to|on|at) the far right(?: side)?", "在最右边"),
    (r"(?:to|on|at) the far left(?: side)?", "在最左边"),
    (r"(?:to|on|at) the right(?: side)?", "在右边"),
    (r"(?:to|on|at) the left(?: side)?", "在左边"),
    (
        rf"(?:(?:in )?between|in the (?:middle|center) of) {AT}(?P<a>{NAME}) and {AT}(?P<b>{NAME})",
        "在{a}和{b}之间",
    ),
    (r"in the (?:middle|center)(?: of the others)", "在其他同类中间"),
    (r"away from the others|(?:farthest|furthest) from the others", "离其他同类较远"),
    *((rf"(?:the )?{rank} from the left", f"是左起第{number}") for rank, number in RANKS),
    *((rf"(?:the )?{rank} from the right", f"是右起第{number}") for rank, number in RANKS),
    *((rf"the {rank} closest to {AT}(?P<a>{NAME})", f"离{{a}}第{number}近") for rank, number in RANKS),
    (r"(?:in|on) the middle", "在中间"),
    (r"in the (?:middle|center)(?: of the room)?", "在房间中间"),
    (r"in the corner(?: of the room)?|in a corner", "在房间的角落里"),
    (r"(?:up )?against (?:the|a) wall", "靠着墙"),
    (r"by itself", "独自在一处"),
    (rf"(?:closest|nearest) to {AT}(?P<a>{NAME})|nearest {AT}(?P<c>{NAME})", "离{a}最近"),
    (rf"(?:farthest|furthest)(?: away)? from {AT}(?P<a>{NAME})", "离{a}最远"),
    (rf"(?:far away|far|away) from {AT}(?P<a>{NAME})", "离{a}较远"),
    (rf"(?:near|close to|closer to) {AT}(?P<a>{NAME})", "在{a}附近"),
    (rf"(?:next to|beside|by|adjacent to) {AT}(?P<a>{NAME})", "在{a}旁边"),
    (rf"(?:on top of|on|lying on|sitting on|resting on) {AT}(?P<a>{NAME})", "在{a}上面"),
    (rf"(?:above|over|higher than) {AT}(?P<a>{NAME})", "在{a}上方"),
    (rf"(?:under|below|beneath|underneath|supporting) {AT}(?P<a>{NAME})", "在{a}下面"),
    (rf"(?:behind|in back of) {AT}(?P<a>{NAME})", "在{a}后面"),
    (rf"in front of {AT}(?P<a>{NAME})", "在{a}前面"),
    (rf"(?:across from|opposite) {AT}(?P<a>{NAME})", "在{a}对面"),
    (rf"facing {AT}(?P<a>{NAME})", "面向{a}"),
    (rf"in {AT}(?P<a>{NAME})", "在{a}里"),
)
BE = r"(?:is|are|sits|stands|hangs|lies)(?: located| placed| sitting| standing| lying| hanging| situated)?"
LEAST = 2  # letters of a noun


def in_chinese(text: str) -> str | None:
    """The caption in Chinese; None where some of it has no counterpart."""
    sentences = [one.strip().lower() for one in text.split(".") if one.strip()]
    said = [_sentence(one) for one in sentences]
    return "。".join(one for one in said if one) + "。" if sentences and None not in said else None


def _sentence(text: str) -> str | None:
    if only := re.fullmatch(rf"this is the (?P<what>{NAME})", text):
        return f"这是{name}" if (name := name_of(only["what"])) else None
    whole = re.fullmatch(rf"(?:this|these|there|it) {BE} (?:a |an |some )?(?P<what>{NAME})", text)
    if whole and (thing := _thing(whole["what"])):
        return f"这是{_counted(thing)}"
    if found := re.fullmatch(
        rf"(?:this|these|there|it) {BE} (?:a|an|some) (?P<what>{NAME}) (?P<where>.+)", text
    ):
        split = _where_begins(f"{found['what']} {found['where']}")
        return f"这是{_counted(split[0])}，{split[1]}" if split else None
    return _placed(text)


def _placed(text: str) -> str | None:
    """Where something is, or how: "it is on the table", "the bag is black", "this bag is next to the bed"."""
    found = re.fullmatch(rf"(?P<who>it|they|(?:the|this|these) {NAME}) {BE} (?P<how>.+)", text)
    if found is None:
        return None
    who = "它" if found["who"] in ("it", "they") else _thing(found["who"].split(" ", 1)[1])
    how = _where(found["how"]) or _superlative(found["how"]) or _alike(found["how"])
    return None if who is None or how is None else f"{who}{how}"


def _where_begins(text: str) -> tuple[str, str] | None:
    """A thing and where it is, in Chinese, where both are known."""
    words = text.split()
    for place in range(1, len(words)):
        thing, where = _thing(" ".join(words[:place])), _where(" ".join(words[place:]))
        if thing and where:
            return thing, f"它{where}"
    return None


def _where(text: str) -> str | None:
    """One place, or two joined by "and"."""
    one = _place(text)
    if one is None and " and " in text:
        first, second = map(_place, text.split(" and ", 1))
        return f"{first}，{second}" if first and second else None
    return one


def _place(text: str) -> str | None:
    for pattern, said in PLACES:
        if found := re.fullmatch(pattern, text):
            parts = {key: _thing(value) for key, value in found.groupdict().items() if value}
            if None not in parts.values():
                return said.format(a=parts.get("a", parts.get("c", "")), b=parts.get("b", ""))
    return None


def _superlative(text: str) -> str | None:
    """What it is of its kind: "the largest table", "the lower of the boxes"."""
    if found := re.fullmatch(rf"the (?P<how>\w+) of the (?:two )?(?P<what>{NAME})", text):
        how, noun = _adjective(found["how"]), name_of(found["what"])
        return f"是其中{how}的{noun}" if how and noun else None
    if found := re.fullmatch(rf"the (?P<what>{NAME})", text):
        thing = _thing(found["what"])
        return f"是{thing}" if thing else None
    return None


def _alike(text: str) -> str | None:
    adjectives = [_adjective(word) for word in re.split(r",? and |, | ", text)]
    return "是" + "、".join(f"{one}的" for one in adjectives if one) if None not in adjectives else None


def _thing(text: str) -> str | None:
    """A noun with adjectives before it, in Chinese; None where a word has no counterpart."""
    words = text.split()
    for place in range(len(words)):
        noun = name_of(" ".join(words[place:]))
        if noun is not None:
            adjectives = [_adjective(word) for word in words[:place]]
            if None in adjectives:
                return None
            return "".join(f"{one}的" for one in dict.fromkeys(adjectives)) + noun
    return None


def _counted(thing: str | None) -> str | None:
    """With its measure word: 一把黑色的椅子."""
    if thing is None:
        return None
    noun = thing.rsplit("的", 1)[-1]
    return f"一{next((word for word, nouns in MEASURES.items() if noun in nouns.split()), '个')}{thing}"


@cache
def _names() -> Mapping[str, str]:
    """The first Chinese name of each English one."""
    return {english: name for name, english in reversed(list(things().items()))}


def name_of(word: str) -> str | None:
    """A thing's Chinese name, under its label or what else it is called, one or several; None without one."""
    names = _names()
    for form in (word, f"{word}s", word.removesuffix("s"), word.removesuffix("es")):
        labels = [form, *(label for label, others in SYNONYMS.items() if form in others)]
        for label in labels:
            if label in names and len(label) > LEAST - 1:
                return names[label]
    return None


@cache
def _adjectives() -> Mapping[str, str]:
    """Chinese adjectives by English ones; a colour with 色."""
    found = {english: name for name, english in reversed(list(describing().items()))}
    colours = {english: name for name, english in reversed(list(describing().items())) if name.endswith("色")}
    return (
        found
        | colours
        | {
            "grey": "灰色",
            "bigger": "较大",
            "biggest": "最大",
            "larger": "较大",
            "lower": "较低",
            "higher": "较高",
            "highest": "最高",
        }
    )


def _adjective(word: str) -> str | None:
    return _adjectives().get(word)

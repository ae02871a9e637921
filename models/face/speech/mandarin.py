"""Mandarin as it sounds: numbers in characters, characters in pinyin, pinyin in the IPA that Kokoro learnt.

Kokoro's Mandarin (misaki's scheme) writes a syllable's tone as an arrow after its vowel, nothing for a
neutral tone, and the vowel of zhi and zi as ɨ.
"""

import re
from itertools import groupby

INITIALS = {
    "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l", "g": "k", "k": "kʰ",
    "h": "x", "j": "ʨ", "q": "ʨʰ", "x": "ɕ", "zh": "ꭧ", "ch": "ꭧʰ", "sh": "ʂ", "r": "ɻ", "z": "ʦ",
    "c": "ʦʰ", "s": "s",
}  # fmt: skip
# A dash stands where the tone goes; v is ü.
FINALS = {
    "a": "a-", "ai": "ai-", "an": "a-n", "ang": "a-ŋ", "ao": "au-", "e": "ɤ-", "ei": "ei-", "en": "ə-n",
    "eng": "ə-ŋ", "i": "i-", "ia": "ja-", "ian": "jɛ-n", "iang": "ja-ŋ", "iao": "jau-", "ie": "je-",
    "in": "i-n", "iou": "jou-", "ing": "i-ŋ", "iong": "jʊ-ŋ", "ong": "ʊ-ŋ", "ou": "ou-", "u": "u-",
    "uei": "wei-", "ua": "wa-", "uai": "wai-", "uan": "wa-n", "uen": "wə-n", "uang": "wa-ŋ", "ueng": "wə-ŋ",
    "uo": "wo-", "o": "wo-", "v": "y-", "ve": "ɥe-", "van": "ɥɛ-n", "vn": "y-n",
}  # fmt: skip
# Syllables that are not an initial and a final.
WHOLE = {
    "er": "ɚ-", "o": "ɔ-", "yo": "jɔ-", "ê": "ɛ-", "m": "m-", "n": "n-", "ng": "ŋ-", "hm": "hm-", "hng": "hŋ-"
}  # fmt: skip
BUZZED = ("zh", "ch", "sh", "r", "z", "c", "s")  # before which i is no [i]
TONES = {"1": "→", "2": "↗", "3": "↓", "4": "↘", "5": ""}
DIGITS = "零一二三四五六七八九"
_SYLLABLE = re.compile(r"[a-zêü]+[1-5]")


def pinyin(text: str) -> list[str]:
    """A text as syllables with tones, "yin2 hang2"; what is no Chinese character stays as it is."""
    from pypinyin import Style, lazy_pinyin

    return lazy_pinyin(numerals(text), style=Style.TONE3, neutral_tone_with_five=True)


def phonemes(text: str) -> str:
    """A text as Kokoro reads it, a space between words: the words that pypinyin knows as phrases.

    What is no Chinese character stays as it is.
    """
    from pypinyin.seg.mmseg import seg

    return "".join(
        " ".join("".join(_sounds(syllable) for syllable in pinyin(word)) for word in seg.cut("".join(run)))
        if chinese
        else "".join(run)
        for chinese, run in groupby(numerals(text), _is_chinese)
    )


def _is_chinese(character: str) -> bool:
    return "㐀" <= character <= "鿿" or character == "〇"


def _sounds(syllable: str) -> str:
    """One syllable of pinyin in Kokoro's IPA, "" for what is none."""
    from pypinyin.contrib.tone_convert import to_finals, to_initials

    if not _SYLLABLE.fullmatch(syllable):
        return ""
    base, tone = syllable[:-1], TONES[syllable[-1]]
    if base in WHOLE:
        return WHOLE[base].replace("-", tone)
    initial = to_initials(base, strict=True)
    final = to_finals(base, strict=True, v_to_u=False)
    vowel = "ɨ-" if final == "i" and initial in BUZZED else FINALS.get(final, "")
    return INITIALS.get(initial, "") + vowel.replace("-", tone)


def numerals(text: str) -> str:
    """A text whose numbers are written in characters: 2024年 digit by digit, 15% as 百分之十五."""
    text = re.sub(r"\d", lambda found: str(int(found[0])), text)  # wide digits too
    text = re.sub(r"\d{4}(?=年)", lambda found: "".join(DIGITS[int(c)] for c in found[0]), text)
    text = re.sub(r"(\d+(?:\.\d+)?)\s*[%％]", r"百分之\1", text)
    return re.sub(r"(\d+)(?:\.(\d+))?", lambda found: _number(found[1], found[2] or ""), text)


def _number(whole: str, part: str) -> str:
    """A number in characters: 10203.5 is 一万零二百零三点五."""
    decimals = "点" + "".join(DIGITS[int(c)] for c in part) if part else ""
    if len(whole) > 16 or (len(whole) > 1 and whole[0] == "0"):
        return "".join(DIGITS[int(c)] for c in whole) + decimals
    said, gap = "", False
    for place in reversed(range(len(whole) // 4 + 1)):
        group = whole[max(0, len(whole) - 4 * place - 4) : len(whole) - 4 * place]
        for power, digit in zip(reversed(range(len(group))), group, strict=True):
            if digit == "0":
                gap = bool(said)
                continue
            said += ("零" if gap else "") + DIGITS[int(digit)] + ("", "十", "百", "千")[power]
            gap = False
        if group.strip("0"):
            said += ("", "万", "亿", "兆")[place]
    if said.startswith("一十"):
        said = said[1:]
    return (said or DIGITS[0]) + decimals

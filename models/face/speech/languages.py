"""The languages that texts are spoken in."""

from dataclasses import dataclass

LATIN, CYRILLIC, GREEK, HANGUL, INDIC = ("LATIN",), ("CYRILLIC",), ("GREEK",), ("HANGUL",), ("DEVANAGARI",)
HAN, KANA = ("CJK",), ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA")


@dataclass(frozen=True)
class Language:
    """A language: its own name, its voice in espeak-ng, and how Unicode's names of its letters begin."""

    label: str
    espeak: str
    scripts: tuple[str, ...] = LATIN


LANGUAGES = {
    "en": Language("English", "en-us"),
    "zh": Language("中文（普通话）", "cmn-latn-pinyin", HAN),
    "yue": Language("中文（粤语）", "yue", HAN),
    "ja": Language("日本語", "ja", KANA),
    "ko": Language("한국어", "ko", HANGUL),
    "de": Language("Deutsch", "de"),
    "fr": Language("Français", "fr"),
    "es": Language("Español", "es"),
    "it": Language("Italiano", "it"),
    "pt": Language("Português", "pt-br"),
    "nl": Language("Nederlands", "nl"),
    "pl": Language("Polski", "pl"),
    "cs": Language("Čeština", "cs"),
    "sv": Language("Svenska", "sv"),
    "fi": Language("Suomi", "fi"),
    "hu": Language("Magyar", "hu"),
    "tr": Language("Türkçe", "tr"),
    "el": Language("Ελληνικά", "el", GREEK),
    "ru": Language("Русский", "ru", CYRILLIC),
    "uk": Language("Українська", "uk", CYRILLIC),
    "hi": Language("हिन्दी", "hi", INDIC),
    "vi": Language("Tiếng Việt", "vi"),
    "id": Language("Bahasa Indonesia", "id"),
}

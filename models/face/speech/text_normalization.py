"""Text as it is typed -> text as a person says it: numbers, dates, times, money, abbreviations, addresses.

num2words (LGPL, a library that is called) says numbers; what it has no language for is left to the voice.
"""

import re
import unicodedata

from models.face.speech.german_ordinals import spoken_ordinals

# Codes of num2words for our languages; Mandarin, Cantonese and Japanese are spelled by their own readers.
NUMBERS = {
    "en": "en", "de": "de", "fr": "fr", "es": "es", "it": "it", "pt": "pt_BR", "nl": "nl", "pl": "pl",
    "cs": "cz", "sv": "sv", "fi": "fi", "hu": "hu", "tr": "tr", "ru": "ru", "uk": "uk", "vi": "vi",
    "id": "id", "ko": "ko",
}  # fmt: skip
POINT = {"en", "zh", "yue", "ja", "ko", "hi"}  # languages that write 1,234.5; the others write 1.234,5
ABBREVIATIONS = {
    "en": {"Dr.": "Doctor", "Mr.": "Mister", "Mrs.": "Missis", "Ms.": "Miss", "Prof.": "Professor",
           "St.": "Saint", "e.g.": "for example", "i.e.": "that is", "etc.": "et cetera", "approx.": "about",
           "vs.": "versus", "No.": "number", "tel.": "telephone"},
    "de": {"Dr.": "Doktor", "Prof.": "Professor", "Hr.": "Herr", "Fr.": "Frau", "Nr.": "Nummer",
           "z. B.": "zum Beispiel", "z.B.": "zum Beispiel", "d. h.": "das heißt", "d.h.": "das heißt",
           "usw.": "und so weiter", "ca.": "circa", "bzw.": "beziehungsweise", "St.": "Sankt",
           "Str.": "Straße", "Tel.": "Telefon", "tel.": "Telefon", "inkl.": "inklusive"},
    "fr": {"Dr": "docteur", "M.": "monsieur", "Mme": "madame", "Mlle": "mademoiselle", "etc.": "et cetera",
           "p. ex.": "par exemple", "n°": "numéro", "tél.": "téléphone", "tel.": "téléphone"},
    "es": {"Dr.": "doctor", "Dra.": "doctora", "Sr.": "señor", "Sra.": "señora", "Ud.": "usted",
           "etc.": "etcétera", "tel.": "teléfono"},
    "it": {"Dott.": "dottor", "Sig.": "signor", "Sig.ra": "signora", "ecc.": "eccetera", "tel.": "telefono"},
    "pt": {"Dr.": "doutor", "Dra.": "doutora", "Sr.": "senhor", "Sra.": "senhora", "etc.": "et cetera",
           "tel.": "telefone"},
    "nl": {"Dr.": "dokter", "dhr.": "de heer", "mevr.": "mevrouw", "bijv.": "bijvoorbeeld",
           "enz.": "enzovoort", "tel.": "telefoon"},
}  # fmt: skip
# Months in the form in which a date has them, one to twelve.
MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
}
# What stands for €, $, £ and ¥, per cent, "dot", "at" and "slash" in an address.
MONEY = {
    "en": ("euros", "dollars", "pounds", "yen"), "de": ("Euro", "Dollar", "Pfund", "Yen"),
    "fr": ("euros", "dollars", "livres", "yens"), "es": ("euros", "dólares", "libras", "yenes"),
    "it": ("euro", "dollari", "sterline", "yen"), "pt": ("euros", "dólares", "libras", "ienes"),
    "nl": ("euro", "dollar", "pond", "yen"), "pl": ("euro", "dolarów", "funtów", "jenów"),
    "zh": ("欧元", "美元", "英镑", "元"), "ja": ("ユーロ", "ドル", "ポンド", "円"),
}  # fmt: skip
SYMBOLS = "€$£¥"
SIGNS = {
    "en": ("percent", "dot", "at", "slash"), "de": ("Prozent", "Punkt", "ät", "Schrägstrich"),
    "fr": ("pour cent", "point", "arobase", "barre oblique"),
    "es": ("por ciento", "punto", "arroba", "barra"),
    "it": ("per cento", "punto", "chiocciola", "barra"), "pt": ("por cento", "ponto", "arroba", "barra"),
    "nl": ("procent", "punt", "apenstaartje", "schuine streep"),
}  # fmt: skip
DEGREES = {
    "en": "degrees Celsius", "de": "Grad Celsius", "fr": "degrés Celsius", "es": "grados Celsius",
    "it": "gradi Celsius", "pt": "graus Celsius", "nl": "graden Celsius",
    "zh": "摄氏度", "yue": "攝氏度", "ja": "度",
}  # fmt: skip
HOUR = {"de": "Uhr", "fr": "heures", "nl": "uur"}
_URL = re.compile(
    r"\b(?:https?://)?(?:www\.)?((?:[\w-]+\.)+(?:[a-z]{2,}))((?:/[^\s,;!?()]*)?)", re.IGNORECASE
)
_MAIL = re.compile(r"\b([\w.+-]+)@((?:[\w-]+\.)+[a-z]{2,})", re.IGNORECASE)
_AMOUNT = r"(?:\d{1,3}(?:[.,  ]\d{3})+|\d+)(?:[.,]\d+)?"
_NUMBER = re.compile(rf"(?<![\w.,])[-−]?{_AMOUNT}(?![\w])")
_PHONE = re.compile(r"(?<![\d.,])(?:\+?\d{2,4}[- ]\d{3,4}[- ]\d{4}|\d{7,})(?![\d.,])")


def normalised(text: str, language: str) -> str:
    """The text with all that is written otherwise than spoken written out, in one of our languages.

    Emoji and other pictures are left out: no voice says "face with tears of joy".
    """
    text = re.sub(r"\s*(?:℃|°\s?C)(?!\w)", f" {DEGREES.get(language, '°C')}", text)
    text = "".join(c if unicodedata.category(c) not in ("So", "Sk") or c in "°" else " " for c in text)
    text = re.sub("[\ufe00-\ufe0f\u200d\U0001f3fb-\U0001f3ff]", "", text)
    if language in ("zh", "yue", "ja"):
        return re.sub(r"\s+", " ", _sinographic(text, language)).strip()
    for step in (_addresses, _abbreviations, _telephones, _dates, _times, _money, _percents, _numbers):
        text = step(text, language)
    return re.sub(r"\s+", " ", text).strip()


def _addresses(text: str, language: str) -> str:
    _, dot, at, slash = SIGNS.get(language, SIGNS["en"])

    def said(name: str) -> str:
        return re.sub(r"\s+", " ", name.replace(".", f" {dot} ").replace("-", " ").replace("_", " "))

    text = _MAIL.sub(lambda m: f"{said(m[1])} {at} {said(m[2])}", text)

    def link(found: re.Match[str]) -> str:
        if "://" not in found[0] and not found[0].lower().startswith("www.") and not found[2]:
            if found[1].rsplit(".", 1)[-1].lower() not in (
                "com",
                "org",
                "net",
                "de",
                "fr",
                "es",
                "io",
                "edu",
                "cn",
            ):
                return found[0]
            if found[1][0].isdigit():
                return found[0]
        path = [said(part) for part in re.split(r"[/?#]", found[2].rstrip(".")) if part]
        return f" {slash} ".join([said(found[1]), *path])

    return _URL.sub(link, text)


def _abbreviations(text: str, language: str) -> str:
    for short, long in ABBREVIATIONS.get(language, {}).items():
        end = r"(?!\w)" if not short[-1].isalnum() else r"\b"
        text = re.sub(rf"(?<!\w){re.escape(short)}{end}", long, text)
    return text


def _telephones(text: str, language: str) -> str:
    """Digits one by one where a number is a telephone's: with a plus, a leading nought, or groups of it."""

    def said(found: re.Match[str]) -> str:
        digits = [c for c in found[0] if c.isdigit()]
        if len(digits) < 7:
            return found[0]
        plus = "plus " if found[0].startswith("+") else ""
        return plus + " ".join(_cardinal(digit, language) for digit in digits)

    # A slash may follow an area code, but two of them make a date.
    return re.sub(r"(?<![\w.,/])(?:\+\d|0\d|\(0\d)[\d()  -]*(?:/[\d -]+)?\d(?![\w/])", said, text)


def _dates(text: str, language: str) -> str:
    if language not in MONTHS:
        return text
    months = MONTHS[language].split()

    def said(day: int, month: int, year: str) -> str | None:
        if not (1 <= day <= 31 and 1 <= month <= 12):
            return None
        name, spoken = months[month - 1], _year(year, language) if year else ""
        if language == "en":
            return f"{name} {_ordinal(day, language)}" + (f", {spoken}" if spoken else "")
        of = " de " if language in ("es", "pt") else " "
        number = _ordinal(day, language) if language in ("de", "en") else _cardinal(str(day), language)
        return f"{number}{of}{name}" + (f"{of}{spoken}" if spoken else "")

    def numeric(found: re.Match[str]) -> str:
        first, second = int(found[1]), int(found[2])
        # Americans put the month first; whoever writes a 13 there means the day.
        day, month = (
            (second, first) if language == "en" and first <= 12 and "/" in found[0] else (first, second)
        )
        spoken = said(day, month, found[3]) or found[0]
        return spoken.replace("ter ", "ten ", 1) if language == "de" and found[0] in declined else spoken

    declined = re.findall(r"\b(?:am|vom|zum|den|dem|bis)\s+(\d{1,2}[/.]\d{1,2}[/.]\d{4})\b", text)
    iso = r"\b(\d{4})-(\d{2})-(\d{2})(?:T(?=\d\d:)|\b)"
    text = re.sub(iso, lambda m: f"{said(int(m[3]), int(m[2]), m[1]) or m[0]} ", text)
    text = re.sub(r"\b(\d{1,2})[/.](\d{1,2})[/.](\d{4})\b", numeric, text)
    if language == "de":
        short = r"\b(am|vom|zum|bis)\s+(\d{1,2})\.(\d{1,2})\.(?!\d)"
        text = re.sub(
            short, lambda m: _declined(m[1], said(int(m[2]), int(m[3]), "")) or m[0], text, flags=re.I
        )
        text = re.sub(rf"\b(\d{{1,2}})\.(?=(?:{'|'.join(months)})\b)", r"\1. ", text)
        text = spoken_ordinals(text, lambda day: _ordinal(day, "de").removesuffix("r"), MONTHS["de"])
    return text


def _declined(before: str, date: str | None) -> str | None:
    """A German date after a preposition: am ersten Mai."""
    return None if date is None else f"{before} {date.replace('ter ', 'ten ', 1)}"


def _times(text: str, language: str) -> str:
    if language == "fr":
        text = re.sub(r"\b(\d{1,2})\s?h(?:\s?(\d{2}))?\b", lambda m: f"{m[1]}:{m[2] or '00'}", text)

    def said(found: re.Match[str]) -> str:
        hour, minute = int(found[1]), int(found[2])
        if hour > 24 or minute > 59:
            return found[0]
        hours, minutes = _cardinal(str(hour), language), _cardinal(str(minute), language)
        if language in HOUR:
            return f"{hours} {HOUR[language]}" + (f" {minutes}" if minute else "")
        if language == "en":
            return (
                f"{hours} o'clock"
                if not minute and not found[3]
                else (
                    f"{hours} {'oh ' if 0 < minute < 10 else ''}{minutes if minute else ''}".strip()
                    + (f" {' '.join(found[3].replace('.', ''))}" if found[3] else "")
                )
            )
        return f"{hours} {minutes}" if minute else hours

    tail = rf"(?:\s*{HOUR[language]}\b)?" if language in HOUR else ""
    return re.sub(rf"\b(\d{{1,2}}):(\d{{2}})\b{tail}(?:\s*([ap]\.?m\.?))?", said, text)


def _money(text: str, language: str) -> str:
    names = MONEY.get(language, MONEY["en"])
    number = f"({_AMOUNT})"

    def said(amount: str, symbol: str) -> str:
        whole, part = _split(amount, language)
        name = names[SYMBOLS.index(symbol)]
        if language == "en" and whole == "1" and not int(part or 0):
            name = {"euros": "euro", "dollars": "dollar", "pounds": "pound"}.get(name, name)
        if part and int(part):
            cents = part.ljust(2, "0")[:2]
            return f"{_cardinal(whole, language)} {name} {_cardinal(str(int(cents)), language)}"
        return f"{_cardinal(whole, language)} {name}"

    text = re.sub(rf"([{SYMBOLS}])\s?{number}", lambda m: said(m[2], m[1]), text)
    return re.sub(rf"{number}\s?([{SYMBOLS}])", lambda m: said(m[1], m[2]), text)


def _percents(text: str, language: str) -> str:
    word = SIGNS.get(language, ("%",))[0]
    return re.sub(r"(?<=\d)\s*[%％]", f" {word}", text)


def _numbers(text: str, language: str) -> str:
    if language not in NUMBERS:
        return text
    if language == "en":
        text = re.sub(r"\b(\d{1,4})(?:st|nd|rd|th)\b", lambda m: _ordinal(int(m[1]), "en"), text)

    def said(found: re.Match[str]) -> str:
        written = found[0]
        minus = written[0] in "-−"
        if re.fullmatch(r"(?:1[1-9]|20)\d\d", written):
            return _year(written, language)
        whole, part = _split(written.lstrip("-−"), language)
        spoken = _cardinal(whole + (f".{part}" if part else ""), language)
        return ("minus " if minus else "") + spoken

    return _NUMBER.sub(said, text)


def _split(written: str, language: str) -> tuple[str, str]:
    """The whole part and the decimals of a written number, without what groups its digits."""
    decimal = "." if language in POINT else ","
    group = "," if decimal == "." else "."
    plain = re.sub(r"[\s  ]", "", written).strip(".,")
    if plain.count(group) == 1 and decimal not in plain and len(plain.rsplit(group, 1)[1]) != 3:
        decimal, group = group, decimal  # 3.5 in a text that would write 3,5
    whole, _, part = plain.replace(group, "").partition(decimal)
    return whole or "0", part.replace(decimal, "")


def _cardinal(number: str, language: str) -> str:
    return _num2words(number, language, "cardinal")


def _ordinal(number: int, language: str) -> str:
    spoken = _num2words(str(number), language, "ordinal")
    return f"{spoken}r" if language == "de" and spoken.endswith("e") else spoken


def _year(number: str, language: str) -> str:
    return _num2words(number, language, "year" if language in ("en", "de") else "cardinal")


def _num2words(number: str, language: str, form: str) -> str:
    """A number in words; as digits where there are none for it."""
    from num2words import num2words

    if len(number) > 15:  # no amount: digits one by one
        return " ".join(number)
    try:
        value = float(number) if "." in number else int(number)
        return str(num2words(value, lang=NUMBERS[language], to=form))
    except (KeyError, NotImplementedError, OverflowError, ValueError, TypeError, IndexError):
        return number


def _sinographic(text: str, language: str) -> str:
    """Chinese and Japanese: signs become words, numbers stay for their readers."""
    names = MONEY.get(language, MONEY["zh"])
    text = re.sub(r"https?://(?:www\.)?", "", text)
    text = _PHONE.sub(lambda m: "".join("〇一二三四五六七八九"[int(c)] for c in m[0] if c.isdigit()), text)
    minus = "マイナス" if language == "ja" else "负"
    text = re.sub(r"(?<![\d\w])[-−](?=\d)|(?<=[\u3040-\u9fff])[-−](?=\d)", minus, text)
    text = re.sub(
        rf"([{SYMBOLS}￥])\s?(\d[\d.,]*)", lambda m: m[2] + names[min(3, (SYMBOLS + "￥").index(m[1]))], text
    )
    text = re.sub(
        rf"(\d)\s?([{SYMBOLS}￥])", lambda m: m[1] + names[min(3, (SYMBOLS + "￥").index(m[2]))], text
    )
    text = re.sub(r"(?<=\d),(?=\d{3})", "", text)
    if language == "ja":
        text = re.sub(
            r"(\d{1,2}):(\d{2})",
            lambda m: f"{int(m[1])}時{int(m[2])}分" if int(m[2]) else f"{int(m[1])}時",
            text,
        )
        text = re.sub(
            r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})", lambda m: f"{m[1]}年{int(m[2])}月{int(m[3])}日", text
        )
        return re.sub(r"\d+(?:\.\d+)?", lambda m: _kanji(m[0]), text)
    text = re.sub(
        r"(\d{1,2}):(\d{2})", lambda m: f"{int(m[1])}点{int(m[2])}分" if int(m[2]) else f"{int(m[1])}点", text
    )
    return re.sub(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})", lambda m: f"{m[1]}年{int(m[2])}月{int(m[3])}日", text)


def _kanji(number: str) -> str:
    """A number in Chinese characters, as Japanese reads it: 2024 is 二千二十四."""
    whole, _, part = number.partition(".")
    digits = "〇一二三四五六七八九"
    if len(whole) > 16:
        return "".join(digits[int(c)] for c in whole)
    said, value = "", int(whole)
    for place, unit in ((10**12, "兆"), (10**8, "億"), (10**4, "万"), (1, "")):
        amount, value = divmod(value, place)
        if amount:
            for size, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
                digit, amount = divmod(amount, size)
                if digit:
                    said += ("" if digit == 1 and name else digits[digit]) + name
            said += unit
    return (said or "〇") + ("点" + "".join(digits[int(c)] for c in part) if part else "")

"""Texts are said as a person would say them."""

import shutil

import numpy as np
import pytest

from models.face.speech import voices
from models.face.speech.text_normalization import normalised


@pytest.mark.parametrize(
    ("language", "text", "said"),
    [
        ("de", "Dr. Müller zahlt 3,50 €.", "Doktor Müller zahlt drei Euro fünfzig."),
        ("de", "um 9:30 Uhr", "um neun Uhr dreißig"),
        ("de", "am 12.03.2025", "am zwölften März zweitausendfünfundzwanzig"),
        (
            "de",
            "1.234,5 km und 15 %",
            "eintausendzweihundertvierunddreißig Komma fünf km und fünfzehn Prozent",
        ),
        ("en", "Dr. Smith", "Doctor Smith"),
        ("en", "$3.50 and 1 €", "three dollars fifty and one euro"),
        ("en", "9:05 pm, 12:00", "nine oh five p m, twelve o'clock"),
        ("en", "12/03/2025", "December third, twenty twenty-five"),
        ("en", "25/12/2025", "December twenty-fifth, twenty twenty-five"),
        ("en", "in 1999, 50%", "in nineteen ninety-nine, fifty percent"),
        ("en", "https://example.com/a-b", "example dot com slash a b"),
        ("en", "bob@site.org", "bob at site dot org"),
        ("en", "tel. +1 555 123", "telephone plus one five five five one two three"),
        ("en", "v2.0 3D", "v2.0 3D"),
        ("en", "OIOOOO 😂👍🏽", "OIOOOO"),
        ("de", "Am 1.5. um 7 Uhr", "Am ersten Mai um sieben Uhr"),
        ("de", "3. Platz", "dritter Platz"),
        ("de", "Sie kam auf den 3. Platz.", "Sie kam auf den dritten Platz."),
        ("de", "Der 2. Satz, das 1. Kapitel", "Der zweite Satz, das erste Kapitel"),
        ("de", "1. Kapitel, 2. Etage", "erstes Kapitel, zweite Etage"),
        ("de", "am 3. Mai 2025, 7. Mai", "am dritten Mai zweitausendfünfundzwanzig, siebter Mai"),
        ("de", "im 21. Jahrhundert zum 100. Mal", "im einundzwanzigsten Jahrhundert zum hundertsten Mal"),
        ("de", "Es kostet 3. Danach gehen wir.", "Es kostet drei. Danach gehen wir."),
        ("en", "£5, 1st and 22nd", "five pounds, first and twenty-second"),
        ("en", "20 °C, -5℃", "twenty degrees Celsius, minus five degrees Celsius"),
        ("en", "2024-12-31T23:59", "December thirty-first, twenty twenty-four twenty-three fifty-nine"),
        ("fr", "à 9h30, 3,50 €, 14 h", "à neuf heures trente, trois euros cinquante, quatorze heures"),
        ("zh", "电话13812345678，-5℃", "电话一三八一二三四五六七八，负5 摄氏度"),
        ("ja", "090-1234-5678は24℃", "〇九〇一二三四五六七八は二十四 度"),
        ("fr", "9:30, 3,50 €", "neuf heures trente, trois euros cinquante"),
        ("es", "12/03/2025", "doce de marzo de dos mil veinticinco"),
        ("zh", "9:30 😂 ¥3", "9点30分 3元"),
        ("ja", "2024年3月", "二千二十四年三月"),
        ("ja", "10,500円", "一万五百円"),
        ("hi", "3 किताबें", "3 किताबें"),
    ],
)
def test_what_is_written_becomes_what_is_said(language, text, said):
    assert normalised(text, language) == said


@pytest.mark.parametrize(
    "text", ["", "9" * 400, "€" * 50, "1/1/1/1", "::::", "+" * 99, "0" * 40, "1,2,3.4.5", "a@b"]
)
@pytest.mark.parametrize("language", list(voices.LANGUAGES))
def test_nothing_breaks_it(text, language):
    normalised(text, language)


def test_a_foreign_word_does_not_make_a_text_foreign():
    voices.check_script("今天是Monday", "zh")
    assert voices.in_languages("今天是Monday吗", "zh") == [("今天是", "zh"), ("Monday", "en"), ("吗", "zh")]
    assert voices.in_languages("Guten Monday", "de") == [("Guten Monday", "de")]


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_a_mixed_text_is_spoken():
    whole, alone = (voices.speak(text, "zh") for text in ("今天是Monday", "今天是"))
    assert len(whole) > len(alone) and np.abs(whole).max() > 0.05

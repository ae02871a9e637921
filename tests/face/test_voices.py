"""Voices: every language is spoken and not spelled, the offered are the understood, the rest is refused."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from models.core.errors import UserError
from models.core.results import RESULTS
from models.face import RATE
from models.face.speech import espeak, evaluation, voices
from models.face.speech.sentences import SENTENCES, greeting

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
GREETINGS = {
    "en": "Good morning, how are you today?",
    "zh": "你好，今天天气怎么样？",
    "yue": "香港嘅天氣好熱，我哋食飯。",
    "ja": "今日は、東京は天気がいいですね。",
    "ko": "안녕하세요, 오늘 기분이 어떻습니까?",
    "de": "Guten Tag, wie geht es Ihnen heute?",
    "fr": "Bonjour, comment allez-vous aujourd'hui ?",
    "es": "Buenos días, ¿cómo está usted?",
    "it": "Buongiorno, come sta oggi?",
    "pt": "Bom dia, como vai você?",
    "nl": "Goedemorgen, hoe gaat het met u?",
    "pl": "Dzień dobry, jak się pan ma?",
    "cs": "Dobrý den, jak se máte?",
    "sv": "God morgon, hur mår du idag?",
    "fi": "Hyvää päivää, mitä kuuluu?",
    "hu": "Jó napot, hogy van?",
    "tr": "Günaydın, bugün nasılsınız?",
    "el": "Καλημέρα, τι κάνετε;",
    "ru": "Здравствуйте, как у вас дела сегодня?",
    "uk": "Добрий день, як справи?",
    "hi": "नमस्ते, आप कैसे हैं?",
    "vi": "Xin chào, bạn khỏe không?",
    "id": "Selamat pagi, apa kabar?",
}


def phonemes(text: str, language: str) -> str:
    command = ["espeak-ng", "-v", voices.LANGUAGES[language].espeak, "-q", "-x", "--stdin"]
    given = voices.spelled(voices.cleaned(text), language).encode()
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout.decode()


def test_there_is_a_greeting_for_each_language():
    assert set(GREETINGS) == set(voices.LANGUAGES) == {voice.language for voice in voices.offered()}


@needs_espeak
@pytest.mark.parametrize("language", GREETINGS)
def test_a_language_is_read_and_not_spelled(language):
    said = phonemes(GREETINGS[language], language)
    assert "(en)" not in said, "espeak-ng switched to English to name letters"
    robot = next(one for one in voices.known() if (one.language, one.engine) == (language, "espeak"))
    for sounds in (
        voices.speak(GREETINGS[language], language),
        voices.spoken(GREETINGS[language], robot),
    ):
        assert sounds.dtype == np.float32 and np.abs(sounds).max() <= 1
        assert 1.0 < len(sounds) / RATE < 6.0


@needs_espeak
@pytest.mark.parametrize("language", GREETINGS)
def test_the_robots_of_a_language_differ(language):
    robots = [one for one in voices.known() if (one.language, one.engine) == (language, "espeak")]
    man, woman = (voices.spoken(GREETINGS[language], one) for one in robots)
    assert len(man) != len(woman) or np.abs(man - woman).max() > 0.1


@needs_espeak
def test_spelling_would_be_noticed():
    command = ["espeak-ng", "-v", "cmn", "-q", "-x", "--stdin"]
    said = subprocess.run(command, input=GREETINGS["zh"].encode(), capture_output=True, check=True)
    assert b"(en)" in said.stdout


def test_mandarin_becomes_pinyin_with_tones():
    assert voices.spelled("银行行长", "zh") == "yin2 hang2 hang2 zhang3"
    assert voices.spelled("2024年增长5%", "zh").startswith("er4 ling2 er4 si4 nian2")
    assert "bai3 fen1 zhi1 wu3" in voices.spelled("增长5%", "zh")


def test_japanese_becomes_kana_as_it_sounds():
    assert voices.spelled("今日は学校へ行く", "ja") == "キョー ワ ガッコー エ イク"
    assert voices.spelled("3月", "ja").replace(" ", "") == "3ガツ"


def test_english_is_the_same_every_time():
    pytest.importorskip("hibari")
    first, second = (voices.speak("Bob met Pam.", "en") for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert 0.5 < len(first) / RATE < 3 and np.abs(first).max() > 0.05


@pytest.mark.parametrize(
    ("text", "language", "voice", "key"),
    [
        ("", "en", None, "text_empty"),
        (" \n\t ", "de", None, "text_empty"),
        ("?! …", "en", None, "text_empty"),
        ("😀", "en", None, "text_empty"),
        ("a" * (voices.MAX_TEXT + 1), "en", None, "text_long"),
        ("你好", "de", None, "text_script"),
        ("Hello there", "zh", None, "text_script"),
        ("Привет", "en", None, "text_script"),
        ("hello", "xx", None, "language_unknown"),
        ("hello", "../etc", None, "language_unknown"),
        ("hello", "en", "af_bella", "voice_unknown"),
        ("hello", "en", "xiaoxiao", "voice_unknown"),
    ],
)
def test_what_cannot_be_said(text, language, voice, key):
    with pytest.raises(UserError) as caught:
        voices.speak(text, language, voice)
    assert caught.value.key == key


def test_a_missing_program_is_named(monkeypatch):
    monkeypatch.setattr(espeak.shutil, "which", lambda name: None)
    with pytest.raises(UserError) as caught:
        voices.speak("Guten Tag", "de")
    assert caught.value.key == "voice_missing"


@needs_espeak
def test_a_text_is_no_command():
    plain = voices.speak("Guten Tag", "de")
    for trick in ("[[_::_]] Guten Tag", "-f /etc/passwd", "<audio src='/etc/passwd'/> ja", "`id`; $(id)"):
        assert len(voices.speak(trick, "de")) > 0.2 * len(plain)
    assert voices.cleaned("a[[b]]\x00c") == "a((b)) c"


@pytest.mark.parametrize("text", ["1" * 37, "the number " + "9" * 31, "1" + ",000" * 12])
def test_a_number_without_a_name_is_refused_in_a_sentence(text):
    with pytest.raises(UserError) as caught:
        voices.cleaned(text)
    assert caught.value.key == "text_number"


def test_a_number_of_thirty_digits_is_spoken():
    assert voices.cleaned("9" * 30) == "9" * 30


# ---- the table of what is understood


def measured() -> dict[tuple[str, str], float]:
    return {(row["language"], row["voice"]): row["errors"] for row in voices.measured()}


def test_every_voice_of_the_measured_languages_was_measured():
    assert set(measured()) == {
        (voice.language, voice.name) for voice in voices.known() if voice.language in SENTENCES
    }


def test_the_results_page_has_the_figures_that_the_program_reads():
    page = RESULTS.read_text(encoding="utf-8")
    block = page.split("<!-- face-voices -->")[1].split("<!-- /face-voices -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
    told = {
        (row[0], row[1]): (float(row[3]), row[-1]) for row in rows if len(row) > 5 and row[0] in SENTENCES
    }
    offered = {(voice.language, voice.name) for voice in voices.offered()}
    assert told == {one: (errors, "yes" if one in offered else "no") for one, errors in measured().items()}


def test_what_is_not_understood_is_not_offered(monkeypatch, tmp_path):
    def offered(**errors: float) -> set[str]:
        rows = [{"language": "en", "voice": voice, "errors": value} for voice, value in errors.items()]
        rows += [{"language": "en", "voice": voice, "errors": 99.0} for voice in others]
        (tmp_path / "measured.json").write_text(json.dumps(rows))
        voices.offered.cache_clear()
        return {one.name for one in voices.offered() if one.language == "en" and one.name not in others}

    others = ("michael", "emma", "george")
    monkeypatch.setattr(voices, "MEASURED", tmp_path / "measured.json")
    try:
        assert offered() == offered(male=20.0, bella=20.0) == {"heart", "bella", "male", "female"}
        assert offered(male=20.1, female=3.0) == {"heart", "bella", "female"}
        assert offered(bella=50.0, male=50.0) == {"heart", "female"}
        # A language keeps its robots where no network is understood.
        assert offered(bella=50.0, heart=60.0, male=70.0) == {"male", "female"}
    finally:
        monkeypatch.undo()
        voices.offered.cache_clear()


def test_a_sentence_to_listen_to_can_be_said():
    for code in voices.LANGUAGES:
        voices.check_script(voices.cleaned(greeting(code)), code)
        assert len(greeting(code)) <= 80


def test_one_language_is_measured_and_the_others_stay(monkeypatch, tmp_path):
    """A voice of half a second of a tone, of which the recogniser hears the first word."""
    pages: dict[str, str] = {}
    table = tmp_path / "measured.json"
    others = [row for row in voices.measured() if row["language"] != "de"]
    table.write_text(voices.MEASURED.read_text(encoding="utf-8"), encoding="utf-8")
    tone = np.pad(np.sin(np.arange(RATE // 2) / 9).astype(np.float32) / 2, RATE // 10)
    monkeypatch.setattr(voices, "MEASURED", table)
    monkeypatch.setattr(voices, "spoken", lambda text, voice: tone)
    monkeypatch.setattr(evaluation, "write", pages.__setitem__)
    monkeypatch.setattr(evaluation.readback, "read_back", lambda samples, language: "Guten")
    monkeypatch.setitem(SENTENCES, "de", ("Guten Morgen.",))
    try:
        rows = evaluation.evaluate("de")["voices"]
    finally:
        monkeypatch.undo()
        voices.offered.cache_clear()
    found = [row for row in rows if row["language"] == "de"]
    assert [row["errors"] for row in found] == [54.5, 54.5]  # six letters of eleven
    assert all(row["offered"] for row in found)  # a language keeps what it has
    assert found[0]["level"] == pytest.approx(20 * np.log10(np.sqrt(0.5 * 5 / 7) / 2), abs=0.1)
    assert found[0]["before"] == found[0]["after"] == 0.1
    assert json.loads(table.read_text(encoding="utf-8"))[: len(others)] == others
    assert "54.5" in pages["face-voices"]
    with pytest.raises(UserError):
        evaluation.evaluate("tlh")

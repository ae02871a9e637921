"""Listening to a voice: what is said, what is refused, and what is left of it."""

import wave

import numpy as np
import pytest

from app import process_folder
from app.face import listening
from app.face.session import FaceSession
from app.session import Visit
from models.face import RATE
from models.face.speech import voices
from models.face.speech.sentences import greeting
from tests.app.test_colonoscopy_service import key_of


@pytest.fixture(autouse=True)
def said(monkeypatch, tmp_path):
    """The folder of what the page serves, and what voices were asked to say: a second of a tone."""
    asked = []

    def speak(*order):
        asked.append(order)
        return np.sin(np.arange(RATE, dtype=np.float32) / 10) / 2

    (tmp_path / "uploads").mkdir()
    monkeypatch.setattr(process_folder, "served", lambda: tmp_path / "uploads")
    monkeypatch.setattr(voices, "speak", speak)
    return asked


def test_the_first_sentence_is_said_and_one_sound_is_kept(said):
    session = Visit().lab(FaceSession)
    first = listening.spoken(session, "One is here. Two is not.", "en", "heart")
    with wave.open(str(first)) as sound:
        assert sound.getnframes() == sound.getframerate() == RATE
    second = listening.spoken(session, "你好！再见。", "zh", "")
    assert session.visit.shown == second.parent and second.is_file() and not first.exists()
    assert said[0] == ("One is here.", "en", "heart")
    assert said[1][:2] == ("你好！", "zh")
    session.visit.end()
    assert not second.exists()


@pytest.mark.parametrize("text", ["", " \n", None])
def test_without_a_text_a_sentence_of_the_language_is_said(said, text):
    listening.spoken(Visit().lab(FaceSession), text, "de", "male")
    assert said == [(greeting("de"), "de", "male")]


def test_what_is_said_is_short():
    assert listening.beginning("Hello there. " * 1000) == "Hello there."
    long = listening.beginning("word " * 10_000)
    assert 100 < len(long) <= listening.MOST_HEARD and long.endswith("word")
    assert len(listening.beginning("长" * 5000)) == listening.MOST_HEARD


@pytest.mark.parametrize(
    ("key", "text", "tongue", "voice"),
    [
        ("language_unknown", "Hello.", "tlh", ""),
        ("language_unknown", "", None, ""),
        ("language_unknown", "", ["en"], ""),
        ("voice_unknown", "Hello.", "en", "../../x"),
        ("voice_unknown", "Hello.", "en", {"path": "/etc/passwd"}),
        ("text_script", "你好，世界", "de", ""),
        ("text_empty", "...!", "en", ""),
    ],
)
def test_what_cannot_be_listened_to(said, key, text, tongue, voice):
    assert key_of(lambda: listening.spoken(Visit().lab(FaceSession), text, tongue, voice)) == key
    assert said == []

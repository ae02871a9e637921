"""What the face desk takes and refuses, whatever a browser or a script sends."""

import io
import json
import struct
import threading
import wave
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from app import i18n, process_folder
from app.face import service, views
from app.face.session import FaceSession
from app.job_queue import JobQueue
from app.session import Visit
from models.core import checkpoints
from models.core.errors import UserError
from models.core.progress import Beginning, Left, Progress
from models.face import RATE, pipeline
from models.face.sources import film_io, sound_io
from models.face.sources.tracking import Faces
from models.face.types import Made
from tests.app.test_colonoscopy_service import key_of
from tests.face import stand_in
from tests.served import until


@pytest.fixture(autouse=True)
def uploads(monkeypatch, tmp_path):
    """The folder of the page's uploads, and no cards to read."""
    folder = tmp_path / "uploads"
    folder.mkdir()
    monkeypatch.setattr(process_folder, "served", lambda: folder)
    monkeypatch.setattr(pipeline, "checkpoints", list)
    return folder


def upload(folder: Path, data: bytes, name: str) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def png(image: Image.Image, **more) -> bytes:
    data = io.BytesIO()
    image.save(data, "PNG", **more)
    return data.getvalue()


def wav(seconds: float = 1.0, rate: int = RATE) -> bytes:
    data = io.BytesIO()
    with wave.open(data, "wb") as sound:
        sound.setparams((1, 2, rate, 0, "NONE", ""))
        time = np.arange(round(seconds * rate)) / rate
        sound.writeframes((9000 * np.sin(2 * np.pi * 200 * time)).astype("<i2").tobytes())
    return data.getvalue()


# ---- orders

SOUND = {
    "face": Path("a.png"),
    "moving": False,
    "audio": None,
    "text": "Good morning.",
    "language": "en",
    "voice": "",
    "stage": "generated",
    "panels": True,
    "marked": True,
    "seed": 3,
    "consent": True,
}


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("consent_missing", {"consent": False}),
        ("consent_missing", {"consent": None}),
        ("consent_missing", {"consent": "yes"}),
        ("consent_missing", {"consent": 1}),
        ("face_input", {"face": None}),
        ("speech_input", {"text": ""}),
        ("speech_input", {"text": None}),
        ("speech_input", {"text": ["Good morning."]}),
        ("speech_input", {"text": " \n\t "}),
        ("text_empty", {"text": "...!"}),
        ("text_long", {"text": "morning " * 10**6}),
        ("text_script", {"text": "你好，世界", "language": "de"}),
        ("language_unknown", {"language": "tlh"}),
        ("language_unknown", {"language": None}),
        ("language_unknown", {"language": ["en"]}),
        ("language_unknown", {"language": "../en"}),
        ("voice_unknown", {"voice": "../../x"}),
        ("voice_unknown", {"voice": {"path": "/etc/passwd"}}),
        ("stage_unknown", {"stage": "4d"}),
        ("stage_unknown", {"stage": ["3d"]}),
        ("seed_range", {"seed": -1}),
        ("seed_range", {"seed": 0.5}),
        ("seed_range", {"seed": float("nan")}),
        ("seed_range", {"seed": "7"}),
        ("seed_range", {"seed": None}),
        ("articulation_range", {"articulation": 0.4}),
        ("articulation_range", {"articulation": float("nan")}),
        ("articulation_range", {"articulation": "1"}),
    ],
)
def test_orders_that_cannot_be_filled(key, fields):
    wanted = service.order(**SOUND)
    assert (wanted.portrait, wanted.video, wanted.text, wanted.seed) == (
        SOUND["face"],
        None,
        "Good morning.",
        3,
    )
    assert wanted.marked and wanted.panels and wanted.articulation == 1
    assert key_of(lambda: service.order(**{**SOUND, **fields})) == key


def test_a_recording_needs_no_text_and_a_video_is_one():
    wanted = service.order(**{**SOUND, "audio": Path("a.wav"), "text": "", "language": "tlh", "moving": True})
    assert (wanted.audio, wanted.text, wanted.video, wanted.portrait) == (
        Path("a.wav"),
        "",
        SOUND["face"],
        None,
    )


def test_every_language_has_a_voice_that_is_taken():
    for language in service.voices.LANGUAGES:
        for voice in [one for one in service.voices.offered() if one.language == language]:
            wanted = service.order(**{**SOUND, "text": "2026", "language": language, "voice": voice.name})
            assert (wanted.language, wanted.voice) == (language, voice.name)


# ---- files


def test_a_portrait_is_turned_kept_without_its_metadata_and_the_upload_is_gone(monkeypatch, uploads):
    monkeypatch.setattr(service, "look", lambda image: None)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera of mine"  # to be turned by 90 degrees; its maker
    path = upload(uploads, png(Image.new("RGB", (300, 200), "red"), exif=exif), "a;rm -rf x.png")
    session = Visit().lab(FaceSession)
    kept = service.take_portrait(session, path)
    assert not path.exists()
    assert session.visit.folder in kept.parents
    assert "rm" not in kept.name
    with Image.open(kept) as image:
        assert image.size == (200, 300)
        assert not image.getexif()
    session.visit.end()
    assert not kept.exists()


def test_the_example_has_a_face(uploads):
    session = Visit().lab(FaceSession)
    kept = service.take_example(session)
    with Image.open(kept) as image:
        assert image.size == (512, 512)
    assert service.example().is_file()
    shown = service.show(session, kept)
    assert uploads in shown.parents
    session.visit.end()
    assert list(uploads.rglob("*")) == []


def test_a_picture_without_a_face_is_told_at_once(uploads):
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    path = upload(uploads, png(Image.fromarray(noise)), "cat.png")
    assert key_of(lambda: service.take_portrait(Visit().lab(FaceSession), path)) == "no_face"
    assert not path.exists()


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("file_empty", b""),
        ("image_kind", b"<svg onload='alert(1)'/>"),
        ("image_unreadable", b"GIF89a" + bytes(60)),
        ("image_kind", b"%PDF-1.4"),
        ("image_unreadable", png(Image.new("RGB", (90, 90)))[:-30]),
        ("image_too_large", png(Image.new("1", (9000, 8000)))),
        ("image_too_large", png(Image.new("1", (12_000, 12_000)))),
    ],
)
def test_pictures_that_are_none(uploads, key, data):
    path = upload(uploads, data, "portrait.png")
    assert key_of(lambda: service.take_portrait(Visit().lab(FaceSession), path)) == key
    assert not path.exists()


def test_speech_is_kept_as_it_sounds(uploads):
    session = Visit().lab(FaceSession)
    for name in ("a.wav", "-i.wav", "说.wav", "a;reboot.wav", "noending"):
        path = upload(uploads, wav(1.5, rate=44_100), name)
        kept = service.take_speech(session, path)
        assert not path.exists()
        assert len(sound_io.read_sound(kept)) == pytest.approx(1.5 * RATE, abs=RATE / 50)  # whole frames


def hours(count: float) -> bytes:
    """The head of a wav that claims and has so many hours of silence, without the silence."""
    size = round(count * 3600 * 8000)
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8,
                       b"data", size)  # fmt: skip
    return head


def test_three_hours_of_speech_are_too_many(uploads):
    path = upload(uploads, hours(3), "long.wav")
    with path.open("r+b") as file:
        file.truncate(44 + 3 * 3600 * 8000)  # sparse: takes no disk
    assert key_of(lambda: service.take_speech(Visit().lab(FaceSession), path)) == "sound_long"
    assert not path.exists()


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("file_empty", b""),
        ("sound_unreadable", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
        ("sound_unreadable", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        ("sound_unreadable", b"[playlist]\nFile1=http://192.0.2.7/a.wav\n"),
        ("sound_unreadable", b"hello, I am a wav"),
        ("sound_unreadable", b"RIFF" + bytes(200)),
        ("sound_unreadable", wav()[:30]),
        ("sound_unreadable", wav().replace(struct.pack("<II", RATE, 2 * RATE), bytes(8))),  # 0 Hz
        ("sound_short", wav(0.01)),
    ],
)
def test_speech_that_is_none(uploads, key, data):
    path = upload(uploads, data, "speech.wav")
    assert key_of(lambda: service.take_speech(Visit().lab(FaceSession), path)) == key
    assert not path.exists()


def test_a_video_is_kept_under_a_name_of_ours(uploads):
    session = Visit().lab(FaceSession)
    path = stand_in.film(uploads / "my aunt Gertrude.mp4", 1.0)
    kept = service.take_footage(session, path)
    assert not path.exists()
    assert kept.suffix == ".mp4"
    assert "Gertrude" not in kept.name
    assert film_io.open_clip(kept).seconds == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("file_empty", b""),
        ("video_unreadable", b"I am an mp4"),
        ("video_unreadable", b"#EXTM3U\n#EXTINF:1,\nhttp://192.0.2.7/a.ts\n"),
        ("video_unreadable", bytes(4) + b"ftypisom" + bytes(300)),
        ("video_only_sound", wav()),
    ],
)
def test_videos_that_are_none(uploads, key, data):
    path = upload(uploads, data, "video.mp4")
    assert key_of(lambda: service.take_footage(Visit().lab(FaceSession), path)) == key
    assert not path.exists()


def test_no_file_and_one_that_is_not_there():
    for take in (service.take_portrait, service.take_footage, service.take_speech):
        assert key_of(lambda: take(Visit().lab(FaceSession), None)) == "no_file"  # noqa: B023 - called at once
        assert key_of(lambda: take(Visit().lab(FaceSession), "/nowhere/x")) == "file_missing"  # noqa: B023


# ---- the work


def order(**fields):
    return service.order(**{**SOUND, **fields})


def made_of(session: FaceSession, **fields) -> Made:
    *_, made = service.animate(session, order(**fields))
    assert isinstance(made, Made)
    return made


def test_steps_come_first_then_the_result_which_is_kept(monkeypatch, uploads):
    monkeypatch.setattr(pipeline, "animate", stand_in.animating())
    session = Visit().lab(FaceSession)
    steps = []
    for step in service.animate(session, order()):
        if isinstance(step, Progress) and isinstance(step.preview, Beginning):
            assert step.preview.film.is_file()
            assert uploads in step.preview.film.parents
        steps.append(step)
    first = next(step.preview.film for step in steps[:-1] if isinstance(step.preview, Beginning))
    assert not first.exists()
    assert session.made is steps[-1]
    for file in service.files(steps[-1]):
        assert file.is_file()
        assert uploads in file.parents
    told = json.loads(service.log_of(steps[-1]).read_text())
    assert told["ai_generated"] is True
    assert (told["seed"], told["stage"], told["frames"]) == (3, "generated", 50)
    assert str(uploads) not in json.dumps(told)
    assert "mouths" not in told and len(steps[-1].mouths) == 50
    assert list(session.visit.folder.iterdir()) == []


def test_the_result_before_goes_when_the_next_is_there_and_all_with_the_visit(monkeypatch, uploads):
    monkeypatch.setattr(pipeline, "animate", stand_in.animating())
    session, other = Visit().lab(FaceSession), Visit().lab(FaceSession)
    before, theirs = made_of(session), made_of(other)
    after = made_of(session, panels=False)
    assert after.panels is None
    assert not any(file.exists() for file in service.files(before))
    assert all(file.exists() for file in service.files(after) + service.files(theirs))
    assert after.video.parent != theirs.video.parent
    session.visit.end()
    assert not any(file.exists() for file in service.files(after))
    assert all(file.exists() for file in service.files(theirs))


def test_what_a_video_was_made_of_is_kept_beside_it_and_goes_with_it(monkeypatch, uploads):
    monkeypatch.setattr(pipeline, "animate", stand_in.animating())
    session = Visit().lab(FaceSession)
    for moving, ending in ((False, ".jpg"), (True, ".mp4")):
        *_, made = service.animate(session, replace(order(moving=moving), beside=True))
        assert made.source in service.files(made) and made.source.is_file()
        assert made.source.suffix == ending
        assert [one.name for one in views.views(made)] == ["whole", "panels", "beside"]
    plain = made_of(session)
    assert plain.source is None and not made.source.exists()
    assert [one.name for one in views.views(plain)] == ["whole", "panels"]


def test_the_first_frame_of_a_film_waits_for_it_and_goes_with_it(monkeypatch, uploads):
    monkeypatch.setattr(service, "faces_throughout", lambda clip: Faces(1))
    session = Visit().lab(FaceSession)
    session.footage = service.take_footage(session, stand_in.film(uploads / "clip.mp4", 1.0))
    shown = service.poster(session, order(face=session.footage, moving=True))
    assert shown is not None and uploads in shown.parents
    with Image.open(shown) as image:
        assert image.size == (320, 320)
    service.forget(session, "footage")
    assert not shown.exists() and list(session.visit.folder.iterdir()) == []
    session.visit.end()


def test_stop_works_at_once_and_keeps_nothing_half_written(monkeypatch, uploads):
    monkeypatch.setattr(pipeline, "animate", stand_in.animating())
    session = Visit().lab(FaceSession)
    before = made_of(session)
    monkeypatch.setattr(pipeline, "animate", stand_in.animating(steps=400, pause=0.02))
    for step in service.animate(session, order()):
        assert isinstance(step, Progress)
        if isinstance(step.preview, Beginning):
            service.stop(session)
    assert session.made is before
    assert sorted(session.visit.shown.iterdir()) == sorted(service.files(before))
    assert until(lambda: list(session.visit.folder.iterdir()) == [])
    monkeypatch.setattr(pipeline, "animate", stand_in.animating())
    assert made_of(session) is session.made  # and the place is free again


def test_a_visitor_who_leaves_ends_the_work_and_nothing_stays(monkeypatch, uploads):
    closed = threading.Event()

    def animate(wanted, folder):
        try:
            yield from stand_in.animating(steps=400, pause=0.02)(wanted, folder)
        finally:
            closed.set()

    monkeypatch.setattr(pipeline, "animate", animate)
    session = Visit().lab(FaceSession)
    running = service.animate(session, order())
    while not isinstance(next(running).preview, Beginning):
        pass
    folder = session.visit.folder
    session.visit.end()
    assert key_of(lambda: list(running)) == "cancelled"
    assert closed.wait(5)
    assert session.made is None
    assert not folder.exists()
    assert list(uploads.rglob("*")) == []
    assert key_of(lambda: list(service.animate(session, order()))) == "cancelled"


def test_a_failure_keeps_what_was_there_and_the_next_order_works(monkeypatch, uploads):
    session = Visit().lab(FaceSession)
    monkeypatch.setattr(pipeline, "animate", stand_in.animating())
    before = made_of(session)
    monkeypatch.setattr(pipeline, "animate", stand_in.failing("no_face"))
    assert key_of(lambda: list(service.animate(session, order()))) == "no_face"
    assert session.made is before
    assert sorted(session.visit.shown.iterdir()) == sorted(service.files(before))
    monkeypatch.setattr(pipeline, "animate", stand_in.animating())
    assert made_of(session) is session.made


def test_twenty_orders_at_once_are_made_or_told_to_wait(monkeypatch):
    monkeypatch.setattr(pipeline, "animate", stand_in.animating(steps=2, pause=0.05))
    monkeypatch.setattr(service, "making", JobQueue(usual=15))
    told: list[str] = []

    def one():
        try:
            told.append(type(list(service.animate(Visit().lab(FaceSession), order()))[-1]).__name__)
        except UserError as error:
            told.append(error.key)

    crowd = [threading.Thread(target=one) for _ in range(20)]
    [thread.start() for thread in crowd]
    [thread.join() for thread in crowd]
    assert set(told) == {"Made", "busy"}
    assert until(lambda: service.making.inside == 0)


def test_a_full_disk_and_a_bug_end_in_a_sentence(monkeypatch):
    def full(wanted, folder):
        yield Progress(0.1, "face_draws")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pipeline, "animate", full)
    assert key_of(lambda: list(service.animate(Visit().lab(FaceSession), order()))) == "disk_full"


def test_without_weights_the_lab_says_which_are_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(checkpoints, "FOLDER", tmp_path)
    assert key_of(service.ready) == "checkpoint_missing"


# ---- what is told


def test_frames_without_a_face_are_counted_and_named(monkeypatch):
    assert views.spans(()) == ""
    assert views.spans((0, 1, 2, 7, 9, 10)) == "1-3, 8, 10-11"
    monkeypatch.setattr(pipeline, "animate", stand_in.animating(faceless=(3, 4, 9)))
    made = made_of(Visit().lab(FaceSession))
    for name in i18n.LANGUAGES:
        assert "4-5, 10" in views.finished(name, made)
        assert "4-5, 10" in views.log(name, made, service.facts(made, order()))


def test_time_left_is_told_where_it_is_known():
    assert views.told("en", Progress(0.5, "face_draws", Left(12.4))).endswith("about 12 s left")
    assert "left" not in views.told("en", Progress(0.5, "face_draws"))


def test_every_sentence_to_try_can_be_spoken():
    for language, text in views.EXAMPLES.items():
        assert order(text=text, language=language).text == text


def test_a_portrait_is_tracked_when_it_arrives_and_not_again(monkeypatch, uploads):
    session, found, orders = Visit().lab(FaceSession), SimpleNamespace(covered=np.array([True])), []
    monkeypatch.setattr(service, "look", lambda image: found)
    monkeypatch.setattr(pipeline, "voice_of", lambda image, track: "male" if track is found else "")
    kept = service.take_portrait(session, upload(uploads, png(Image.new("RGB", (64, 64))), "face.png"))
    assert [one.key for one in session.notes] == ["mouth_covered"] and session.kind == "male"
    monkeypatch.setattr(pipeline, "animate", lambda wanted, folder: iter(orders.append(wanted) or ()))
    list(service.animate(session, pipeline.Order(portrait=kept, text="Hello")))
    list(service.animate(session, pipeline.Order(portrait=kept.with_name("other.png"), text="Hello")))
    assert [order.track for order in orders] == [found, None]
    session.visit.end()


def test_kept_speech_is_decoded_once(monkeypatch, uploads):
    session = Visit().lab(FaceSession)
    kept = service.take_speech(session, upload(uploads, wav(1.01), "speech.wav"))
    monkeypatch.setattr(sound_io, "_decoded", lambda *_: pytest.fail("decoded again"))
    assert sound_io.is_written(kept, 25) and len(sound_io.read_sound(kept)) == RATE
    session.visit.end()

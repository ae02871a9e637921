"""Sound, pictures and clips: what goes in comes out, and what is hostile does not go in."""

import subprocess
import time

import numpy as np
import pytest
from scipy.io import wavfile

from models.core import ffmpeg_calls
from models.core.errors import UserError
from models.face import FPS, RATE, frames_of
from models.face.sources import film_io, film_writer, portrait_io, sound_io


def tone(seconds: float, rate: int = RATE) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def clip(path, count=20, size=(96, 128), sound=None):
    """A film of a bright bar that walks to the right, one step a frame."""
    heard = None if sound is None else sound_io.write_sound(path.with_suffix(".wav"), sound, count)
    with film_writer.ClipWriter(path, size, count, heard, "made for a test") as writer:
        for index in range(count):
            frame = np.full((*size, 3), 60, np.uint8)
            frame[:, 4 * index : 4 * index + 8] = (200, 180, 160)
            writer.write(frame)
    if heard:
        heard.unlink()
    return path


def said_by_ffmpeg(path) -> str:
    asked = [ffmpeg_calls.binary(), "-hide_banner", "-i", str(path)]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stderr


def test_a_film_lasts_exactly_as_long_as_its_frames(tmp_path):
    path = clip(tmp_path / "film.mp4", 37, sound=tone(1.3))
    said = said_by_ffmpeg(path)
    assert "Duration: 00:00:01.48" in said and "25 fps" in said
    assert "h264" in said and "aac" in said and "yuv420p" in said and "made for a test" in said
    opened = film_io.open_clip(path)
    assert (opened.width, opened.height) == (128, 96) and abs(opened.seconds - 37 / FPS) < 0.021
    frames = list(film_io.read_clip(opened))
    assert len(frames) == 37
    assert all(
        abs(int(frame[:, :, 0].mean(0).argmax()) - 4 * i - 4) <= 5 for i, frame in enumerate(frames[:20])
    )
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("seconds", [0.3, 0.96, 2.0])
def test_a_sound_is_cut_or_filled_to_its_frames(tmp_path, seconds):
    path = sound_io.write_sound(tmp_path / "a.wav", tone(seconds), 24)
    rate, samples = wavfile.read(path)
    assert rate == RATE and len(samples) == 24 * RATE // FPS
    wanted = np.zeros(len(samples))
    kept = tone(seconds)[: len(samples)]
    wanted[: len(kept)] = kept
    assert np.abs(samples / 32767 - wanted).max() < 1e-4


def test_a_film_hears_the_beginning_of_a_longer_sound(tmp_path):
    sound = sound_io.write_sound(tmp_path / "a.wav", tone(3))
    with film_writer.ClipWriter(tmp_path / "film.mp4", (64, 64), 25, sound) as writer:
        for _ in range(25):
            writer.write(np.zeros((64, 64, 3), np.uint8))
    assert "Duration: 00:00:01.00" in said_by_ffmpeg(tmp_path / "film.mp4")
    assert len(sound_io.read_sound(tmp_path / "film.mp4")) == pytest.approx(RATE, abs=RATE / 20)


def test_colours_come_back(tmp_path):
    with film_writer.ClipWriter(tmp_path / "film.mp4", (64, 64), 3) as writer:
        for _ in range(3):
            writer.write(np.full((64, 64, 3), (190, 120, 60), np.uint8))
    frame = next(film_io.read_clip(film_io.open_clip(tmp_path / "film.mp4")))
    assert np.abs(frame.reshape(-1, 3).mean(0) - (190, 120, 60)).max() < 4


def written(path, count: int, until) -> None:
    with film_writer.ClipWriter(path, (64, 64), count) as writer:
        for index in range(count):
            until(index, writer)
            writer.write(np.zeros((64, 64, 3), np.uint8))


def test_a_film_that_is_stopped_leaves_nothing(tmp_path):
    def until(index, writer):
        if index == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        written(tmp_path / "a.mp4", 9, until)
    assert not list(tmp_path.iterdir())


def test_an_encoder_that_dies_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(UserError) as caught:
        written(tmp_path / "a.mp4", 400, lambda index, writer: index == 5 and writer._process.kill())
    assert caught.value.key == "clip_broken"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_sound_is_read_at_our_rate(tmp_path, rate):
    stereo = np.stack([tone(1.0, rate)] * 2, axis=1)
    wavfile.write(tmp_path / "a.wav", rate, (stereo * 32767).astype(np.int16))
    samples = sound_io.read_sound(tmp_path / "a.wav")
    assert samples.dtype == np.float32 and abs(len(samples) - RATE) < 100
    assert abs(np.abs(np.fft.rfft(samples)).argmax() * RATE / len(samples) - 220) < 3
    assert frames_of(len(samples)) == FPS


def test_a_rate_that_no_recorder_has_is_refused_at_once(tmp_path):
    """Two damaged bytes of a header say a thousand million samples a second."""
    wavfile.write(tmp_path / "a.wav", 22050, np.stack([tone(1.0, 22050)] * 2, axis=1).astype(np.float32))
    data = bytearray((tmp_path / "a.wav").read_bytes())
    data[24:28] = (1_828_732_544).to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(data)
    began = time.monotonic()
    with pytest.raises(UserError, match="sound_unreadable"):
        sound_io.read_sound(tmp_path / "a.wav")
    assert time.monotonic() - began < 10


def test_the_sound_of_a_film_is_read(tmp_path):
    assert abs(len(sound_io.read_sound(clip(tmp_path / "film.mp4", 25, sound=tone(1)))) - RATE) < 1200


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("list.wav", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/x.ts\n"),
        ("concat.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        ("page.mp3", b"<html><script>alert(1)</script></html>"),
        ("cut.wav", b"RIFF\x24\x00\x00\x00WAVEfmt "),
        ("noise.mp4", b"\x00\x00\x00\x20ftypisom" + bytes(range(256)) * 8),
    ],
)
def test_what_is_no_media_is_refused(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError) as caught:
        sound_io.read_sound(tmp_path / name)
    assert caught.value.key == "sound_unreadable"
    with pytest.raises(UserError) as caught:
        film_io.open_clip(tmp_path / name)
    assert caught.value.key == "video_unreadable"


def test_odd_names_are_names_and_nothing_else(tmp_path):
    for name in ("a;rm -rf x.wav", "-y.wav", "naïve 声音.wav", "%d.wav"):
        wavfile.write(tmp_path / name, RATE, (tone(0.5) * 32767).astype(np.int16))
        assert abs(len(sound_io.read_sound(tmp_path / name)) - RATE / 2) < 100


def test_too_long_too_short_too_big(tmp_path):
    wavfile.write(tmp_path / "long.wav", RATE, np.zeros(3 * RATE, np.int16))
    with pytest.raises(UserError) as caught:
        sound_io.read_sound(tmp_path / "long.wav", limit=2)
    assert caught.value.key == "sound_long"
    wavfile.write(tmp_path / "short.wav", RATE, np.zeros(100, np.int16))
    with pytest.raises(UserError) as caught:
        sound_io.read_sound(tmp_path / "short.wav")
    assert caught.value.key == "sound_short"
    with pytest.raises(UserError) as caught:
        sound_io.read_sound(tmp_path / "none.wav")
    assert caught.value.key == "file_missing"


def test_a_film_without_sound_has_none(tmp_path):
    with pytest.raises(UserError) as caught:
        sound_io.read_sound(clip(tmp_path / "film.mp4"))
    assert caught.value.key == "sound_unreadable"


def test_a_portrait_is_turned_scaled_and_even(tmp_path):
    from PIL import Image

    picture = Image.new("RGB", (2001, 999), (200, 100, 50))
    facts = Image.Exif()
    facts[0x0112] = 6  # the camera was held upright
    picture.save(tmp_path / "a.jpg", exif=facts)
    image = portrait_io.read_portrait(tmp_path / "a.jpg")
    assert image.shape == (1280, 640, 3)


def test_a_photo_of_seventy_megapixels_is_refused_before_it_is_decoded(tmp_path):
    from PIL import Image

    Image.new("L", (9000, 8000)).save(tmp_path / "big.png")
    with pytest.raises(UserError) as caught:
        portrait_io.read_portrait(tmp_path / "big.png")
    assert caught.value.key == "image_too_large"

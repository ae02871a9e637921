"""Films and recordings as phones, browsers and cameras write them: upright, square, as loud as they were."""

import subprocess

import numpy as np
import pytest
from scipy.io import wavfile

from models.core import ffmpeg_calls
from models.core.errors import UserError
from models.face import RATE
from models.face.sources import film_io, film_writer, sound_io

WIDE, TALL = 160, 96


def ffmpeg(*arguments):
    asked = [ffmpeg_calls.binary(), "-hide_banner", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(asked, check=True, capture_output=True)


def picture(width=WIDE, height=TALL):
    """Red, green, blue and white quarters: no turn or mirror leaves it as it is."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[: height // 2, : width // 2] = (220, 30, 30)
    frame[: height // 2, width // 2 :] = (30, 200, 30)
    frame[height // 2 :, : width // 2] = (30, 30, 220)
    frame[height // 2 :, width // 2 :] = (230, 230, 230)
    return frame


def film(
    path, frames=10, width=WIDE, height=TALL, before=(), options=("-c:v", "libx264", "-pix_fmt", "yuv420p")
):
    raw = picture(width, height).tobytes() * frames
    asked = [
        ffmpeg_calls.binary(),
        "-hide_banner",
        "-loglevel",
        "error",
        "-y",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
    ]
    asked += ["-s", f"{width}x{height}", "-r", "25", "-i", "pipe:", *before, *options, str(path)]
    subprocess.run(asked, input=raw, check=True, capture_output=True)
    return path


def corners(frame):
    """The colours in the middles of the four quarters, as letters."""
    height, width = frame.shape[:2]
    names = {"r": (220, 30, 30), "g": (30, 200, 30), "b": (30, 30, 220), "w": (230, 230, 230)}
    found = ""
    for y, x in ((0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)):
        colour = frame[int(y * height), int(x * width)].astype(int)
        found += min(names, key=lambda name: np.abs(np.array(names[name]) - colour).sum())
    return found


def read(path):
    clip = film_io.open_clip(path)
    frames = list(film_io.read_clip(clip))
    assert frames[0].shape == (clip.height, clip.width, 3)
    return clip, frames


@pytest.mark.parametrize(
    ("option", "shown"),
    [
        (("-display_rotation", "90"), "gwrb"),
        (("-display_rotation", "180"), "wbgr"),
        (("-display_rotation", "270"), "brwg"),
        (("-display_hflip",), "grwb"),
        (("-display_vflip",), "bwrg"),
        (("-display_rotation", "90", "-display_hflip"), None),
    ],
)
@pytest.mark.parametrize("ending", ["mp4", "mov"])
def test_a_film_is_shown_as_its_display_matrix_says(tmp_path, option, shown, ending):
    plain = film(tmp_path / "plain.mp4")
    turned = tmp_path / f"turned.{ending}"
    ffmpeg(*option, "-i", plain, "-c", "copy", turned)
    clip, frames = read(turned)
    quarter = option[0] == "-display_rotation" and option[1] != "180"
    assert (clip.width, clip.height) == ((TALL, WIDE) if quarter else (WIDE, TALL))
    if shown:
        assert corners(frames[3]) == shown


@pytest.mark.parametrize(
    ("ratio", "width"), [("4/3", round(WIDE * 4 / 3 / 2) * 2), ("1/2", WIDE // 2), ("64/45", 228)]
)
def test_pixels_are_made_square(tmp_path, ratio, width):
    clip, _ = read(film(tmp_path / "a.mp4", before=("-vf", f"setsar={ratio}")))
    assert clip.height == TALL and abs(clip.width - width) <= 2


def test_fields_become_frames(tmp_path):
    options = (
        "-c:v",
        "mpeg2video",
        "-flags",
        "+ilme+ildct",
        "-b:v",
        "4M",
        "-vf",
        "setfield=tff",
    )
    path = tmp_path / "a.mkv"
    width, height, count = 160, 96, 12
    raw = b""
    for index in range(count):  # a bar that moves between the fields: a comb, if nothing is done
        frame = np.full((height, width, 3), 20, np.uint8)
        frame[0::2, 8 * index : 8 * index + 16] = 230
        frame[1::2, 8 * index + 4 : 8 * index + 20] = 230
        raw += frame.tobytes()
    asked = [
        ffmpeg_calls.binary(),
        "-loglevel",
        "error",
        "-y",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{width}x{height}",
    ]
    subprocess.run([*asked, "-r", "25", "-i", "pipe:", *options, str(path)], input=raw, check=True)
    _, frames = read(path)
    comb = [np.abs(np.diff(frame[..., 1].astype(int), axis=0)).mean() for frame in frames[2:-2]]
    assert np.median(comb) < 5


@pytest.mark.parametrize("transfer", ["smpte2084", "arib-std-b67"])
def test_hdr_is_tone_mapped(tmp_path, transfer):
    given, wanted = "tin=bt709:min=bt709:pin=bt709:rin=pc", f"t={transfer}:m=bt2020nc:p=bt2020:r=tv"
    zscale = f"zscale={given}:{wanted}:npl=203,format=yuv420p10le"
    options = ("-c:v", "libx265", "-x265-params", "log-level=error", "-crf", "12")
    tags = ("-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc")
    clip, frames = read(film(tmp_path / "a.mp4", before=("-vf", zscale), options=(*options, *tags)))
    assert [one.key for one in clip.notes] == ["video_hdr", "video_preview"] and not clip.playable
    assert corners(frames[2]) == "rgbw"
    height, width = frames[2].shape[:2]
    red, white = (
        frames[2][height // 4, width // 4].astype(int),
        frames[2][3 * height // 4, 3 * width // 4].astype(int),
    )
    assert red[0] - red[1] > 110 and white.min() > 150  # neither dull nor dark


def test_the_length_of_a_browsers_recording_is_measured(tmp_path):
    whole = film(tmp_path / "whole.mp4", 40, options=("-c:v", "libx264", "-pix_fmt", "yuv420p"))
    live = tmp_path / "live.webm"
    asked = [
        ffmpeg_calls.binary(),
        "-loglevel",
        "error",
        "-i",
        str(whole),
        "-c:v",
        "libvpx",
        "-f",
        "webm",
        "-live",
        "1",
        "pipe:",
    ]
    live.write_bytes(subprocess.run(asked, check=True, capture_output=True).stdout)
    clip, frames = read(live)
    assert clip.seconds == pytest.approx(1.6, abs=0.1) and len(frames) == 40 and clip.playable


def test_a_microphones_webm_is_a_sound_and_no_film(tmp_path):
    wavfile.write(tmp_path / "a.wav", RATE, tone(1.0))
    ffmpeg("-i", tmp_path / "a.wav", "-c:a", "libopus", "-f", "webm", "-live", "1", tmp_path / "a.webm")
    assert len(sound_io.read_sound(tmp_path / "a.webm")) == pytest.approx(RATE, abs=RATE / 20)
    with pytest.raises(UserError) as refused:
        film_io.open_clip(tmp_path / "a.webm")
    assert refused.value.key == "video_only_sound"


DEPTHS = {"prores_ks": ("-pix_fmt", "yuv422p10le"), "libx264": ("-pix_fmt", "yuv420p10le")}


@pytest.mark.parametrize(
    ("codec", "ending"), [("prores_ks", "mov"), ("mjpeg", "avi"), ("mpeg4", "mkv"), ("libx264", "mp4")]
)
def test_a_film_that_browsers_do_not_play_gets_a_preview(tmp_path, codec, ending):
    options = ("-c:v", codec, *DEPTHS.get(codec, ()))
    clip, _ = read(film(tmp_path / f"a.{ending}", 30, options=options))
    assert not clip.playable and [one.key for one in clip.notes] == ["video_preview"]
    shown = film_io.open_clip(film_writer.write_preview(clip, tmp_path / "shown.mp4", 1.0))
    assert shown.playable and shown.seconds == pytest.approx(1, abs=0.05)


def test_a_large_film_is_scaled_down_and_its_shape_kept(tmp_path):
    clip, _ = read(film(tmp_path / "a.mp4", 2, 2560, 1440))
    assert (clip.width, clip.height) == (1280, 720)


# ---- sounds


def tone(seconds, loud=0.5, hertz=220):
    return (loud * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def heard(tmp_path, channels):
    wavfile.write(tmp_path / "a.wav", RATE, np.stack(channels, axis=1).astype(np.float32))
    return sound_io.hear(tmp_path / "a.wav")


def keys(sound):
    return [one.key for one in sound.notes]


def test_stereo_is_mixed_without_clipping(tmp_path):
    one = tone(1, 0.99)
    sound = heard(tmp_path, [one, one])
    assert np.abs(sound.samples - one).max() < 2e-3 and keys(sound) == []


def test_channels_that_cancel_each_other_are_not_mixed(tmp_path):
    one = tone(1)
    sound = heard(tmp_path, [one, -one])
    assert np.abs(sound.samples).max() > 0.45 and keys(sound) == ["sound_channel"]


def test_of_a_silent_channel_nothing_is_lost(tmp_path):
    sound = heard(tmp_path, [np.zeros(RATE), tone(1)])
    assert 0.2 < np.abs(sound.samples).max() <= 0.55


def test_a_sound_louder_than_full_scale_keeps_its_shape(tmp_path):
    wavfile.write(tmp_path / "a.wav", RATE, 3 * tone(1))
    sound = sound_io.hear(tmp_path / "a.wav")
    assert np.abs(sound.samples - tone(1) * 2).max() < 0.01 and keys(sound) == ["sound_loud"]


def test_six_channels_and_other_rates(tmp_path):
    channels = [tone(1) * 0.3] * 6
    wavfile.write(tmp_path / "a.wav", RATE, np.stack(channels, axis=1))
    assert len(sound_io.hear(tmp_path / "a.wav").samples) == RATE
    ffmpeg("-i", tmp_path / "a.wav", "-ar", "44100", "-ac", "2", tmp_path / "b.m4a")
    assert len(sound_io.hear(tmp_path / "b.m4a").samples) == pytest.approx(RATE, abs=RATE / 10)


def test_silence_is_told(tmp_path):
    sound = heard(tmp_path, [np.zeros(RATE), np.zeros(RATE)])
    assert not sound.samples.any() and keys(sound) == ["sound_silent"]
    assert keys(heard(tmp_path, [np.full(RATE, 0.4)])) == ["sound_silent"]

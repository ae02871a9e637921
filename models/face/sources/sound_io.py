"""Sounds in and out: 16 kHz mono of any recording; what was made of its channels is told."""

import re
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.core.errors import UserError
from models.core.ffmpeg_calls import MAX_FILE, check_media, opened, run, told
from models.core.notes import Note, note
from models.core.upload_validation import check_file
from models.face import FPS, RATE

MAX_SECONDS = 15 * 60  # of a sound
PIECE = 60 * RATE  # samples that are written at once
FASTEST = 1_000_000  # samples a second: recorders have up to 768,000, a damaged header billions
SILENT = 10 ** (-60 / 20)  # peak of a recording in which nothing is heard
CANCELS = 0.1  # share of the better channel's power that a mix must keep


@dataclass(frozen=True)
class Sound:
    """Samples (N,) float32 at 16 kHz, mono, in [-1, 1]; and what was made of the recording."""

    samples: np.ndarray
    notes: tuple[Note, ...] = ()


def read_sound(path: Path, limit: float = MAX_SECONDS) -> np.ndarray:
    """The samples of `hear`. Raises as it does."""
    return hear(path, limit).samples


def hear(path: Path, limit: float = MAX_SECONDS) -> Sound:
    """The sound of any audio or video file: its channels together, or the better one.

    Channels that cancel each other (a plug of the wrong polarity) or of which one is silent aren't mixed;
    what is louder than full scale is made quieter, not cut off.
    Raises UserError: sound_unreadable, sound_long, sound_short, ffmpeg_missing, and those of check_file.
    """
    check_file(path, MAX_FILE)
    written = _written(path)
    channels = _decoded(path, limit) if written is None else written[:, None]
    if len(channels) > limit * RATE:
        raise UserError("sound_long", limit=round(limit / 60))
    if len(channels) < RATE / FPS:
        raise UserError("sound_short")
    notes: list[Note] = []
    samples = _mixed(channels, notes)
    peak = float(np.abs(samples).max(initial=0))
    if peak > 1:
        samples = samples / np.float32(peak)
        notes.append(note("sound_loud"))
    if not len(samples) or float(np.abs(samples - samples.mean()).max()) < SILENT:  # a constant is no sound
        notes.append(note("sound_silent"))
    return Sound(np.ascontiguousarray(samples, np.float32), tuple(notes))


def is_written(path: Path, count: int) -> bool:
    """Whether a file is as `write_sound` writes it, of at least `count` frames."""
    samples = _written(path)
    return samples is not None and len(samples) >= count * RATE // FPS


def _written(path: Path) -> np.ndarray | None:
    """The samples of a wav as `write_sound` writes it, None for any other file."""
    try:
        with wave.open(str(path), "rb") as file:
            if file.getparams()[:3] != (1, 2, RATE):
                return None
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError, RuntimeError):  # the last for a chunk that ends behind the file
        return None
    return np.frombuffer(data, "<i2", len(data) // 2).astype(np.float32) / 32767


def _decoded(path: Path, limit: float) -> np.ndarray:
    """(N, C) samples of the first sound of any file, by ffmpeg."""
    check_media(path, "sound_unreadable")
    rates = re.findall(r" Audio: .*?, (\d+) Hz", told(path, "sound_unreadable"))
    if any(int(rate) > FASTEST for rate in rates):  # to bring such a rate down takes for ever
        raise UserError("sound_unreadable", name=path.name)
    # More channels than two become two by ffmpeg's own matrix; one stays one.
    ask = (
        opened(path, vn=None, t=limit + 1)
        .filter("aresample", RATE)
        .filter("aformat", channel_layouts="mono|stereo", sample_fmts="flt")
        .output("pipe:", format="wav", acodec="pcm_f32le", map_metadata="-1", fflags="+bitexact")
    )
    data = run(ask, "sound_unreadable", path.name)
    channels = _channels(data)
    if not len(channels):
        raise UserError("sound_unreadable", name=path.name)
    return channels


def _channels(data: bytes) -> np.ndarray:
    """(N, C) samples of a float wav that was written to a pipe, whose sizes are not known."""
    place = data.find(b"data", 12)
    if place < 0:
        return np.empty((0, 1), np.float32)
    count = max(1, int.from_bytes(data[22:24], "little"))
    body = memoryview(data)[place + 8 :]
    values = np.frombuffer(body, np.float32, len(body) // 4 // count * count)
    return np.nan_to_num(values, posinf=0, neginf=0).reshape(-1, count)


def _mixed(channels: np.ndarray, notes: list[Note]) -> np.ndarray:
    """(N,) of the channels (N, C): their mean, or the louder one where the mean loses what is in it."""
    if channels.shape[1] == 1:
        return channels[:, 0]
    mean = channels.mean(axis=1)
    power = np.square(channels, dtype=np.float64).mean(axis=0)
    best = int(power.argmax())
    lost = float(np.square(mean, dtype=np.float64).mean()) < CANCELS * float(power[best])
    if power[best] > 0 and lost:
        notes.append(note("sound_channel", number=best + 1))
        return channels[:, best]
    return mean


def write_sound(path: Path, samples: np.ndarray, count: int | None = None) -> Path:
    """Samples (N,) at 16 kHz in [-1, 1] as a wav, cut or filled with silence to `count` frames if given."""
    wanted = len(samples) if count is None else count * RATE // FPS
    with path.open("wb") as raw, wave.open(raw, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        for start in range(0, wanted, PIECE):
            piece = samples[start : min(start + PIECE, wanted)]
            file.writeframes(np.round(np.clip(piece, -1, 1) * 32767).astype("<i2").tobytes())
        file.writeframes(bytes(2 * max(0, wanted - len(samples))))
    return path

"""Stands in for the lab's networks, so that the page can be tested without weights: a moving test card."""

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app import page
from app.face import service
from models.core import ffmpeg_calls
from models.core.errors import UserError
from models.core.progress import Beginning, Left, Progress
from models.face import FPS, frames_of, pipeline
from models.face.sources import sound_io
from models.face.sources.tracking import Faces
from models.face.types import Made, MouthBox, Order

TEXT_SECONDS = 2.0  # of what is typed, however long it is

Animate = Callable[[Order, Path], Iterator[Progress | Made]]


def film(path: Path, seconds: float, size: tuple[int, int] = (320, 320)) -> Path:
    """An mp4 of a test card with a tone."""
    path.write_bytes(_card(seconds, *size))
    return path


@cache
def _card(seconds: float, width: int, height: int) -> bytes:
    card = f"testsrc=size={width}x{height}:rate={FPS}:duration={seconds}"
    tone = f"sine=frequency=300:duration={seconds}"
    ask = [ffmpeg_calls.binary(), "-loglevel", "error", "-f", "lavfi", "-i", card, "-f", "lavfi", "-i", tone]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "card.mp4"
        subprocess.run([*ask, "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path)], check=True)
        return path.read_bytes()


def mouths(count: int) -> tuple[MouthBox, ...]:
    """The "mouth" of the test card: a square of 80 pixels that goes to the right for two seconds."""
    return tuple(MouthBox(100.0 + index % 50, 120.0, 80.0) for index in range(count))


def source(order: Order, folder: Path, count: int) -> Path:
    """What a film is made of: the same test card again, or of a still a grey picture."""
    if order.video:
        return film(folder / "source.mp4", count / FPS)
    path = folder / "source.jpg"
    Image.new("RGB", (320, 320), "grey").save(path)
    return path


def animating(steps: int = 4, pause: float = 0.0, faceless: tuple[int, ...] = ()) -> Animate:
    """An animator that shows a first second, draws in `steps` steps, and writes every file.

    It takes twenty times as long for a text that says "slowly".
    """

    def animate(order: Order, folder: Path) -> Iterator[Progress | Made]:
        yield Progress(0.0, "face_reads")
        seconds = TEXT_SECONDS if order.text else len(sound_io.read_sound(order.audio)) / 16000
        begun = Beginning(film(folder / "first.mp4", 1.0), mouths(FPS))
        yield Progress(0.1, "face_draws", begun)
        many = 20 * steps if "slowly" in order.text else steps
        for step in range(many):
            time.sleep(pause)
            yield Progress(0.2 + 0.7 * step / many, "face_draws", Left((many - step) * pause))
        count = frames_of(round(seconds * 16000))
        np.savez(folder / "vertices.npz", vertices=np.zeros((count, 478, 3), np.float16))
        (folder / "blendshapes.csv").write_text("frame,jawOpen\n0,0.5\n")
        yield Made(
            video=film(folder / "video.mp4", count / FPS),
            panels=film(folder / "panels.mp4", count / FPS, (960, 320)) if order.panels else None,
            blendshapes=folder / "blendshapes.csv",
            vertices=folder / "vertices.npz",
            seconds=seconds,
            frames=count,
            faceless=faceless,
            took={"tracking": 0.2, "generated": 1.1},
            lag=1,
            confidence=4.2,
            mouths=mouths(count),
            source=source(order, folder, count) if order.beside else None,
        )

    return animate


def failing(key: str, **facts: object) -> Animate:
    """An animator that shows a first second, then raises a UserError."""

    def animate(order: Order, folder: Path) -> Iterator[Progress | Made]:
        yield Progress(0.1, "face_draws", Beginning(film(folder / "first.mp4", 1.0)))
        raise UserError(key, **facts)

    return animate


def stand_in(patch: pytest.MonkeyPatch, animate: Animate | None = None) -> None:
    """Let `animate` answer instead of the lab's networks."""
    patch.setattr(service, "ready", lambda: None)
    patch.setattr(service, "look", lambda image: None)
    patch.setattr(pipeline, "voice_of", lambda *_: "")
    patch.setattr(service, "warm_up", lambda: None)
    patch.setattr(pipeline, "animate", animate or animating())
    patch.setattr(pipeline, "checkpoints", list)


@contextmanager
def served(animate: Animate | None = None) -> Iterator[str]:
    """Address of a page with this lab alone, on which `animate` answers instead of the networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "faces_throughout", lambda clip: Faces(1))
        patch.setattr(page, "LABS", (page.Lab("face", "app.face.tab"),))
        patch.setattr(page, "processor", lambda: "cpu")  # else a process imports torch to find out
        stand_in(patch, animate)
        running = page.start("127.0.0.1", None)
        try:
            yield running.local_url
        finally:
            running.close(verbose=False)

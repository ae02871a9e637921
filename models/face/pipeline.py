"""The face lab's one door: a face says what is heard or written. Networks load at first use."""

import csv
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from models.core import ffmpeg_calls
from models.core.checkpoints import CheckpointCard, all_cards
from models.core.disk_array import Spool
from models.core.errors import UserError
from models.core.import_lock import LOADING
from models.core.progress import Beginning, Left, Progress
from models.face import FPS, STAGES, frames_of
from models.face.methods import MOTION
from models.face.sources import film_io, film_writer, portrait_io, sound_io
from models.face.speech import voices
from models.face.types import ARTICULATION, Made, Order, Watch

if TYPE_CHECKING:
    from models.face.motion.face_motion import Motion
    from models.face.sources.source import Portrait, Sitter
    from models.face.sources.tracking import Track

PREVIEW = FPS  # frames that are shown before the long job
TELLING = 8  # frames from one word about progress to the next


def animate(order: Order, folder: Path) -> Iterator[Progress | Made]:
    """Make the film; close the iterator to stop, which leaves nothing half-written.

    The preview of a Progress is None, the film's `Beginning`, or a `Left`.
    Raises UserError: face_input, face_both, speech_input, speech_both, stage_unknown, articulation_range,
    and as the readers, voices, trackers and checkpoints do.
    """
    _check(order)
    ffmpeg_calls.binary()
    watch = Watch()
    portrait: Portrait | None = None
    if order.portrait:
        yield Progress(0.0, "face_reads")
        with watch.at("tracking"):
            portrait = _portrait(order.portrait, order.track)
    yield Progress(0.01, "face_listens")
    with watch.at("speech"):
        samples = _speech(order, portrait)
    count = frames_of(len(samples))
    sitter: Sitter
    if portrait:
        sitter = portrait
    else:
        yield Progress(0.03, "face_reads")
        with watch.at("tracking"):
            sitter = _footage(order, count)
    yield Progress(0.05, "face_moves")
    with watch.at("motion"):
        motion, mel = _motion(order, samples, sitter)
    yield Progress(0.08, "face_draws")
    written = folder / ".speech.part.wav"
    try:
        if order.audio and sound_io.is_written(order.audio, count):
            sound = order.audio
        else:
            sound = sound_io.write_sound(written, samples, count)
        del samples  # minutes of it are large
        yield from _film(order, folder, sound, sitter, motion, mel, watch)
    finally:
        written.unlink(missing_ok=True)


def rehearse(order: Order) -> None:
    """Make a film and throw it away, so that the networks are ready. Raises as `animate` does."""
    with TemporaryDirectory() as folder:
        deque(animate(order, Path(folder)), 0)


def _check(order: Order) -> None:
    if order.stage not in STAGES:
        raise UserError("stage_unknown", name=order.stage[:40], choices=", ".join(STAGES))
    if order.portrait and order.video:
        raise UserError("face_both")
    if not (order.portrait or order.video):
        raise UserError("face_input")
    if order.audio and order.text:
        raise UserError("speech_both")
    if not (order.audio or order.text.strip()):
        raise UserError("speech_input")
    least, most = ARTICULATION
    if not least <= order.articulation <= most:
        raise UserError("articulation_range", least=least, most=most)
    if order.text:
        voices.find(order.language, order.voice or None)


def _portrait(file: Path, track: "Track | None") -> "Portrait":
    """A picture, tracked once for its voice and its film. track: where it was tracked before."""
    with LOADING:
        from models.face.sources import source
    return source.Portrait(portrait_io.read_portrait(file), track)


def _speech(order: Order, portrait: "Portrait | None") -> np.ndarray:
    if order.audio:
        return sound_io.read_sound(order.audio)
    voice = order.voice or voices.fitting(order.language, _kind(order, portrait)).name
    return voices.speak(order.text, order.language, voice)


def _kind(order: Order, portrait: "Portrait | None") -> str:
    """The kind of voice that fits the face, "" where that can't be told."""
    if portrait:
        return voice_of(portrait.image, portrait.track)
    with suppress(UserError):
        assert order.video is not None
        return voice_of(next(film_io.read_clip(film_io.open_clip(order.video))))
    return ""


def voice_of(image: np.ndarray, track: "Track | None" = None) -> str:
    """The kind of voice that fits the face of a picture (H, W, 3), "" where that can't be told.

    track: of the picture, where it was made before. A proposal that can't be made ends nothing.
    """
    with LOADING:
        from models.face.sources import tracking
        from models.face.speech import voice_matching
    with suppress(UserError):
        found = track or tracking.track_image(image)
        return voice_matching.kind_of(image, found.pixels()[0])
    return ""


def _footage(order: Order, count: int) -> "Sitter":
    with LOADING:
        from models.face.sources import source
    assert order.video is not None
    return source.Footage(film_io.open_clip(order.video), count)


def _motion(order: Order, samples: np.ndarray, sitter: "Sitter") -> tuple["Motion", np.ndarray]:
    """How the face moves, and the sound's spectrogram (T, 160)."""
    with LOADING:
        from models.face.sources import head_motion, source
        from models.face.speech import features

    network = MOTION.loaded(MOTION.default)
    heard = features.listen(samples)
    moves = network.predict(heard, order.articulation)
    if isinstance(sitter, source.Portrait):
        moves, sitter.sway = head_motion.act(moves, heard, order.seed, sitter.rest)
    return moves, heard.mel


def _film(
    order: Order,
    folder: Path,
    sound: Path,
    sitter: "Sitter",
    motion: "Motion",
    mel: np.ndarray,
    watch: Watch,
) -> Iterator[Progress | Made]:
    """Draw and write all frames. The first second is written apart as well, as soon as it is there."""
    source = folder / "source.mp4" if order.beside and order.video else None
    with LOADING:
        from models.face.rendering.compositor import Drawing

        drawing = Drawing(sitter, order.stage, order.panels, order.marked, beside=source is not None)
    count, comment = len(motion), _comment()
    video, panels = folder / "talking_face.mp4", folder / "stages.mp4" if order.panels else None
    started = time.monotonic()
    with ExitStack() as stack:
        writers = [stack.enter_context(film_writer.ClipWriter(video, sitter.size, count, sound, comment))]
        if panels:
            writers.append(
                stack.enter_context(film_writer.ClipWriter(panels, drawing.panel_size, count, sound, comment))
            )
        if source:
            writers.append(stack.enter_context(film_writer.ClipWriter(source, sitter.size, count)))
        first: list[np.ndarray] = []
        for done, frames in enumerate(drawing.film(motion, watch), 1):
            with watch.at("writing"):
                for writer, frame in zip(writers, frames, strict=False):
                    writer.write(frame)
            fraction = 0.08 + 0.9 * done / count
            if done <= PREVIEW:
                first.append(frames[0])
            if done == min(PREVIEW, count):
                begun = _preview(folder, sitter, first, sound, comment)
                boxes = tuple(drawing.mouths[: len(first)])
                yield Progress(fraction, "face_draws", Beginning(begun, boxes))
                first.clear()
            if done % TELLING == 0 or done == count:
                left = (time.monotonic() - started) / done * (count - done)
                yield Progress(fraction, "face_draws", Left(left))
        yield Progress(0.98, "face_writes")
        with watch.at("writing"):
            stack.close()
            if order.beside and not source:
                source = _still(folder, sitter)
            shapes, vertices = _write_motion(folder, motion, drawing.vertices)
    sync = drawing.sync(mel)
    yield Made(
        video=video,
        panels=panels,
        blendshapes=shapes,
        vertices=vertices,
        seconds=count / FPS,
        frames=count,
        faceless=tuple(drawing.faceless),
        covered=tuple(drawing.covered),
        took={stage: round(seconds, 3) for stage, seconds in watch.took.items()},
        lag=sync.lag if sync else None,
        confidence=round(sync.confidence, 3) if sync else None,
        mouths=tuple(drawing.mouths),
        source=source,
    )


def _still(folder: Path, sitter: "Sitter") -> Path:
    """The picture that a film was made of, as it was read."""
    from PIL import Image

    path = folder / "source.jpg"
    Image.fromarray(sitter.widest()[0]).save(path, quality=95)
    return path


def _comment() -> str:
    from models.face.rendering.watermark import COMMENT

    return COMMENT


def _preview(folder: Path, sitter: "Sitter", frames: list[np.ndarray], sound: Path, comment: str) -> Path:
    path = folder / "first_second.mp4"
    with film_writer.ClipWriter(path, sitter.size, len(frames), sound, comment) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def _write_motion(folder: Path, motion: "Motion", vertices: Spool) -> tuple[Path, Path]:
    """Blendshapes as CSV under ARKit's names, and the vertices (T, 478, 3) in cm as npz."""
    from models.face.sources.mesh import BLENDSHAPES, triangles

    shapes, cloud = folder / "blendshapes.csv", folder / "vertices.npz"
    with shapes.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["frame", "seconds", *BLENDSHAPES[1:]])  # the first is MediaPipe's own, not ARKit's
        for index, row in enumerate(motion.blendshapes):
            rows.writerow([index, f"{index / FPS:.2f}", *(f"{value:.4f}" for value in row[1:])])
    vertices.save(cloud, "vertices", triangles=triangles(), fps=np.array(FPS))
    return shapes, cloud


def checkpoints() -> list[CheckpointCard]:
    """Cards of the checkpoints that are here."""
    return all_cards("face")

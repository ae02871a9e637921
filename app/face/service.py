"""What a visitor can ask of the face lab: bring a face and a voice, and have the one say the other.

The page and the API both come through here; nothing in it knows a widget. What a visitor brings is
read once, kept under a name of ours in the visit's folder, and the upload is deleted.
"""

import json
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from app import uploads, validation
from app.face.session import FaceSession
from app.job_queue import JobQueue, in_line
from models.core import checkpoints, ffmpeg_calls
from models.core.errors import UserError
from models.core.import_lock import LOADING
from models.core.notes import note
from models.core.progress import Beginning, Progress
from models.face import STAGES, frames_of, pipeline
from models.face.sources import face_model, film_io, film_writer, portrait_io, sound_io
from models.face.sources.upload import faces_throughout, faces_told
from models.face.speech import voices
from models.face.types import ARTICULATION, Made, Order

if TYPE_CHECKING:
    import numpy as np

    from models.face.sources.tracking import Track

MOST_SECONDS = 180  # of speech; the command line takes more
NEEDED = ("face_motion", "face_generator", "face_sync")
MAX_SEED = 2**31 - 1
CONTAINERS = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi")  # that a video keeps its ending in

T = TypeVar("T")
# Two, so that a picture is taken in while a face is drawn. The second counts its deadline by the step; who
# waits for a place may have a film of minutes before them.
reading, making = JobQueue(), JobQueue(usual=15, deadline=300.0, heavy=True)


def ready() -> None:
    """Raises UserError where the lab cannot work: a checkpoint, the face model or ffmpeg is missing."""
    for name in NEEDED:
        checkpoints.card(name)
    face_model.path()
    ffmpeg_calls.binary()


def example() -> Path:
    """The portrait that scikit-image carries: the astronaut Eileen Collins, NASA, in the public domain.

    Raises UserError("package_missing").
    """
    package = find_spec("skimage")
    for folder in (package.submodule_search_locations or ()) if package else ():
        file = Path(folder) / "data" / "astronaut.png"
        if file.is_file():
            return file
    raise UserError("package_missing", name="scikit-image")


@cache
def warm_up() -> None:
    """Get the networks ready while a visitor still chooses what is said; once for a process.

    It is a film of a few words on a thread; what fails is told when somebody asks for one.
    """

    def work() -> None:
        with suppress(UserError):
            making.run(*rehearsal())

    threading.Thread(target=work, daemon=True).start()


def rehearsal() -> tuple[Any, ...]:
    """The job, a function and its arguments, that gets the networks ready. Raises as `example` does."""
    return pipeline.rehearse, Order(portrait=example(), text="Good morning.")


def take_portrait(session: FaceSession, path: str | Path | None) -> Path:
    """Keep a visitor's picture: turned, scaled, without what a camera wrote into it.

    Raises UserError: no_file, and as `portrait_io.read_portrait` and `look` do.
    """

    def keep(file: Path) -> Path:
        from PIL import Image

        kept = session.visit.folder / f"{_name()}.png"
        image, session.notes = portrait_io.told_portrait(file)
        track = look(image)
        if track is not None and track.covered is not None and track.covered.any():
            session.notes += (note("mouth_covered"),)
        session.kind = pipeline.voice_of(image, track)
        Image.fromarray(image).save(kept, compress_level=1)
        session.track = kept, track
        return kept

    return _taken(path, keep)


def look(image: "np.ndarray") -> "Track":
    """The one face of a picture (H, W, 3), tracked when it arrives: a visitor hears at once of one without.

    Raises as `tracking.track_image` does.
    """
    with LOADING:
        from models.face.sources import tracking
    return tracking.track_image(image)


def take_example(session: FaceSession) -> Path:
    """Keep the example portrait as if the visitor had brought it. Raises as `example` does."""
    file = session.visit.folder / example().name
    shutil.copyfile(example(), file)
    return take_portrait(session, file)


def take_footage(session: FaceSession, path: str | Path | None) -> Path:
    """Keep a visitor's video. Raises UserError: no_file, and as `film_io.open_clip` does."""

    def keep(file: Path) -> Path:
        from PIL import Image

        clip = film_io.open_clip(file)
        session.notes = clip.notes + faces_told(faces_throughout(clip), film=True)
        ending = file.suffix.lower()
        kept = session.visit.folder / f"{_name()}{ending if ending in CONTAINERS else '.mp4'}"
        if not clip.playable:
            film_writer.write_preview(clip, preview_of(kept))
        first = next(film_io.read_clip(clip))
        session.kind = pipeline.voice_of(first)
        Image.fromarray(first).save(first_frame_of(kept), quality=90)
        return Path(shutil.move(file, kept))

    return _taken(path, keep)


def take_speech(session: FaceSession, path: str | Path | None) -> Path:
    """Keep a visitor's speech as a wav of 16 kHz. Raises as `sound_io.read_sound` does, and no_file."""

    def keep(file: Path) -> Path:
        kept = session.visit.folder / f"{_name()}.wav"
        sound = sound_io.hear(file, MOST_SECONDS)
        session.notes = sound.notes
        return sound_io.write_sound(kept, sound.samples, frames_of(len(sound.samples)))

    return _taken(path, keep)


def show(session: FaceSession, file: Path) -> Path:
    """A copy of a kept file, or of what is to be seen of it, that the page may serve until the visit ends."""
    seen = preview_of(file) if preview_of(file).is_file() else file
    return Path(shutil.copyfile(seen, session.visit.shown / seen.name))


def preview_of(kept: Path) -> Path:
    """Where the first seconds lie of a film that browsers don't play."""
    return kept.with_name(f"{kept.stem}_preview.mp4")


def first_frame_of(kept: Path) -> Path:
    """Where the first frame of a kept film lies."""
    return kept.with_name(f"{kept.stem}_first.jpg")


def poster(session: FaceSession, wanted: Order) -> Path | None:
    """The face of an order, at rest, for the page to show while nothing of its video is there yet."""
    file = first_frame_of(wanted.video) if wanted.video else wanted.portrait
    return show(session, file) if file is not None and file.is_file() else None


def forget(session: FaceSession, what: str) -> None:
    """The visitor takes a "portrait", "footage" or "speech" away again: it is deleted, and so is its copy.

    One that a film is being made of stays until the visit ends.
    """
    kept: Path | None = getattr(session, what)
    setattr(session, what, None)
    if kept is not None and not session.at_work.locked():
        for file in (kept, preview_of(kept), first_frame_of(kept)):
            file.unlink(missing_ok=True)
            (session.visit.shown / file.name).unlink(missing_ok=True)


def _taken(path: str | Path | None, keep: Callable[[Path], Path]) -> Path:
    if not path:
        raise UserError("no_file")
    file = Path(path)
    try:
        return reading.run(keep, file)
    finally:
        uploads.drop(file)


def order(
    face: Path | None,
    moving: bool,
    audio: Path | None,
    text: str | None,
    language: str | None,
    voice: str | None,
    stage: str | None,
    panels: bool,
    marked: bool,
    seed: float | None,
    consent: bool,
    articulation: object = 1.0,
) -> Order:
    """An order of what fields hold; a script's may hold anything, so all is looked at.

    face: a kept picture, or a video where `moving`. audio: kept speech; None where `text` is spoken by
    `voice` of `language`.
    Raises UserError: face_input, speech_input, consent_missing, flag_wrong, stage_unknown, seed_range,
    articulation_range, language_unknown, voice_unknown, and for the text as `voices.cleaned` and
    `voices.check_script` do.
    """
    if face is None:
        raise UserError("face_input")
    said, tongue, speaker = ("", "", "") if audio else spoken(text, language, voice)
    if consent is not True:
        raise UserError("consent_missing")
    if not isinstance(stage, str) or stage not in STAGES:
        raise UserError("stage_unknown", name=_short(stage), choices=", ".join(STAGES))
    first = validation.whole_number(seed)
    if first is None or not 0 <= first <= MAX_SEED:
        raise UserError("seed_range", limit=MAX_SEED)
    far, (least, most) = validation.number(articulation), ARTICULATION
    if far is None or not least <= far <= most:
        raise UserError("articulation_range", least=least, most=most)
    return Order(
        portrait=None if moving else face,
        video=face if moving else None,
        audio=audio,
        text=said,
        language=tongue,
        voice=speaker,
        stage=str(stage),
        panels=validation.flag(panels, "panels"),
        marked=validation.flag(marked, "marked"),
        seed=first,
        articulation=far,
    )


def spoken(text: object, language: object, voice: object) -> tuple[str, str, str]:
    """What fields hold of a text to be spoken: the text, its language, and the name of who speaks it.

    Raises UserError: speech_input, language_unknown, voice_unknown, and as `voices.cleaned` and
    `voices.check_script` do.
    """
    if not isinstance(language, str):
        raise UserError("language_unknown", name=_short(language), choices=", ".join(voices.LANGUAGES))
    chosen = voices.find(language, _short(voice) if voice else None)
    if not isinstance(text, str) or not text.strip():
        raise UserError("speech_input")
    clean = voices.cleaned(text)
    voices.check_script(clean, language)
    return clean, language, chosen.name


def fitting(session: FaceSession, language: object) -> str:
    """The name of the voice of a language that fits the face that came last. Raises as `voices.fitting`."""
    return voices.fitting(_short(language), session.kind).name


def animate(session: FaceSession, wanted: Order) -> Iterator[Progress | Made]:
    """The face says it: steps, then the result, kept in `session.made`; `stop` ends it silently.

    A Progress whose preview is a Beginning has the first second to show. What is not complete is deleted, and
    a result that was there before stays. Raises UserError: what the pipeline and the gate raise.
    """
    session.halt = stop = threading.Event()
    picture, track = session.track or (None, None)
    if picture == wanted.portrait:
        wanted = replace(wanted, track=track)
    if session.visit.gone.is_set():
        raise UserError("cancelled")
    folder = Path(tempfile.mkdtemp(dir=session.visit.folder))
    first: Path | None = None
    try:
        for step in making.stream(pipeline.animate, wanted, folder, gone=stop, line=in_line):
            if isinstance(step, Made):
                step = _kept(session, wanted, step)
            elif isinstance(step.preview, Beginning):
                first = show(session, step.preview.film.rename(folder / f"{_name()}.mp4"))
                step = replace(step, preview=replace(step.preview, film=first))
            yield step
    except UserError as error:
        if error.key != "cancelled" or session.visit.gone.is_set():
            raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if first:
            first.unlink(missing_ok=True)
        if session.visit.gone.is_set():
            session.visit.end()  # what was written after it had ended


def stop(session: FaceSession) -> None:
    """End the video that is being made for the visitor."""
    session.halt.set()


def _kept(session: FaceSession, wanted: Order, made: Made) -> Made:
    """The result under names of ours where the page may serve it; the one before is deleted."""
    stem = f"talking_face_{_name()}"

    def moved(file: Path, ending: str) -> Path:
        return Path(shutil.move(file, session.visit.shown / f"{stem}{ending}"))

    _drop_result(session)
    kept = replace(
        made,
        video=moved(made.video, ".mp4"),
        panels=moved(made.panels, "_stages.mp4") if made.panels else None,
        blendshapes=moved(made.blendshapes, "_blendshapes.csv"),
        vertices=moved(made.vertices, "_vertices.npz"),
        source=moved(made.source, f"_source{made.source.suffix}") if made.source else None,
    )
    log_of(kept).write_text(json.dumps(facts(kept, wanted), indent=1), encoding="utf-8")
    session.made = kept
    return kept


def show_again(session: FaceSession, made: Made) -> None:
    """An earlier result, whose files the page may serve, is what is there; the one before is deleted."""
    _drop_result(session, keeps=files(made))
    session.made = made


def _drop_result(session: FaceSession, keeps: Sequence[Path] = ()) -> None:
    before, session.made = session.made, None
    for file in files(before) if before else ():
        if file not in keeps:
            file.unlink(missing_ok=True)


def files(made: Made) -> list[Path]:
    """What there is of a result on disk."""
    found = (made.video, made.panels, made.blendshapes, made.vertices, made.source, log_of(made))
    return [file for file in found if file is not None]


def log_of(made: Made) -> Path:
    """The file that tells how a result was made."""
    return made.video.with_suffix(".json")


def facts(made: Made, wanted: Order) -> dict[str, Any]:
    """How a result was made, as plain numbers and names."""
    told = asdict(made)
    del told["mouths"]  # thousands of boxes, for the page's stage alone
    known = {name: value for name, value in told.items() if not isinstance(value, Path | None)}
    return {
        **known,
        "ai_generated": True,
        "stage": wanted.stage,
        "seed": wanted.seed,
        "articulation": wanted.articulation,
        "language": wanted.language,
        "voice": wanted.voice,
        "checkpoints": {card.name: card.sha256 for card in pipeline.checkpoints()},
    }


def _name() -> str:
    return secrets.token_hex(6)


def _short(value: object) -> str:
    return str(value)[:40]

"""Clips of people who speak, as the networks learn from them: what is heard and how the face moves.

A clip is tracked and listened to once; what came of it lies in runs/face, a file for each clip.
"""

import hashlib
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.sentences import sentence
from models.core.training import RUNS
from models.face import FPS
from models.face.sources.film_io import open_clip, read_clip
from models.face.sources.mesh import BLENDSHAPES
from models.face.sources.sound_io import read_sound
from models.face.sources.speakers import S1, person
from models.face.sources.tracking import Track, track_video
from models.face.speech.features import Heard, listen

CACHE = RUNS / "face"
SETS = ("grid_s1", "grid_others", "vidtimit", "lipreading_course", "many_people")
LEFT_OUT = SETS[1:4]  # sets for each of which a motion network is trained that never saw it
BLENDSHAPE_SET = "facegood"
KINDS = (".mp4", ".mov", ".webm", ".mkv", ".avi")
TRAIN, CHECK = 320, 40  # of grid_s1's clips by name; the rest is its test

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """A clip of T frames. person: who speaks, see `speakers`."""

    set: str
    name: str
    person: str
    path: Path
    heard: Heard
    track: Track
    lag: int = 0

    def __len__(self) -> int:
        return len(self.heard)

    def frames(self) -> list[NDArray[np.uint8]]:
        """Its pictures, (H, W, 3) each."""
        first = max(-self.lag, 0)
        return list(islice(read_clip(open_clip(self.path)), first, first + len(self)))

    def shifted(self, lag: int) -> "Clip":
        """The clip in time, where its sound lies `lag` frames behind its picture."""
        count = len(self) - abs(lag)
        heard = self.heard.part(max(lag, 0), max(lag, 0) + count)
        return replace(self, heard=heard, track=self.track.part(max(-lag, 0), count), lag=lag)


@dataclass(frozen=True)
class Recording:
    """A sound whose blendshapes (T, 52) are known and whose face is not. known: (52,), which ones are."""

    name: str
    heard: Heard
    blendshapes: Array
    known: NDArray[np.bool_]


def read_set(data: Path, name: str) -> list[Clip]:
    """The clips of data/face/NAME, by name; of grid_others without those that show grid_s1's man.

    Raises UserError: clips_missing, and as the readers do.
    """
    clips = read_folder(data / "face" / name, name)
    return [clip for clip in clips if name == "grid_s1" or clip.person != S1]


def parts(clips: Sequence[Clip]) -> tuple[Sequence[Clip], Sequence[Clip], Sequence[Clip]]:
    """grid_s1's clips for training, for choosing and for testing."""
    return clips[:TRAIN], clips[TRAIN : TRAIN + CHECK], clips[TRAIN + CHECK :]


def read_folder(folder: Path, name: str) -> Iterator[Clip]:
    """The different clips of a folder, in the order of their names; what is made of them is kept.

    Two files of the same bytes are one clip, and so is one whose name only adds "_temp": the same recording,
    encoded once more. One that cannot serve (no face, two faces, no sound) is told and left out.
    Raises UserError("clips_missing") where none is left.
    """
    seen: set[str] = set()
    count = 0
    for path in sorted(path for path in folder.glob("*") if path.suffix.lower() in KINDS):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        again = path.stem.endswith("_temp") and path.with_stem(path.stem.removesuffix("_temp")).exists()
        if digest in seen or again:
            continue
        seen.add(digest)
        key = path.stem if name in SETS else digest[:16]  # anybody's folders may share names
        try:
            heard, track = _heard(path, f"{name}/{key}"), _tracked(path, f"{name}/{key}")
        except UserError as error:
            print(f"{path.name}: {sentence(error)}", file=sys.stderr)
            continue
        count += 1
        frames = min(len(heard), len(track.seen))
        yield Clip(
            name, path.stem, person(name, path.stem), path, heard.part(0, frames), track.part(0, frames)
        )
    if not count:
        raise UserError("clips_missing", name=name)


def read_recordings(data: Path) -> list[Recording]:
    """FACEGOOD's Mandarin sentences, their blendshapes named and timed as ours (MIT licence)."""
    folder = data / "face" / BLENDSHAPE_SET
    names = [str(name) for name in np.load(folder / "bs_names.npy", allow_pickle=True)]
    rules = _arkit_rules(folder / "Voice2Face_blendshape2ARkit.xlsx")
    found = []
    for path in sorted(folder.glob("*.flac")):
        heard = _heard(path, f"{BLENDSHAPE_SET}/{path.stem}")
        theirs = np.load(folder / f"bs_value_{path.stem}.npz")["weights"]
        ours = np.zeros((len(theirs), len(BLENDSHAPES)), np.float32)
        for shape, sources in rules.items():
            ours[:, BLENDSHAPES.index(shape)] = theirs[:, [names.index(source) for source in sources]].max(1)
        count = min(len(heard), len(theirs) * FPS // 30)
        at = np.arange(count) * 30 / FPS  # their clock ticks at 30 fps
        resampled = np.stack([np.interp(at, np.arange(len(ours)), column) for column in ours.T], axis=1)
        known = np.array([shape in rules for shape in BLENDSHAPES])
        found.append(Recording(path.stem, heard.part(0, count), resampled.astype(np.float32), known))
    if not found:
        raise UserError("clips_missing", name=BLENDSHAPE_SET)
    return found


def _arkit_rules(path: Path) -> dict[str, list[str]]:
    """Of which FACEGOOD weights each ARKit blendshape is the largest, where their sheet calls it valid."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(path) as book:
        strings = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))  # noqa: S314 - the data set's own
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314
    words = ["".join(part.itertext()) for part in strings.iter(f"{space}si")]
    rules = {}
    for row in sheet.iter(f"{space}row"):
        cells = {}
        for cell in row.iter(f"{space}c"):
            value = cell.find(f"{space}v")
            if value is not None and cell.get("t") == "s":
                cells[str(cell.get("r"))[0]] = words[int(str(value.text))]
        if cells.get("G") == "valid":
            rules[cells["A"]] = cells["C"].removeprefix("max(").rstrip(")").split(",")
    return rules


def _heard(path: Path, key: str) -> Heard:
    kept = CACHE / "heard" / f"{key}.npz"
    if not kept.exists():
        save_heard(kept, listen(read_sound(path)))
    return load_heard(kept)


def save_heard(path: Path, heard: Heard, **beside: Array) -> None:
    """What was heard as an npz of half precision, with other arrays beside it."""
    halves = {"whisper": heard.whisper.astype(np.float16), "mel": heard.mel.astype(np.float16)}
    _save(path, **halves, energy=heard.energy, voiced=heard.voiced, **beside)


def load_heard(path: Path) -> Heard:
    """What `save_heard` saved."""
    with np.load(path) as file:
        whisper, mel = file["whisper"].astype(np.float32), file["mel"].astype(np.float32)
        return Heard(whisper, mel, file["energy"], file["voiced"])


def _tracked(path: Path, key: str) -> Track:
    kept = CACHE / "tracks" / f"{key}.npz"
    if not kept.exists():
        track = track_video(read_clip(open_clip(path)))
        _save(
            kept,
            vertices=track.vertices.astype(np.float16),
            poses=track.poses,
            blendshapes=track.blendshapes,
            seen=track.seen,
            size=np.array(track.size),
        )
    with np.load(kept) as file:
        vertices, size = file["vertices"].astype(np.float32), file["size"]
        return Track(vertices, file["poses"], file["blendshapes"], file["seen"], (int(size[0]), int(size[1])))


def _save(path: Path, **arrays: np.ndarray) -> None:
    """An npz that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, **arrays)  # type: ignore[arg-type]
    partial.replace(path)

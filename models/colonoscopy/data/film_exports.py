"""Films as files that nobody can mistake for a patient's: mp4, a zip of frames and masks, multi-frame DICOM.

Each file is written while the frames come, so that memory doesn't grow with the film:

    record = FilmRecord(order, "conditioned", weights, "polyps")
    with FilmFiles(folder, "film_7", record) as files:
        for frame in frames:
            files.add(frame)
    files.made.video
"""

import json
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

import cv2
import numpy as np

from models.colonoscopy.data.exports import WORD, burnt, frame_png, mask_png, secondary_capture
from models.colonoscopy.data.images import Frame, Mask, own_part
from models.colonoscopy.video.base import FPS, FilmOrder
from models.core.film_writer import FilmWriter

if TYPE_CHECKING:
    from models.colonoscopy.filming import JudgedFrame

NOTE = "Synthetic colonoscopy film, drawn by a neural network. It shows no patient. Not for diagnosis."
CONTINUED = (
    "Colonoscopy film that begins with a given frame; a neural network drew what follows. Not for diagnosis."
)
PAINTED = (
    "Colonoscopy film that begins with a given frame; a neural network drew the polyp in it and what "
    "follows. Not for diagnosis."
)
UNAWARE = "It knows no mask: outline, first frame, move and look that were asked for are not in it."
UNAWARE_WORDS = f"{WORD} - knows no mask"  # burnt in
ASKED, FOUND = (47, 211, 230), (255, 210, 62)  # the outlines, in the colours of the page's frames
DASH, GAP = 9, 6  # pixels of an outline that is found, which colours alone would not tell from the other
LEAST = 512  # pixels of the longer side of an mp4; players blur what is smaller
MULTI_FRAME = "1.2.840.10008.5.1.4.1.1.7.4"  # true colour secondary capture
FRAME_TIME = 0x00181063  # the tag that tells how the frames of a DICOM file follow one another


@dataclass
class FilmRecord:
    """What is known of a film; it learns from each frame.

    shape: (height, width) of mask or frame before they were padded to a square; what is taken home has its
    sides. knows_mask: of the method, None before the first frame. dice: of each frame that has a mask.
    """

    order: FilmOrder
    model: str
    weights: str
    judge: str
    shape: tuple[int, int] | None = None
    frames: int = 0
    knows_mask: bool | None = None
    dice: list[float] = field(default_factory=list)

    def add(self, step: "JudgedFrame") -> None:
        """One more frame."""
        self.frames += 1
        self.knows_mask = step.mask is not None
        if step.dice is not None:
            self.dice.append(round(step.dice, 4))

    @property
    def drawn(self) -> bool:
        """Whether a network drew all of it."""
        return self.order.frame is None or self.knows_mask is False

    @property
    def note(self) -> str:
        """What every file says of itself."""
        said = NOTE if self.drawn else PAINTED if self.order.painted else CONTINUED
        return f"{said} {UNAWARE}" if self.knows_mask is False else said

    @property
    def words(self) -> str:
        """What is burnt into each frame."""
        return UNAWARE_WORDS if self.knows_mask is False else WORD

    def facts(self) -> dict[str, Any]:
        """What is known of the film but its pixels, ready for JSON."""
        order = self.order
        return {
            "synthetic": True,
            "kind": "film",
            "model": self.model,
            "weights": self.weights,
            "judge": self.judge,
            "seed": order.seed,
            "steps": order.steps,
            "move": order.move,
            "look": order.look,
            "seconds": order.seconds,
            "frames": self.frames,
            "fps": FPS,
            "last_outline": order.mask_last is not None,
            "own_frame": order.frame is not None,
            "painted": order.frame is not None and order.painted,
            "knows_mask": self.knows_mask,
            "mean_dice": round(float(np.mean(self.dice)), 4) if self.dice else None,
            "dice": self.dice,
            "note": self.note,
        }

    def comment(self) -> str:
        """What the metadata of an mp4 says, from its first frame on."""
        order = self.order
        known = {"model": self.model, "weights": self.weights, "seed": order.seed, "move": order.move}
        return f"{WORD}. {self.note} {json.dumps(known)}"

    def own(self, pixels: Any) -> Any:
        """A frame or mask without what was padded around it."""
        return pixels[own_part(self.shape, len(pixels))] if self.shape else pixels


def enlarged(frame: Frame) -> Frame:
    """A frame whose longer side has at least LEAST pixels: doubled, by Lanczos, as often as it takes.

    Its sides are even, as H.264 wants them.
    """
    height, width = frame.shape[:2]
    factor = 1
    while factor * max(height, width) < LEAST or factor * height % 2 or factor * width % 2:
        factor *= 2
    if factor == 1:
        return frame
    size = (factor * width, factor * height)
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_LANCZOS4), np.uint8)


def outlined(frame: Frame, asked: Mask | None, found: Mask) -> Frame:
    """A frame with the outlines of masks of any size: what was asked for whole, what was found dashed."""
    strokes = [(points, FOUND) for edge in _edges(found, frame) for points in _dashes(edge)]
    if asked is not None:
        strokes = [*((edge, ASKED) for edge in _edges(asked, frame)), *strokes]
    shade = frame.copy()
    for points, _ in strokes:  # a dark rim, so that they are seen on light tissue
        cv2.polylines(shade, [points], False, (0, 0, 0), 4, cv2.LINE_AA)
    drawn = cv2.addWeighted(frame, 0.5, shade, 0.5, 0)
    for points, colour in strokes:
        cv2.polylines(drawn, [points], False, colour, 2, cv2.LINE_AA)
    return np.asarray(drawn, np.uint8)


def _edges(mask: Mask, frame: Frame) -> list[Any]:
    """The closed outlines of a mask in the pixels of a frame: (N, 2) each."""
    # Not by the nearest pixel: the stairs of a mask that is enlarged are no outline.
    size = (frame.shape[1], frame.shape[0])
    large = (cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5).astype(np.uint8)
    edges, _ = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [np.concatenate([edge, edge[:1]]).reshape(-1, 2) for edge in edges]


def _dashes(edge: Any) -> list[Any]:
    return [edge[start : start + DASH + 1] for start in range(0, len(edge) - 1, DASH + GAP)]


class FilmPart(Protocol):
    """One file of a film, complete when its context ends without an error; an error leaves nothing."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None: ...

    def add(self, step: "JudgedFrame") -> None:
        """One more frame, which the record has counted."""
        ...


class FilmVideo:
    """An mp4 of 10 fps, enlarged, with WORD in a corner and, if asked for, the outlines of both masks.

    Raises as `FilmWriter` does.
    """

    def __init__(self, path: Path, record: FilmRecord, outlines: bool = False) -> None:
        self.path, self.record, self.outlines = path, record, outlines
        self._writer: FilmWriter | None = None

    def __enter__(self) -> Self:
        return self

    def add(self, step: "JudgedFrame") -> None:
        """See `FilmPart`."""
        frame = enlarged(self.record.own(step.frame))
        if self.outlines:
            asked = None if step.mask is None else self.record.own(step.mask)
            frame = outlined(frame, asked, self.record.own(step.found))
        if self._writer is None:
            size = (frame.shape[0], frame.shape[1])
            self._writer = FilmWriter(self.path, size, FPS, self.record.comment())
        self._writer.write(burnt(frame, self.record.words))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.__exit__(kind, error, trace)


class FilmZip:
    """A zip of frames/NNNN.png, masks/NNNN.png where the method knows masks, and film.json."""

    def __init__(self, path: Path, record: FilmRecord) -> None:
        self.path, self.record = path, record
        self._file = zipfile.ZipFile(path, "w")  # stored: PNGs are packed already

    def __enter__(self) -> Self:
        return self

    def add(self, step: "JudgedFrame") -> None:
        """See `FilmPart`."""
        own, name = self.record.own, f"{step.index:04d}.png"
        frame = burnt(own(step.frame), self.record.words)
        self._file.writestr(f"frames/{name}", frame_png(frame, self.record.note, self._facts(step)))
        if step.mask is not None:
            self._file.writestr(f"masks/{name}", mask_png(own(step.mask)))

    def _facts(self, step: "JudgedFrame") -> dict[str, Any]:
        known = self.record.facts()
        del known["dice"], known["mean_dice"], known["frames"]  # of the whole film, which goes on
        return {**known, "index": step.index, "dice": None if step.dice is None else round(step.dice, 4)}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                self._file.writestr("film.json", json.dumps(self.record.facts(), indent=1))
        if kind is not None:
            self.path.unlink(missing_ok=True)


class FilmDicom:
    """A multi-frame DICOM file of true colour. Its pixels wait in a file beside it until they are counted."""

    def __init__(self, path: Path, record: FilmRecord) -> None:
        self.path, self.record = path, record
        self._spool = path.with_name(f".{path.stem}.pixels")
        self._pixels: IO[bytes] = self._spool.open("wb")
        self._size = (0, 0)

    def __enter__(self) -> Self:
        return self

    def add(self, step: "JudgedFrame") -> None:
        """See `FilmPart`."""
        frame = burnt(self.record.own(step.frame), self.record.words)
        self._size = (frame.shape[0], frame.shape[1])
        self._pixels.write(np.ascontiguousarray(frame).data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._pixels:
                self._pixels.write(b"\0" * (self._pixels.tell() % 2))  # a DICOM value has an even length
            if kind is None and self.record.frames:
                self._write()
        except BaseException:
            self.path.unlink(missing_ok=True)
            raise
        finally:
            self._spool.unlink(missing_ok=True)

    def _write(self) -> None:
        record = self.record
        known = record.facts()
        del known["dice"], known["note"]  # the field holds 1024 characters
        file = secondary_capture(MULTI_FRAME, record.drawn, known)
        file.ImageComments = record.note
        file.Rows, file.Columns = self._size
        file.NumberOfFrames, file.FrameTime = record.frames, 1000 / FPS
        if record.frames > 1:  # of a single frame the standard wants no such word
            file.FrameIncrementPointer = FRAME_TIME
        file.CineRate = file.RecommendedDisplayFrameRate = FPS
        with self._spool.open("rb") as pixels:
            file.PixelData = pixels
            file.save_as(self.path, enforce_file_format=True)


@dataclass(frozen=True)
class FilmMade:
    """A film's files, outlined with both masks' outlines. facts: as in film.json."""

    video: Path
    outlined: Path
    zip: Path
    dicom: Path
    facts: dict[str, Any]

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files."""
        return (self.video, self.outlined, self.zip, self.dicom)


class FilmFiles:
    """All files of a film in a folder, as STEM.mp4, STEM_outlines.mp4, STEM.zip and STEM.dcm.

    Raises as `FilmWriter` does, and OSError where the disk is full.
    """

    def __init__(self, folder: Path, stem: str, record: FilmRecord) -> None:
        self.record = record
        self._paths = [folder / f"{stem}{ending}" for ending in (".mp4", "_outlines.mp4", ".zip", ".dcm")]
        video, outlines, packed, dicom = self._paths
        makers: tuple[Callable[[], FilmPart], ...] = (
            lambda: FilmVideo(video, record),
            lambda: FilmVideo(outlines, record, outlines=True),
            lambda: FilmZip(packed, record),
            lambda: FilmDicom(dicom, record),
        )
        with ExitStack() as stack:
            self._parts = [stack.enter_context(make()) for make in makers]
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def add(self, step: "JudgedFrame") -> None:
        """One more frame."""
        self.record.add(step)
        for part in self._parts:
            part.add(step)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stack.__exit__(kind, error, trace)
        except BaseException:
            for path in self._paths:
                path.unlink(missing_ok=True)
            raise

    @property
    def made(self) -> FilmMade:
        """What lies there after the end."""
        video, outlines, packed, dicom = self._paths
        return FilmMade(video, outlines, packed, dicom, self.record.facts())

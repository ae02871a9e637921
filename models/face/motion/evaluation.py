"""Whether lips move with the sound: FaceMotion and simpler things against tracked lips of unseen people."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.results import markdown, write
from models.face import FPS
from models.face.motion import ridge as motion_ridge
from models.face.motion.batches import LAGS, LIPS, correlation, gaps, training_clips
from models.face.motion.face_motion import NAME, load
from models.face.sources import mesh
from models.face.sources.clips import LEFT_OUT, SETS, Clip, read_folder, read_set
from models.face.sources.speaker_split import checked
from models.face.sources.speakers import S1
from models.face.speech.features import Heard

AROUND = 6  # frames of energy to either side
TITLE = """## Face: lips and sound, on people who were never seen

Each set is measured with networks that were trained without it, but for grid_s1, whose last 40 clips by name
are held back, and many_people, of whose 70 people 12 are: FaceMotion there is `face_motion`, elsewhere
`face_motion_without_SET`. The ridge regression
and the line from loudness were fitted in this run to the training clips of that network, the ridge to the
same features, its strength and whether each recording's own mean is taken out chosen on training people who
were left out.

Against the 40 lip vertices tracked in the camera's picture, from the person's rest, pose taken out. LMD: mean
distance in per cent of the face's height (hairline to chin). LVE: mean over frames of the largest squared
distance of the 40, in face heights, times 10,000. r: correlation of the gap between the inner lips with the
tracked gap, mean over clips. Lag: where the mean r is highest, positive where the made lips come before the
camera's, and r there; a set whose film and sound are not quite in time shows it in every row."""

Array = NDArray[np.float32]
Mover = Callable[[int], Array]


def evaluate(data: Path | None, clips: Path | None = None) -> dict[str, Any]:
    """Measure on the sets of DATA/face, or on a folder of other people's clips; print a table.

    Only what was measured on DATA alone is written into docs/RESULTS.md; with a folder, DATA adds the rows of
    what is fitted to it. Raises UserError("data_missing"), and as the readers and networks do.
    """
    if clips is not None:
        sets: Mapping[str, Sequence[Clip]] = {clips.name: list(read_folder(clips, clips.name))}
    elif data is not None:
        sets = {name: _test_clips(data, name) for name in SETS}
    else:
        raise UserError("data_missing")
    rows: list[dict[str, Any]] = []
    for name, of_set in sets.items():
        for label, mover in movers(of_set, name, data).items():
            rows.append({"set": name, "model": label, **measured(of_set, mover)})
    table = markdown([{key: _cell(key, value) for key, value in row.items()} for row in rows])
    print(table)
    if clips is None:
        write("face-sync", f"{TITLE}\n\n{table}\n\n`python -m models.face evaluate sync --data DIR`")
    return {"motion": rows}


def motion_of(name: str) -> str:
    """The checkpoint that moves the faces of a set: the one that was trained without that set, and for
    grid_s1 and many_people, whose test clips it never heard, the one that ships.
    """
    return f"{NAME}_without_{name}" if name in LEFT_OUT else NAME


def movers(clips: Sequence[Clip], name: str, data: Path | None) -> dict[str, Mover]:
    """What makes lips (T, 40, 3) cm of a clip's number, by its name in the table."""
    without = name if name in LEFT_OUT else None
    network = load(motion_of(name))

    def moved(heard: Heard) -> Array:
        return network.predict(heard).deltas()[:, LIPS]

    def another(place: int) -> Array:
        count, other = len(clips[place]), clips[(place + 1) % len(clips)].heard
        return np.resize(moved(other), (count, len(LIPS), 3))

    found: dict[str, Mover] = {"FaceMotion": lambda place: moved(clips[place].heard)}
    if data is not None:
        train = training_clips(data, without)
        ridge, jaw = fitted_ridge(train), fitted_jaw(train)
        found["ridge regression, same features"] = lambda place: _lips(ridge.predict(clips[place].heard))
        found["loudness alone"] = lambda place: _lips(loudness(clips[place].heard) @ jaw)
    found["nothing: a still face"] = lambda place: np.zeros((len(clips[place]), len(LIPS), 3), np.float32)
    found["FaceMotion, another clip's sound"] = another
    return found


def fitted_ridge(clips: Sequence[Clip]) -> motion_ridge.Ridge:
    """From what is heard to the lips, with or without each recording's own mean: what does better on people
    who were left out.
    """
    examples = [motion_ridge.Example(one.person, one.heard, _flat(one)) for one in clips]
    return min(motion_ridge.best_pair(examples, kept=(S1,)), key=lambda one: one[1])[0]


def fitted_jaw(clips: Sequence[Clip]) -> Array:
    """Least squares (14, 120) from loudness to the lips."""
    heard = np.concatenate([loudness(one.heard) for one in clips])
    return np.linalg.lstsq(heard, np.concatenate([_flat(one) for one in clips]), rcond=None)[0]


def loudness(heard: Heard) -> Array:
    """Energy of each frame and its neighbours, and a one: (T, 14)."""
    padded = np.pad(heard.energy, AROUND, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1)
    return np.concatenate([around, np.ones((len(around), 1), np.float32)], axis=1)


def measured(clips: Sequence[Clip], mover: Mover) -> dict[str, Any]:
    """LMD, LVE, r, the best lag in milliseconds and r there, and how many clips."""
    found, alike = [], []
    for place, clip in enumerate(clips):
        made = mover(place)
        error = (made - clip.track.deltas()[:, LIPS]) / mesh.face_height()
        square = np.square(error).sum(2)[clip.track.seen]
        found.append((100 * np.sqrt(square).mean(), 1e4 * square.max(1).mean()))
        gap = mesh.lip_gap(_whole(clip.track.rest, made))
        alike.append([correlation(gap, gaps(clip), -lag) for lag in LAGS])
    far, worst = np.mean(found, axis=0)
    by_lag = np.mean(alike, axis=0)
    moves = bool(np.any(by_lag != 0))
    best = int(by_lag.argmax())
    return {
        "LMD": float(far),
        "LVE": float(worst),
        "r": float(by_lag[LAGS.index(0)]) if moves else None,
        "lag": round(LAGS[best] * 1000 / FPS) if moves else None,
        "r at lag": float(by_lag[best]) if moves else None,
        "n": len(clips),
    }


def _test_clips(data: Path, name: str) -> list[Clip]:
    return read_set(data, name) if name in LEFT_OUT else list(checked(data, name))


def _flat(clip: Clip) -> Array:
    return clip.track.deltas()[:, LIPS].reshape(len(clip), -1)


def _lips(flat: Array) -> Array:
    return flat.reshape(len(flat), len(LIPS), 3)


def _whole(rest: Array, lips: Array) -> Array:
    """A face (T, 478, 3) whose lips have moved from its rest."""
    face = np.repeat(rest[None], len(lips), axis=0)
    face[:, LIPS] += lips
    return face


def _cell(key: str, value: Any) -> Any:
    if value is None:
        return "-"
    return f"{value:.3f}" if key in ("LMD", "LVE", "r", "r at lag") else value

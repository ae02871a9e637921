"""Finished films, tracked anew: do the lips that a viewer sees move with the sound?

The film is written, read and tracked like anybody's, so nothing of what drew it reaches the measurement.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.core.errors import UserError
from models.core.results import markdown, write
from models.face.methods import SYNC
from models.face.motion import face_motion
from models.face.motion.evaluation import motion_of
from models.face.rendering.compositor import Drawing
from models.face.sources import film_io, film_writer, mesh, source
from models.face.sources.clips import SETS, Clip, read_folder
from models.face.sources.speaker_split import checked
from models.face.sources.tracking import Track, track_video
from models.face.sync import syncnet
from models.face.sync.syncnet import Sync
from models.face.types import Watch

MOST = 10  # clips of a set
TITLE = f"""## Face: finished films, tracked anew

A still frame of each held-out person, lips nearest, says what the person said in a clip; the film is written,
read and tracked anew, as anybody's would be. At most {MOST} clips of a set, of people whom neither generator
nor sync network saw; motion is by the networks of the table above. Confidence and distance are those of our
sync network `face_sync` (`models/face/sync/syncnet.py`) and compare within this table. r: correlation of the
gap between the lips in the film with that of the person in the clip."""


def evaluate(data: Path | None, clips: Path | None = None) -> dict[str, Any]:
    """Measure on the held-out people of DATA/face, or on a folder of other people's clips; print a table.

    Raises UserError: data_missing, and as the readers and networks do.
    """
    if clips is not None:
        sets = {clips.name: (face_motion.NAME, list(read_folder(clips, clips.name)))}
    elif data is not None:
        sets = {name: (motion_of(name), list(checked(data, name))) for name in SETS}
    else:
        raise UserError("data_missing")
    found = rows(sets)
    table = markdown(found)
    print(table)
    if clips is None:
        write("face-films", f"{TITLE}\n\n{table}\n\n`python -m models.face evaluate sync --data DIR`")
    return {"films": found}


def rows(sets: Mapping[str, tuple[str, Sequence[Clip]]]) -> list[dict[str, Any]]:
    """A row for each set and kind of film: sets are {name: (motion's checkpoint, clips of people held out)}.

    Distance and confidence are the sync network's, see `syncnet.Sync`; r is the correlation of the lips' gap
    in the film with that of the person who really said it.
    """
    table = []
    for name, (weights, clips) in sets.items():
        chosen = [clips[i] for i in np.linspace(0, len(clips) - 1, min(MOST, len(clips))).round().astype(int)]
        found: dict[str, list[tuple[Sync, float | None]]] = {
            "real": [],
            "real, another's sound": [],
            "generated": [],
        }
        for index, clip in enumerate(chosen):
            other = chosen[index - 1].heard.mel
            real = syncnet.mouths(clip.frames(), clip.track)
            found["real"].append((_sync(real, clip.heard.mel), None))
            found["real, another's sound"].append((_sync(real, np.resize(other, clip.heard.mel.shape)), None))
            try:
                seen, track = _film(clip, weights)
            except UserError:  # a frame that can't serve as a portrait
                continue
            gaps = mesh.lip_gap(track.vertices)
            r = np.corrcoef(gaps, mesh.lip_gap(clip.track.vertices)[: len(gaps)])[0, 1]
            found["generated"].append((_sync(seen, clip.heard.mel), float(r)))
        table += [{"set": name, "model": kind, **_row(results)} for kind, results in found.items() if results]
    return table


def _row(found: Sequence[tuple[Sync, float | None]]) -> dict[str, Any]:
    syncs, alike = [sync for sync, _ in found], [r for _, r in found if r is not None]
    return {
        "confidence": f"{np.mean([sync.confidence for sync in syncs]):.3f}",
        "distance": f"{np.mean([sync.distance for sync in syncs]):.3f}",
        "lag within a frame": f"{np.mean([abs(sync.lag) <= 1 for sync in syncs]):.0%}",
        "lip-gap r": f"{np.mean(alike):.3f}" if alike else "",
        "n": len(found),
    }


def _sync(mouths: np.ndarray, mel: np.ndarray) -> Sync:
    count = min(len(mouths), len(mel))
    return syncnet.measure(SYNC.loaded(SYNC.default), mouths[:count], mel[:count])


def _film(clip: Clip, weights: str) -> tuple[np.ndarray, Track]:
    """Mouths (T, 48, 48) and track of a film of the clip's frame at rest, saying what the clip says."""
    still = clip.frames()[int(mesh.lip_gap(clip.track.vertices).argmin())]
    height, width = (side // 2 * 2 for side in still.shape[:2])
    sitter = source.Portrait(still[:height, :width])
    moves = face_motion.load(weights).predict(clip.heard)
    drawing, watch = Drawing(sitter, "generated", False, False), Watch()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with film_writer.ClipWriter(path, sitter.size, len(moves)) as writer:
            for (frame,) in drawing.film(moves, watch):
                writer.write(frame)
        frames = list(film_io.read_clip(film_io.open_clip(path)))
    track = track_video(frames)
    return syncnet.mouths(frames, track), track

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
from models.face.sync import articulation, syncnet
from models.face.types import Watch

MOST = 10  # clips of a set
TITLE = f"""## Face: finished films, tracked anew

A still frame of each held-out person, lips nearest, says what the person said in a clip; the film is written,
read and tracked anew, as anybody's would be. At most {MOST} clips of a set, of people whom neither generator
nor sync network saw; motion is by the networks of the table above. Confidence and distance are those of our
sync network `face_sync` (`models/face/sync/syncnet.py`) and compare within this table. Of the gap between the
lips, the mouth's width and how far the lips stand out: range is that from the 5th to the 95th percentile, in
parts of the camera's film, r the correlation with it. Closures: F1 of the times that lips shut between two
openings. Teeth: r of the light area between the lips. Means over clips."""


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
    table = markdown([{key: _cell(value) for key, value in row.items()} for row in found])
    print(table)
    if clips is None:
        write("face-films", f"{TITLE}\n\n{table}\n\n`python -m models.face evaluate sync --data DIR`")
    return {"sync": found}


def rows(sets: Mapping[str, tuple[str, Sequence[Clip]]]) -> list[dict[str, Any]]:
    """A row for each set and kind of film: sets are {name: (motion's checkpoint, clips of people held out)}.

    Distance and confidence are the sync network's, see `syncnet.Sync`; the others are `articulation`'s.
    """
    table = []
    for name, (weights, clips) in sets.items():
        chosen = [clips[i] for i in np.linspace(0, len(clips) - 1, min(MOST, len(clips))).round().astype(int)]
        found: dict[str, list[dict[str, float]]] = {"generated": [], "real": [], "real, another's sound": []}
        for index, clip in enumerate(chosen):
            other = chosen[index - 1].heard.mel
            frames = clip.frames()
            real = syncnet.mouths(frames, clip.track)
            found["real"].append(_sync(real, clip.heard.mel))
            found["real, another's sound"].append(_sync(real, np.resize(other, clip.heard.mel.shape)))
            try:
                seen, track = _film(clip, weights)
            except UserError:  # a frame that can't serve as a portrait
                continue
            count = len(track.vertices)
            said = {
                **_sync(syncnet.mouths(seen, track), clip.heard.mel),
                **articulation.compared(track.vertices, clip.track.vertices[:count]),
            }
            light = articulation.teeth(frames[:count], clip.track.part(0, count))
            said["teeth_r"] = articulation.correlation(articulation.teeth(seen, track), light)
            found["generated"].append(said)
        table += [{"set": name, "film": kind, **_row(results)} for kind, results in found.items() if results]
    return table


def _row(found: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Means over clips, of each figure over those that have it; None where no clip has."""
    means: dict[str, float | None] = {}
    for key in found[0]:
        there = [one[key] for one in found if not np.isnan(one[key])]
        means[key] = float(np.mean(there)) if there else None
    return {**means, "n": len(found)}


def _cell(value: Any) -> Any:
    return f"{value:.3f}" if isinstance(value, float) else "-" if value is None else value


def _sync(mouths: np.ndarray, mel: np.ndarray) -> dict[str, float]:
    count = min(len(mouths), len(mel))
    sync = syncnet.measure(SYNC.loaded(SYNC.default), mouths[:count], mel[:count])
    return {
        "confidence": sync.confidence,
        "distance": sync.distance,
        "lag_within_a_frame": float(abs(sync.lag) <= 1),
    }


def _film(clip: Clip, weights: str) -> tuple[list[np.ndarray], Track]:
    """Frames (H, W, 3) and track of a film of the clip's frame at rest, saying what the clip says."""
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
    return frames, track_video(frames)

"""Seconds of work for a second of film, by stage, and the memory of a short and a long one.

Each film is made by a process of its own, so that one doesn't inherit what another loaded.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from models.core.results import markdown, peak_mebibytes, write
from models.face import RATE

TEXT = (
    "Good morning. I am a picture, and I was taught to speak by listening to many people. "
    "Nobody ever heard me before today, so please be patient with me."
)
SHORT, LONG = 10.0, 600.0  # seconds of sound
TOLD = {"speech": "speech", "tracking": "finding the face", "motion": "motion", "blend": "blend",
        "generated": "generated", "3d": "3D animation", "writing": "writing"}  # fmt: skip


def evaluate(data: Path | None = None, clips: Path | None = None) -> dict[str, Any]:
    """Measured on the example portrait, 512 x 512 pixels, and a spoken text; folders aren't needed."""
    runs = {
        "10 s": _apart(SHORT, panels=False),
        "10 s, a second one": _apart(SHORT, panels=False, films=2),
        "10 s, with the three panels": _apart(SHORT, panels=True),
        "10 min": _apart(LONG, panels=False),
    }
    rows = []
    for name, run in runs.items():
        row: dict[str, Any] = {"film": name}
        for stage, words in TOLD.items():
            row[words] = f"{run['took'].get(stage, 0.0) / run['seconds']:.3f}"
        row["together"] = f"{run['wall'] / run['seconds']:.2f}"
        row["first second after, s"] = f"{run['preview']:.1f}"
        row["peak, MiB"] = run["peak"]
        rows.append(row)
    table = markdown(rows)
    print(table)
    text = "\n\n".join(
        (
            "## Speed: the face lab",
            "Seconds of work for a second of film of 512 x 512 pixels, on 2 CPU cores; loading the networks "
            "is counted, but for the film that a process makes after another one, as the page does, which "
            "loads them while a visitor still types. Below 1 is faster than real time. `together` is what a "
            "clock says from the order to the finished files; the encoder works beside the rest, and blends "
            "are made beside what the generator does, so stages add up to more than that.",
            table,
            "`python -m models.face evaluate speed`",
        )
    )
    write("face-speed", text)
    return {"speed": rows}


def _apart(seconds: float, panels: bool, films: int = 1) -> dict[str, Any]:
    asked = [sys.executable, "-m", __name__, str(seconds), str(int(panels)), str(films)]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _film(seconds: float, panels: bool) -> dict[str, Any]:
    """Make one film and tell how long it took."""
    from scipy.io import wavfile
    from skimage import data

    from models.core.progress import Beginning
    from models.face.pipeline import animate
    from models.face.speech.voices import speak
    from models.face.types import Made, Order

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        portrait, audio = folder / "portrait.png", folder / "speech.wav"
        _save(portrait, data.astronaut())
        wavfile.write(audio, RATE, np.resize(speak(TEXT, "en"), round(seconds * RATE)))
        start, preview, made = time.perf_counter(), 0.0, None
        for step in animate(Order(portrait=portrait, audio=audio, panels=panels), folder):
            if isinstance(step, Made):
                made = step
            elif isinstance(step.preview, Beginning):
                preview = time.perf_counter() - start
        wall = time.perf_counter() - start
    assert made is not None
    return {
        "took": made.took, "seconds": made.seconds, "wall": round(wall, 2), "preview": round(preview, 2),
        "peak": peak_mebibytes(),
    }  # fmt: skip


def _save(path: Path, image: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(image).save(path)


if __name__ == "__main__":
    for _ in range(int(sys.argv[3])):
        print(json.dumps(_film(float(sys.argv[1]), bool(int(sys.argv[2])))))

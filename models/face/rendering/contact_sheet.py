"""A contact sheet: moments of the example portrait's speech, each in its three stages."""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from models.face import FPS
from models.face.pipeline import animate
from models.face.sources import film_io, mesh
from models.face.types import Made, Order

TEXT = "Why, how are you? My father always brought warm bread."
MOMENTS = 5
SIDE = 300  # pixels of a picture


def write_sheet(out: Path) -> None:
    """A PNG with a column for each moment: 3D animation, blend, generated. The portrait is a public one.

    Raises UserError as `animate` does.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        portrait = folder / "portrait.png"
        Image.fromarray(data.astronaut()).save(portrait)
        made = next(
            step for step in animate(Order(portrait=portrait, text=TEXT), folder) if isinstance(step, Made)
        )
        assert made.panels is not None
        frames = list(film_io.read_clip(film_io.open_clip(made.panels)))
        with np.load(made.vertices) as file:
            gaps = mesh.lip_gap(file["vertices"].astype(np.float32))
    Image.fromarray(np.hstack([_column(frames[place]) for place in moments(gaps)])).save(out)


def moments(gaps: np.ndarray) -> list[int]:
    """MOMENTS frames in their order, from the most closed lips to the widest, by the lips' gaps (T,)."""
    middle = gaps[FPS // 4 : len(gaps) - FPS // 4] if len(gaps) > FPS + MOMENTS else gaps
    order = np.argsort(middle) + (len(gaps) - len(middle)) // 2
    picked = order[np.linspace(0, len(order) - 1, MOMENTS).round().astype(int)]
    return sorted(int(place) for place in picked)


def _column(panels: np.ndarray) -> np.ndarray:
    """Three panels side by side (h, 3 h, 3), scaled and one under the other."""
    wide = np.asarray(Image.fromarray(panels).resize((3 * SIDE, SIDE), Image.Resampling.LANCZOS))
    return np.concatenate(np.split(wide, 3, axis=1))

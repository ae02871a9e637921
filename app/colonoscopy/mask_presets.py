"""The shapes beside the mask pad, assets/masks/*.png; `python -m app.colonoscopy.mask_presets` draws them.

They are made of ellipses whose radius swings a little with the angle, as flat, round and lobed polyps
look from the front. None is traced from a picture.
"""

import base64
import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "masks"
SIZE = 256  # pixels of both sides

# Centre x, y and half axes a, b as shares of the side; turn in degrees; swings of the radius {waves: share}.
Blob = tuple[float, float, float, float, float, Mapping[int, float]]
SHAPES: dict[str, tuple[Blob, ...]] = {
    "round": ((0.56, 0.46, 0.105, 0.1, 0, {3: 0.03}),),
    "oval": ((0.44, 0.52, 0.21, 0.145, -25, {2: 0.03, 3: 0.04}),),
    "flat": ((0.52, 0.62, 0.25, 0.09, 8, {3: 0.06, 5: 0.03}),),
    "lobed": ((0.5, 0.48, 0.24, 0.2, 20, {3: 0.1, 5: 0.06}),),
    "edge": ((0.94, 0.4, 0.2, 0.24, 0, {3: 0.05}),),
    "two": ((0.33, 0.4, 0.11, 0.09, 30, {3: 0.05}), (0.66, 0.66, 0.085, 0.09, 0, {2: 0.04})),
}


def names() -> list[str]:
    """Names of the shapes that are there, in the order of SHAPES."""
    return [name for name in SHAPES if (FOLDER / f"{name}.png").is_file()]


@cache
def urls() -> dict[str, str]:
    """The shapes as data URLs by name."""
    return {
        name: "data:image/png;base64," + base64.b64encode((FOLDER / f"{name}.png").read_bytes()).decode()
        for name in names()
    }


def drawn(blobs: tuple[Blob, ...]) -> "Image.Image":
    """A black and white image of some blobs, one bit a pixel."""
    import numpy as np
    from PIL import Image

    y, x = (np.mgrid[:SIZE, :SIZE] + 0.5) / SIZE
    inside = np.zeros((SIZE, SIZE), bool)
    for cx, cy, a, b, turn, swings in blobs:
        cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
        u = ((x - cx) * cos + (y - cy) * sin) / a
        v = ((y - cy) * cos - (x - cx) * sin) / b
        angle = np.arctan2(v, u)
        edge = 1 + sum(share * np.cos(waves * angle + waves) for waves, share in swings.items())
        inside |= np.hypot(u, v) <= edge
    return Image.fromarray(inside.astype(np.uint8) * 255).convert("1", dither=Image.Dither.NONE)


def main() -> None:
    """Draw all shapes into FOLDER."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, blobs in SHAPES.items():
        data = io.BytesIO()
        drawn(blobs).save(data, "PNG", optimize=True)
        (FOLDER / f"{name}.png").write_bytes(data.getvalue())


if __name__ == "__main__":
    main()

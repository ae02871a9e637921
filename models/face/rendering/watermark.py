"""What tells that a film was made by a machine: words in a corner, and words in the file."""

from functools import cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

WORDS = "AI-generated"
COMMENT = "AI-generated: the person shown did not say this. Made with Trilab."
HEIGHT = 0.034  # of the letters, in parts of the frame's shorter side
STAGES = ("3D animation", "Blend result", "Generated result")  # the titles of the talk's slides


def burn(frame: np.ndarray, words: str = WORDS, top: bool = False) -> None:
    """Write words into the lower left corner (or the upper) of a frame (H, W, 3) uint8, in place."""
    colours, share = _label(words, max(12, round(HEIGHT * min(frame.shape[:2]))))
    height, width = (min(a, b) for a, b in zip(share.shape, frame.shape, strict=False))
    part = frame[:height, :width] if top else frame[-height:, :width]
    strength = share[:height, :width, None]
    part[:] = (part * (1 - strength) + colours[:height, :width] * strength).astype(np.uint8)


@cache
def _label(words: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """White letters with a soft dark rim: (H, W, 3) and how much of each pixel they are, (H, W) float32."""
    font = ImageFont.load_default(size)
    pad = size // 2
    left, top, right, bottom = (round(value) for value in font.getbbox(words))
    picture = Image.new("L", (right - left + 2 * pad, bottom - top + 2 * pad))
    ImageDraw.Draw(picture).text((pad - left, pad - top), words, fill=255, font=font)
    letters = np.asarray(picture, np.float32) / 255
    rim = np.clip(2.2 * cv2.GaussianBlur(letters, (0, 0), size / 7), 0, 1) * 0.75
    share = letters + rim * (1 - letters)
    colours = 255 * letters / np.maximum(share, 1e-3)
    return np.repeat(colours[..., None], 3, axis=2).astype(np.float32), share.astype(np.float32)

"""An image file that a person brings, checked before it is decoded."""

from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from models.core.errors import UserError
from models.core.upload_validation import MEGABYTE, check_file

MAX_FILE = 20 * MEGABYTE
MAX_PIXELS = 24_000_000


def read_image(path: Path, mode: str) -> Image.Image:
    """An image file in a Pillow mode ("RGB", "L"), of at most MAX_PIXELS.

    It is turned as its EXIF data say; those and all other metadata are dropped.
    Raises UserError: file_missing, file_empty, file_too_big, image_too_large, image_unreadable.
    """
    check_file(path, MAX_FILE)
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP", "BMP", "TIFF")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UserError(
                    "image_too_large",
                    name=path.name,
                    width=image.width,
                    height=image.height,
                    limit=MAX_PIXELS // 1_000_000,
                )
            return ImageOps.exif_transpose(image).convert(mode)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise UserError("image_unreadable", name=path.name) from None

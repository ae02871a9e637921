"""What runs in the browser beside the components: a file for each piece of HTML, and page.js."""

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@cache
def script(name: str) -> str:
    """A script of this folder: "page" is page.js."""
    return (FOLDER / f"{name}.js").read_text(encoding="utf-8")

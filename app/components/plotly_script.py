"""The script that the viewer draws with: Plotly's, without the kinds of traces that it never draws.

plotly_cuts.json says which bytes of the plotly package's plotly.min.js are not needed then, and by its
SHA-256 of which file; `python -m app.components.plotly_cuts` writes it. Of any other file nothing is left
out.
"""

import hashlib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from models.core.errors import UserError

CUTS = Path(__file__).with_name("plotly_cuts.json")
PATH = "plotly.js"  # where a page serves it, relative to the page


def whole() -> Path:
    """plotly.min.js of the installed package."""
    package = find_spec("plotly")  # found, not imported: the page is up sooner
    assert package is not None and package.origin is not None
    return Path(package.origin).parent / "package_data" / "plotly.min.js"


def address() -> str:
    """Where the page finds it, relative to the page; what a browser keeps of another is not taken for it."""
    return f"{PATH}?name={_named()[0]}"


def script(name: str) -> str:
    """What a page serves there. Raises UserError("route_unknown") where the name is another one's."""
    own, text = _named()
    if name != own:
        raise UserError("route_unknown")
    return text


def shortened(source: bytes) -> bytes:
    """Such a script without what is not needed; all of it where it isn't the one that was cut."""
    noted = json.loads(CUTS.read_text(encoding="utf-8"))
    return without(source, noted["cuts"]) if noted["sha256"] == hashlib.sha256(source).hexdigest() else source


def without(source: bytes, cuts: list[tuple[int, int]]) -> bytes:
    """A text without the bytes from the first to before the second of each pair; the pairs ascend."""
    kept = zip([0, *(end for _, end in cuts)], [*(start for start, _ in cuts), len(source)], strict=True)
    return b"".join(source[start:end] for start, end in kept)


@cache
def _named() -> tuple[str, str]:
    text = shortened(whole().read_bytes())
    return hashlib.sha256(text).hexdigest()[:12], text.decode()

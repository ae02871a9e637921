"""The 3D viewer: draws a scan and what lies over it, and sends back one event, the pick.

It knows no lab: it gets plain values and gives `Pick`s. Python packs, scene_view*.js draw
(Plotly, which `plotly_script` finds in its package: no network) and find what was clicked. Two values travel
apart, so that a question never resends the scan:

    view = SceneView(words=...)
    view.pick(fn, None, outputs, trigger_mode="always_last")  # fn(event: gr.EventData): read_pick(event)
    return show(scan_payload(scan))     # a new scan, which clears the overlay
    return show(at("scan?name=room"))   # the same, fetched from an address that gives scan_payload(scan)
                                        # or scan_payload(scan, finer=...), and there fine_payload(scan)
    return lay_over(overlay_payload(answer, picked))
    return lay_over(overlay_payload(None), repairs_payload(repaired, owners))  # its instances were repaired
"""

import base64
import json
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app.components import plotly_script
from app.components.component import Component
from models.scene.chinese.caption import name_of
from models.scene.data import scan as scans
from models.scene.data.scan import Instance, Scan
from models.scene.types import Answer, Caption, Standpoint

SCRIPTS = tuple(
    f"scene_view_{part}.js" for part in ("data", "camera", "touch", "gl", "shapes", "tools", "picture")
)
SHOWN = 8  # candidates drawn as boxes; more would hide the room
WORTH = 0.02  # candidates below this probability only clutter the room
STEEP = 0.3  # height of a face's normal below which it is a wall
LIDS = (0.15, 0.25, 0.35, 0.45)  # shares of the height to cut off: a flat ceiling, a roof of two slopes
NONE = "null"  # the value where there is no scan; "" stands for one that is still on its way
FINE = 100_000  # vertices at most
COARSE = 20_000  # for a browser that has no GPU

# What the viewer says. A page passes its translations of the same keys.
WORDS = {
    "view": "3D view of the scan. Arrow keys turn it, plus and minus zoom, Escape clears the selection.",
    "opening": "Opening the scan…",
    "empty": "No scan is open yet.",
    "loading": "Drawing the scan…",
    "broken": "This scan could not be drawn, because its data arrived damaged. Open it again.",
    "no_webgl": "This browser cannot draw in 3D (WebGL is off). Turn on hardware acceleration, "
    "or use another browser.",
    "top": "Seen from above",
    "reset": "Back to the start view",
    "closer": "Closer",
    "further": "Further away",
    "walls": "See through the near walls",
    "picture": "Save a picture",
    "floor": "expected place",
    "eye": "left and right from here",
    "side": "Seen from each side, one after the other",
    "measure": "Measure between two places",
    "measuring": "Click two places.",
    "full": "Full screen",
    "link": "Copy a link to exactly this view",
    "copied": "The link is copied.",
    "not_copied": "This browser lets no page copy. The link stands in the address bar.",
    "scale": "True in the middle of the view",
}


@dataclass(frozen=True)
class Pick:
    """What a visitor clicked. id: of the instance, None where it was cleared. xyz: metres, aligned frame."""

    id: int | None
    xyz: tuple[float, float, float] | None = None


class SceneView(Component):
    """The viewer as a Gradio component.

    value: what `show` sends; "" at first. The event is `pick`; see `read_pick`.
    words: the sentences of the viewer by language, keys as in WORDS.
    """

    NAME, SCRIPTS, WORDS = "scene_view", SCRIPTS, WORDS

    def changing(self) -> tuple[str, ...]:
        """See `Component`."""
        return ("overlay", "repairs")

    def fixed(self) -> dict[str, Any]:
        """See `Component`."""
        return {"plotly": plotly_script.address()}


def show(payload: str | None) -> dict[str, Any]:
    """The update that shows a scan (None: none) with nothing over it."""
    return gr.update(value=payload or NONE, overlay="", repairs="")


def at(address: str, still: str | None) -> str:
    """Stands for the payload of a scan that the browser fetches itself, and keeps.

    still: the address of a picture that is shown until the scan is drawn, None where there is none.
    """
    return json.dumps({"at": address, "still": still})


def lay_over(payload: str, repairs: str | None = None) -> dict[str, Any]:
    """The update that changes only what lies over the scan, and which instances it has (None: the same)."""
    return gr.update(overlay=payload) if repairs is None else gr.update(overlay=payload, repairs=repairs)


def read_pick(event: gr.EventData) -> Pick | None:
    """The pick that a browser sent, or None where it is not one."""
    data = getattr(event, "_data", None)
    if not isinstance(data, dict):
        return None
    id, xyz = data.get("id"), data.get("xyz")
    if id is None:
        return Pick(None)
    if type(id) is not int or not isinstance(xyz, list) or len(xyz) != 3:
        return None
    if not all(isinstance(x, int | float) and math.isfinite(x) for x in xyz):
        return None
    return Pick(id, (float(xyz[0]), float(xyz[1]), float(xyz[2])))


def scan_payload(scan: Scan, finer: str = "") -> str:
    """A scan as JSON for the viewer: at most FINE vertices, and a coarse copy for browsers without a GPU.

    finer: an address that gives `fine_payload`; then the coarse mesh is here alone, to be seen until the
    other has come. `levels` hold the meshes, finest first (see `_level`), `instances` what a label and a
    box need, `bounds` the full scan's (6,) min and max in metres, `floor` the height of the floor,
    `lid` the height to cut a room open at whose ceiling or roof cannot be seen through.
    """
    xyz = scan.aligned
    facing = _facing(xyz, scan.faces)
    sizes = [FINE, COARSE] if len(scan.vertices) > COARSE else [FINE]
    finer = finer if len(sizes) > 1 else ""
    body = {
        "name": scan.name,
        "bounds": _round([*xyz.min(0), *xyz.max(0)]),
        "floor": round(_floor(xyz[:, 2]), 3),
        "two_sided": facing == 0,
        "lid": _lid(xyz, scan.faces, facing),
        "instances": [_described(instance) for instance in scan.instances],
        "levels": [_level(scan, size, facing) for size in (sizes[1:] if finer else sizes)],
        "finer": finer,
    }
    return _dump(body)


def fine_payload(scan: Scan) -> str:
    """The mesh of a scan that `scan_payload` left out, as JSON (see `_level`)."""
    return _dump(_level(scan, FINE, _facing(scan.aligned, scan.faces)))


def overlay_payload(
    answer: Answer | None,
    picked: int | None = None,
    *,
    chosen: int | None = None,
    caption: Caption | None = None,
    marks: Iterable[Instance] = (),
) -> str:
    """What lies over the scan, as JSON: ranked candidates, anchors, floor cell, and the picked instance.

    picked: id of an instance to mark as picked. chosen: id of the candidate to show as the
    strongest instead of the first (a row of a table that was clicked). caption: of the picked instance,
    whose anchors are then drawn instead of the answer's. marks: found instances, to be outlined.
    Where several fit alike, all of them are lit. Where left and right were judged, an eye stands there.
    """
    nothing: dict[str, Any] = {"candidates": [], "anchors": [], "from": None, "cell": None, "eye": None}
    body = {"picked": picked, **nothing}
    body["marks"] = [{"id": one.id, "score": round(float(one.confidence), 3)} for one in marks]
    if answer is not None and answer.candidates:
        first = None if answer.fits else answer.candidates[0].object_id
        strongest = first if chosen is None else chosen
        ranked = list(enumerate(answer.candidates, start=1))
        body["candidates"] = [
            {
                "id": candidate.object_id,
                "label": candidate.label,
                "box": _round(candidate.box),
                "score": round(candidate.score, 4),
                "rank": rank,
                "strongest": candidate.object_id == strongest,
                "fits": candidate.object_id in answer.fits,
            }
            for rank, candidate in ranked
            if (rank <= SHOWN and candidate.score >= WORTH)
            or candidate.object_id in (strongest, *answer.fits)
        ]
        body["anchors"] = [asdict(anchor) for anchor in answer.anchors]
        body["from"] = strongest
        body["eye"] = asdict(answer.standpoint) if answer.standpoint else None
        if not answer.fits:
            x, y = answer.cell
            body["cell"] = {"x": x, "y": y, "probability": round(answer.cells[y][x], 4)}
    if caption is not None:
        body["anchors"] = [asdict(anchor) for anchor in caption.anchors]
        body["from"] = caption.object_id
    return _dump(body)


def marks_payload(
    marks: Iterable[Mapping[str, Any]],
    legend: Iterable[Mapping[str, Any]],
    title: str,
    picked: int | None = None,
    standpoint: Standpoint | None = None,
) -> str:
    """Boxes in colours of their own, as JSON, and the eye from which left and right were judged.

    marks: "id" of an instance, "box" (6,), "colour" (#rrggbb), "method": who means it, "" for all. legend:
    "colour", "method", "id" and how many "fits", which a saved picture shows under `title`.
    """
    eye = asdict(standpoint) if standpoint else None
    body = {"picked": picked, "marks": list(marks), "legend": list(legend), "title": title, "eye": eye}
    return _dump(body)


def repairs_payload(scan: Scan, owners: Mapping[int, int]) -> str:
    """The instances of a scan that was repaired after it was shown, as JSON.

    owners: for the id of each instance that was shown the id it has now, -1 where it is gone.
    """
    return _dump({"instances": [_described(one) for one in scan.instances], "owners": list(owners.items())})


def _floor(z: NDArray[np.float32]) -> float:
    """Height of the floor, metres: the fullest 5 cm of the lowest 60 cm above a few stray points."""
    low = float(np.percentile(z, 0.5)) - 0.05
    counts, edges = np.histogram(z, bins=12, range=(low, low + 0.6))
    return float(edges[counts.argmax()]) + 0.025


def _described(instance: Instance) -> dict[str, Any]:
    red, green, blue = (round(float(c)) for c in np.clip(instance.colour, 0, 255))
    return {
        "id": instance.id,
        "label": instance.label,
        "names": {"zh-CN": chinese} if (chinese := name_of(instance.label)) else {},
        "box": _round(instance.box),
        "colour": f"#{red:02x}{green:02x}{blue:02x}",
    }


def _level(whole: Scan, most: int, facing: int) -> dict[str, Any]:
    """One mesh of at most so many vertices, packed small.

    Differences along a Z-order curve, bytes by significance, deflated. The bytes hold, after one
    another: x, y, z (u16 steps of a grid over the mesh), green, red - green, blue - green (u8), the
    instance's place in the list + 1 (u16), and of the faces, turned to start at their smallest vertex
    and sorted, the difference to the face before and those to the other two corners (u24). Numbers but
    the last two are differences to the one before, modulo their size; low bytes stand before higher ones.
    """
    scan = scans.thin(whole, most)
    number = {instance.id: place + 1 for place, instance in enumerate(whole.instances)}
    xyz = scan.aligned
    low = xyz.min(0)
    step = np.maximum((xyz.max(0) - low) / 65535, 1e-9)
    # Two millimetres are finer than any scanner, and the idle bits cost nothing once deflated.
    step = np.maximum(step, 0.002)
    grid = np.round((xyz - low) / step).astype(np.uint32)
    order = np.argsort(_z_order(grid), kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))

    ids = np.unique(scan.vertex_instance)
    known = np.array([number.get(id, 0) for id in ids.tolist()], np.uint32)
    instance = known[np.searchsorted(ids, scan.vertex_instance)][order]
    parts = [_planes(_differences(column, 16), 2) for column in grid[order].T]
    red, green, blue = scan.colours[order].astype(np.int64).T
    parts += [_planes(_differences(column, 8), 1) for column in (green, red - green, blue - green)]
    parts.append(_planes(_differences(instance, 16), 2))
    parts += [_planes(column, 3) for column in _face_columns(place[scan.faces], facing < 0)]
    return {
        "vertices": len(xyz),
        "faces": len(scan.faces),
        "origin": [float(x) for x in low],
        "step": [float(x) for x in step],
        "data": base64.b64encode(zlib.compress(b"".join(parts), 9)).decode(),
    }


def _face_columns(faces: NDArray[np.int64], flip: bool) -> list[NDArray[np.int64]]:
    if not len(faces):
        return []
    if flip:
        faces = faces[:, ::-1]
    turn = (faces.argmin(1)[:, None] + np.arange(3)) % 3
    faces = np.take_along_axis(faces, turn, 1)
    a, b, c = faces[np.lexsort((faces[:, 1], faces[:, 0]))].T
    return [np.diff(a, prepend=0), b - a, c - a]


def _differences(values: NDArray[np.integer], bits: int) -> NDArray[np.int64]:
    differences = values.astype(np.int64)
    differences[1:] -= differences[:-1].copy()
    return differences & ((1 << bits) - 1)


def _planes(values: NDArray[np.int64], count: int) -> bytes:
    return b"".join(((values >> 8 * byte) & 255).astype(np.uint8).tobytes() for byte in range(count))


def _z_order(grid: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Place of each (N, 3) grid point on a Z-order curve: the bits of x, y and z in turn (Morton 1966)."""
    code = np.zeros(len(grid), np.uint64)
    wide = grid.astype(np.uint64)
    for bit in range(16):
        for axis in range(3):
            picked = (wide[:, axis] >> np.uint64(bit)) & np.uint64(1)
            code |= picked << np.uint64(3 * bit + axis)
    return code


def _facing(xyz: NDArray[np.float32], faces: NDArray[np.int32]) -> int:
    """1 where floors and tables face up, -1 where all faces are turned over, 0 where there is no rule.

    Back sides are not drawn, which opens walls and ceilings to someone who looks in from outside.
    """
    if not len(faces):
        return 0
    a, b, c = (xyz[faces[:, corner]] for corner in range(3))
    normal = np.cross(b - a, c - a)
    level = np.abs(normal[:, 2]) > 0.8 * np.linalg.norm(normal, axis=1)
    low = a[:, 2] < (xyz[:, 2].min() + xyz[:, 2].max()) / 2  # the ceiling faces down
    up = normal[level & low, 2]
    total = np.abs(up).sum()
    if total == 0 or abs(up.sum()) < 0.5 * total:
        return 0
    return 1 if up.sum() > 0 else -1


def _lid(xyz: NDArray[np.float32], faces: NDArray[np.int32], facing: int) -> float | None:
    """Height above which a ceiling or roof hides the room, metres; None where there is none.

    It is what covers, high up in something as high as a room, half of the floor plan. facing: as of
    `_facing`; a ceiling whose front is below is open to who looks from above, so it hides nothing.
    """
    low, high = xyz.min(0), xyz.max(0)
    if high[2] - low[2] < 1.8:
        return None
    hides = xyz
    if len(faces):
        a, b, c = (xyz[faces[:, corner]] for corner in range(3))
        normal = np.cross(b - a, c - a)
        up = normal[:, 2] * facing if facing else np.abs(normal[:, 2])
        hides = xyz[np.unique(faces[up > STEEP * np.linalg.norm(normal, axis=1)])]
    cuts = [float(high[2] - share * (high[2] - low[2])) for share in LIDS]
    covered = [len(_cells(hides[hides[:, 2] > cut], low)) for cut in cuts]
    if covered[-1] <= 0.5 * len(_cells(xyz, low)):
        return None
    # As little as takes nearly all of it away.
    return round(next(cut for cut, one in zip(cuts, covered, strict=True) if one >= 0.95 * covered[-1]), 3)


def _cells(xyz: NDArray[np.float32], low: NDArray[np.float32]) -> NDArray[np.int64]:
    """The cells of 25 cm of the floor plan that points (N, 3) lie over."""
    return np.unique(np.floor((xyz[:, :2] - low[:2]) / 0.25).astype(np.int64), axis=0)


def _round(values: Any) -> list[float]:
    return [round(float(value), 3) for value in values]


def _dump(body: dict[str, Any]) -> str:
    """JSON in which no label can close or open a tag."""
    return json.dumps(body, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")

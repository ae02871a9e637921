"""The viewer's Python face: what it packs can be unpacked, is small, and holds nothing a page could run."""

import base64
import json
import zlib
from dataclasses import replace

import gradio as gr
import numpy as np
import pytest

from app.components import scene_view
from models.scene.data.scan import Scan, instances_of
from models.scene.types import Anchor, Answer, Candidate

EVIL = "<script>window.hacked = 1</script> lamp"
# label: (x, y, z of the low corner, size, colour)
FURNITURE = {
    "bed": ((0.2, 0.2, 0.0), (1.6, 2.0, 0.5), (40, 60, 230)),
    "table": ((2.8, 2.2, 0.0), (1.4, 0.9, 0.75), (230, 40, 40)),
    "desk": ((4.3, 0.2, 0.0), (1.2, 0.7, 0.75), (230, 140, 30)),
    "chair": ((4.6, 1.1, 0.0), (0.5, 0.5, 0.5), (60, 200, 60)),
    "stool": ((2.6, 3.3, 0.0), (0.45, 0.45, 0.45), (30, 200, 190)),
    "sofa": ((0.2, 3.9, 0.0), (2.0, 0.8, 0.6), (150, 50, 220)),
    "dresser": ((2.6, 0.2, 0.0), (1.2, 0.5, 0.8), (220, 40, 190)),
    "shelf": ((5.4, 3.2, 0.0), (0.4, 1.2, 1.2), (220, 220, 30)),
    "basket": ((4.2, 4.0, 0.0), (0.5, 0.5, 0.5), (140, 220, 30)),
    EVIL: ((2.0, 2.6, 0.0), (0.4, 0.4, 0.9), (30, 130, 230)),
}
ROOM = (6.0, 5.0, 2.6)


def _sheet(corner, along, up, step: float) -> tuple[np.ndarray, np.ndarray]:
    """A rectangle as a grid of triangles that face along x up; vertices and faces."""
    along, up = np.asarray(along, float), np.asarray(up, float)
    n, m = (max(2, int(np.linalg.norm(side) / step)) for side in (along, up))
    s, t = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, m), indexing="ij")
    points = np.asarray(corner, float) + s[..., None] * along + t[..., None] * up
    at = np.arange(n * m).reshape(n, m)
    a, b, c, d = at[:-1, :-1].ravel(), at[1:, :-1].ravel(), at[1:, 1:].ravel(), at[:-1, 1:].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return points.reshape(-1, 3), faces


def _box(low, size, step: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """The five sides of a box that stands on the floor, facing out."""
    (x, y, z), (w, d, h) = low, size
    return [
        _sheet((x, y, z + h), (w, 0, 0), (0, d, 0), step),
        _sheet((x, y, z), (w, 0, 0), (0, 0, h), step),
        _sheet((x + w, y, z), (0, d, 0), (0, 0, h), step),
        _sheet((x + w, y + d, z), (-w, 0, 0), (0, 0, h), step),
        _sheet((x, y + d, z), (0, -d, 0), (0, 0, h), step),
    ]


def roofed(room: Scan, ridge: float = 0.0, step: float = 0.1) -> Scan:
    """The room with a roof over it that faces out, flat or of two slopes."""
    w, half, h = ROOM[0], ROOM[1] / 2, ROOM[2]
    slopes = [
        _sheet((0, 0, h + 0.1), (w, 0, 0), (0, half, ridge), step),
        _sheet((0, half, h + 0.1 + ridge), (w, 0, 0), (0, half, -ridge), step),
    ]
    vertices, faces = room.vertices, room.faces
    for points, corners in slopes:
        faces = np.concatenate([faces, corners + len(vertices)])
        vertices = np.concatenate([vertices, points])
    more = len(vertices) - len(room.vertices)
    return replace(
        room,
        vertices=vertices.astype(np.float32),
        colours=np.concatenate([room.colours, np.full((more, 3), 90, np.uint8)]),
        faces=faces.astype(np.int32),
        vertex_instance=np.concatenate([room.vertex_instance, np.full(more, -1, np.int32)]),
    )


def furnished_room(step: float = 0.08) -> Scan:
    """A room of 6 x 5 m that faces inwards, with ceiling and ten pieces of furniture of ten colours."""
    w, d, h = ROOM
    sheets = [
        ("floor", _sheet((0, 0, 0), (w, 0, 0), (0, d, 0), step), (150, 145, 140)),
        ("ceiling", _sheet((0, 0, h), (0, d, 0), (w, 0, 0), step), (245, 245, 245)),
        ("wall", _sheet((0, 0, 0), (0, 0, h), (w, 0, 0), step), (205, 200, 190)),
        ("wall", _sheet((w, 0, 0), (0, 0, h), (0, d, 0), step), (205, 200, 190)),
        ("wall", _sheet((w, d, 0), (0, 0, h), (-w, 0, 0), step), (205, 200, 190)),
        ("wall", _sheet((0, d, 0), (0, 0, h), (0, -d, 0), step), (205, 200, 190)),
    ]
    pieces = [(label, [sheet], colour) for label, sheet, colour in sheets]
    pieces += [(label, _box(low, size, step), colour) for label, (low, size, colour) in FURNITURE.items()]
    vertices, faces, colours, ids, labels = [], [], [], [], {}
    count = 0
    for id, (label, parts, colour) in enumerate(pieces, start=3):
        labels[id] = label
        for points, corners in parts:
            vertices.append(points)
            faces.append(corners + count)
            colours.append(np.tile(np.uint8(colour), (len(points), 1)))
            ids.append(np.full(len(points), id, np.int32))
            count += len(points)
    xyz, rgb = np.concatenate(vertices).astype(np.float32), np.concatenate(colours)
    of = np.concatenate(ids)
    triangles = np.concatenate(faces).astype(np.int32)
    return Scan("test room", xyz, rgb, triangles, of, instances_of(xyz, rgb, of, labels))


def _unpacked(level: dict) -> dict[str, np.ndarray]:
    """What the browser does with a level, in numpy."""
    data = np.frombuffer(zlib.decompress(base64.b64decode(level["data"])), np.uint8)
    n, m = level["vertices"], level["faces"]
    offset = 0

    def read(count: int, size: int, running: bool = True) -> np.ndarray:
        nonlocal offset
        planes = data[offset : offset + count * size].reshape(size, count).astype(np.int64)
        offset += count * size
        values = (planes << (8 * np.arange(size))[:, None]).sum(0)
        return np.cumsum(values) % (1 << 8 * size) if running else values

    grid = np.stack([read(n, 2) for _ in range(3)], 1)
    green, red, blue = read(n, 1), read(n, 1), read(n, 1)
    place = read(n, 2)
    a = read(m, 3)
    b, c = a + read(m, 3, False), a + read(m, 3, False)
    assert offset == len(data)
    return {
        "xyz": np.array(level["origin"]) + grid * np.array(level["step"]),
        "rgb": np.stack([(red + green) % 256, green, (blue + green) % 256], 1),
        "place": place,
        "faces": np.stack([a, b, c], 1),
    }


def _triangles(xyz: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(M, 9) corners of each triangle from its lowest on, in the order of turning, sorted."""
    corners = np.round(xyz[faces] / 0.01).astype(int)
    turned = [min(tuple(np.roll(t, -k, 0).ravel()) for k in range(3)) for t in corners]
    return np.array(sorted(turned))


def test_what_is_packed_comes_out() -> None:
    scan = furnished_room(0.3)
    rng = np.random.default_rng(0)
    scan = replace(scan, colours=rng.integers(0, 256, scan.colours.shape, dtype=np.uint8))
    payload = json.loads(scene_view.scan_payload(scan))
    out = _unpacked(payload["levels"][0])
    order = np.lexsort(np.round(out["xyz"], 2).T)
    assert len(out["xyz"]) == len(scan.vertices)
    # Each packed vertex lies within the grid's step of one vertex of that colour and instance.
    distance = np.abs(out["xyz"][:, None] - scan.aligned[None]).max(2)
    same = (distance < 0.0015)[order]
    numbers = np.array([payload["instances"][p - 1]["id"] for p in out["place"]])[order]
    alike = same & (numbers[:, None] == scan.vertex_instance[None])
    alike &= (out["rgb"][order][:, None] == scan.colours[None]).all(2)
    assert alike.any(1).all() and alike.any(0).all()
    assert (_triangles(out["xyz"], out["faces"]) == _triangles(scan.aligned, scan.faces)).all()


def test_faces_that_are_turned_over_are_turned_back() -> None:
    scan = furnished_room(0.3)
    over = replace(scan, faces=np.ascontiguousarray(scan.faces[:, ::-1]))
    packed = [json.loads(scene_view.scan_payload(s)) for s in (scan, over)]
    one, other = (_unpacked(p["levels"][0]) for p in packed)
    assert not packed[0]["two_sided"]
    assert (_triangles(one["xyz"], one["faces"]) == _triangles(other["xyz"], other["faces"])).all()
    both = replace(scan, faces=np.concatenate([scan.faces, scan.faces[:, ::-1]]))
    payload = json.loads(scene_view.scan_payload(both))
    assert payload["two_sided"] and payload["lid"] == pytest.approx(0.85 * ROOM[2], abs=0.01)


def test_only_a_ceiling_is_cut_off() -> None:
    room = furnished_room(0.15)
    cloud = replace(room, faces=np.zeros((0, 3), np.int32))
    ceiling = next(instance.id for instance in room.instances if instance.label == "ceiling")
    below = cloud.vertex_instance != ceiling
    open_room = replace(
        cloud,
        vertices=cloud.vertices[below],
        colours=cloud.colours[below],
        vertex_instance=cloud.vertex_instance[below],
    )
    lids = [json.loads(scene_view.scan_payload(scan))["lid"] for scan in (room, cloud, open_room)]
    assert lids == [None, pytest.approx(0.85 * ROOM[2], abs=0.01), None]


def test_a_roof_that_faces_out_is_cut_off_and_an_open_ceiling_is_not() -> None:
    room = furnished_room(0.15)
    flat, gabled = roofed(room), roofed(room, ridge=1.4)
    payloads = [json.loads(scene_view.scan_payload(scan)) for scan in (room, flat, gabled)]
    assert not any(payload["two_sided"] for payload in payloads)
    assert payloads[0]["lid"] is None
    assert ROOM[2] - 0.5 < payloads[1]["lid"] < ROOM[2]
    assert ROOM[2] - 0.4 < payloads[2]["lid"] < ROOM[2] + 0.5  # most of the slopes go, the room stays


def test_shows_the_aligned_frame() -> None:
    scan = furnished_room(0.3)
    turn = np.array([[0, -1, 0, 2], [1, 0, 0, -1], [0, 0, 1, 0.5], [0, 0, 0, 1]], float)
    payload = json.loads(scene_view.scan_payload(replace(scan, alignment=turn)))
    assert payload["bounds"] == pytest.approx([-3, -1, 0.5, 2, 5, 3.1], abs=1e-3)
    assert payload["floor"] == pytest.approx(0.5, abs=0.03)


def test_a_hundred_thousand_rough_vertices_fit_into_a_megabyte_and_a_half() -> None:
    scan = furnished_room(0.0365)
    rng = np.random.default_rng(1)
    rough = scan.vertices + rng.normal(0, 0.006, scan.vertices.shape).astype(np.float32)
    shade = scan.colours + rng.normal(0, 6, scan.colours.shape)
    scan = replace(scan, vertices=rough, colours=np.clip(shade, 0, 255).astype(np.uint8))
    assert len(scan.vertices) > 95_000
    payload = scene_view.scan_payload(scan)
    fine, coarse = json.loads(payload)["levels"]
    assert 95_000 < fine["vertices"] <= 100_000
    assert 0.7 * scene_view.COARSE < coarse["vertices"] <= scene_view.COARSE
    assert len(payload) <= 1_500_000


def test_a_cloud_has_no_faces_and_no_sides() -> None:
    cloud = replace(furnished_room(0.3), faces=np.zeros((0, 3), np.int32), instances=())
    payload = json.loads(scene_view.scan_payload(cloud))
    out = _unpacked(payload["levels"][0])
    assert payload["two_sided"] and out["faces"].shape == (0, 3) and not out["place"].any()


def test_no_label_closes_a_tag() -> None:
    payload = scene_view.scan_payload(furnished_room(0.3))
    assert "<" not in payload
    assert EVIL in [instance["label"] for instance in json.loads(payload)["instances"]]


def _answer(count: int) -> Answer:
    candidates = tuple(
        Candidate(n, EVIL, (0, 0, 0, 1, 1, 1), 1 / count, 0, 0, 0) for n in range(10, 10 + count)
    )
    cells = ((0.1, 0.2, 0.1), (0.1, 0.1, 0.3), (0.0, 0.1, 0.0))
    return Answer("s", "t", candidates, (), (Anchor(3, "desk", 0.5),), (2, 1), cells, "c", 0.1)


def test_overlay_of_an_answer() -> None:
    payload = scene_view.overlay_payload(_answer(20), picked=4)
    assert "<" not in payload
    overlay = json.loads(payload)
    assert overlay["picked"] == 4
    assert [c["rank"] for c in overlay["candidates"]] == list(range(1, scene_view.SHOWN + 1))
    assert [c["id"] for c in overlay["candidates"] if c["strongest"]] == [10]
    assert overlay["anchors"] == [{"object_id": 3, "label": "desk", "weight": 0.5}]
    assert overlay["cell"] == {"x": 2, "y": 1, "probability": 0.3}


def test_overlay_shows_the_chosen_candidate_even_far_down() -> None:
    overlay = json.loads(scene_view.overlay_payload(_answer(20), chosen=28))
    assert [(c["id"], c["rank"]) for c in overlay["candidates"] if c["strongest"]] == [(28, 19)]
    assert len(overlay["candidates"]) == scene_view.SHOWN + 1


def test_overlay_lights_all_that_fit_alike() -> None:
    answer = replace(_answer(20), fits=tuple(range(10, 30)))
    overlay = json.loads(scene_view.overlay_payload(answer))
    assert len(overlay["candidates"]) == 20 and all(c["fits"] for c in overlay["candidates"])
    assert not any(c["strongest"] for c in overlay["candidates"]) and overlay["cell"] is None
    chosen = json.loads(scene_view.overlay_payload(answer, chosen=12))
    assert [c["id"] for c in chosen["candidates"] if c["strongest"]] == [12]


@pytest.mark.parametrize("answer", [None, replace(_answer(1), candidates=())])
def test_overlay_of_nothing(answer: Answer | None) -> None:
    overlay = json.loads(scene_view.overlay_payload(answer))
    nothing = {"picked": None, "from": None, "cell": None, "eye": None}
    assert overlay == {**nothing, "candidates": [], "anchors": [], "marks": []}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"id": 5, "xyz": [1, 2.5, 0]}, scene_view.Pick(5, (1.0, 2.5, 0.0))),
        ({"id": None}, scene_view.Pick(None)),
        ({"id": "5", "xyz": [1, 2, 3]}, None),
        ({"id": True, "xyz": [1, 2, 3]}, None),
        ({"id": 5, "xyz": [1, 2]}, None),
        ({"id": 5, "xyz": [1, 2, float("nan")]}, None),
        ({"id": 5, "xyz": ["a", 2, 3]}, None),
        ("../../etc/passwd", None),
        ([], None),
    ],
)
def test_only_a_pick_is_a_pick(sent: object, read: scene_view.Pick | None) -> None:
    assert scene_view.read_pick(gr.EventData(None, sent)) == read

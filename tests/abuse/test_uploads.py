"""Hostile and broken scan files give a UserError that names fault and way out, or a valid Scan, no more."""

import io
import json
import re
import stat
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from app import i18n
from models.core import upload_validation
from models.core.errors import UserError
from models.scene.data import annotations, mesh_io, ply, scannet
from models.scene.data.proposals import read_proposals
from models.scene.data.scannet import load, load_folder
from tests.scene import scan_makers as make
from tests.scene.test_scan import check, textured_obj


def refused(key: str, paths: list[Path]) -> UserError:
    """The error that loading raises, which must have this key and a sentence in each language."""
    with pytest.raises(UserError) as caught:
        load(paths)
    assert caught.value.key == key
    for language in i18n.LANGUAGES:
        sentence = i18n.explain(language, caught.value)
        assert sentence != i18n.say(language, "errors.internal", reference=key)
        assert "{" not in sentence
    return caught.value


def written(path: Path, data: bytes) -> list[Path]:
    path.write_bytes(data)
    return [path]


@pytest.fixture
def room_ply() -> bytes:
    vertices, colours, faces, _ = make.room()
    return make.ply(vertices, colours, faces)


# PLY


def test_124_bytes_that_claim_two_billion_points(tmp_path):
    data = make.ply(np.zeros((1, 3)), claim=2_000_000_000)
    tracemalloc.start()
    refused("ply_claims", written(tmp_path / "a.ply", data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("form", ["binary_little_endian", "ascii"])
def test_truncated_ply(tmp_path, form):
    vertices, colours, faces, _ = make.room()
    data = make.ply(vertices, colours, faces, form=form)
    refused("scan_truncated", written(tmp_path / "a.ply", data[: len(data) * 2 // 3]))


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("file_empty", b""),
        ("file_type", b"\x89PNG\r\n\x1a\n" + bytes(100)),
        ("ply_header", b"ply\nformat ascii 1.0\nelement vertex 3\n"),
        ("ply_header", b"ply\nformat ascii 2.0\nelement vertex 1\nproperty float x\nend_header\n1\n"),
        ("ply_no_xyz", b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n"),
        ("ply_header", b"ply\nformat ascii 1.0\nproperty float x\nend_header\n1\n"),
        ("ply_header", b"ply\nformat ascii 1.0\nelement vertex -1\nend_header\n"),
        ("scan_empty", make.ply(np.empty((0, 3)))),
        ("scan_too_few", make.ply(np.zeros((1, 3)))),
        ("scan_no_extent", make.ply(np.ones((50, 3)))),
        ("scan_far", make.ply(make.room()[0] * 1e9)),
        ("scan_far", make.ply(make.room()[0] + 1e9)),
        ("scan_not_finite", make.ply(np.where(make.room()[0] > 2, np.nan, make.room()[0]))),
        ("scan_not_finite", make.ply(np.where(make.room()[0] > 2, np.inf, make.room()[0]))),
        ("scan_faces", make.ply(make.room()[0], faces=np.array([[0, 1, 564]]))),
        ("scan_faces", make.ply(make.room()[0], faces=np.array([[0, 1, -1]]))),
        ("scan_truncated", make.ply(make.room()[0], form="ascii").replace(b"0.400000006", b"zap")),
    ],
)
def test_ply_faults(tmp_path, key, data):
    refused(key, written(tmp_path / "a.ply", data))


def test_a_few_lost_vertices_are_dropped_with_their_faces(tmp_path):
    vertices, colours, faces, _ = make.room()
    vertices[7], vertices[30] = np.nan, 1e12
    path = tmp_path / "a.ply"
    path.write_bytes(make.ply(vertices, colours, faces))
    scan = load([path])
    check(scan)
    assert len(scan.vertices) == len(vertices) - 2
    touched = np.isin(faces, (7, 30)).any(1)
    np.testing.assert_allclose(scan.vertices[scan.faces], vertices[faces[~touched]], atol=1e-6)


def test_caps(tmp_path, monkeypatch, room_ply):
    path = written(tmp_path / "a.ply", room_ply)
    monkeypatch.setattr(ply, "MAX_VERTICES", 100)
    refused("scan_too_many", path)
    monkeypatch.setattr(scannet, "MAX_UNPACKED", 1000)
    refused("files_too_big", path)


def test_file_over_the_limit(tmp_path):
    path = tmp_path / "big.ply"
    with path.open("wb") as file:
        file.truncate(upload_validation.MAX_FILE + 1)  # sparse: takes no disk
    assert "200" in i18n.explain("en", refused("file_too_big", [path]))


def test_face_that_lists_four_billion_corners(tmp_path):
    data = make.ply(make.room()[0], faces=np.array([[0, 1, 2]]))
    data = data.replace(b"list uchar int", b"list uint int")[:-13] + struct.pack("<I", 2**32 - 1) + bytes(12)
    refused("scan_truncated", written(tmp_path / "a.ply", data))


@pytest.mark.parametrize("form", ["binary_little_endian", "ascii"])
def test_polygons_that_swell_into_triangles(tmp_path, monkeypatch, form):
    monkeypatch.setattr(mesh_io, "MAX_FACES", 300)
    faces = np.zeros((2, 200), int)
    refused("scan_too_many", written(tmp_path / "a.ply", make.ply(make.room()[0], faces=faces, form=form)))


# Labels


def broken_scannet(tmp_path: Path, which: str, change: Callable[[str], str]) -> list[Path]:
    files = make.scannet(tmp_path)
    files.pop("labels").unlink()
    files[which].write_text(change(files[which].read_text()))
    return list(files.values())


@pytest.mark.parametrize(
    ("key", "which", "change"),
    [
        ("json_broken", "segs", lambda text: text[:-5]),
        ("json_broken", "aggregation", lambda text: "[" * 100_000),
        ("segs_broken", "segs", lambda text: "[1, 2]"),
        ("segs_broken", "segs", lambda text: '{"segIndices": "all"}'),
        ("segs_broken", "segs", lambda text: text.replace("100", "1e400")),
        ("segs_broken", "segs", lambda text: text.replace("100", "[[1], 2]")),
        ("segs_mismatch", "segs", lambda text: text.replace("[100, ", "[")),
        ("aggregation_broken", "aggregation", lambda text: "{}"),
        ("aggregation_broken", "aggregation", lambda text: '{"segGroups": []}'),
        ("aggregation_broken", "aggregation", lambda text: re.sub(r"\[\d+, \d+\]", "[]", text)),
        ("aggregation_broken", "aggregation", lambda text: text.replace('"floor"', "null")),
        ("aggregation_broken", "aggregation", lambda text: text.replace('"objectId": 5', '"objectId": -5')),
        ("aggregation_broken", "aggregation", lambda text: text.replace("[100,", "[1e999,")),
        ("aggregation_mismatch", "aggregation", lambda text: re.sub(r"\[\d+, \d+\]", "[1, 2]", text)),
        ("alignment_broken", "meta", lambda text: "axisAlignment = 1 2 3"),
        ("alignment_broken", "meta", lambda text: "axisAlignment = " + "nan " * 16),
        ("alignment_broken", "meta", lambda text: "axisAlignment = " + "0 " * 16),
    ],
)
def test_label_faults(tmp_path, key, which, change):
    refused(key, broken_scannet(tmp_path, which, change))


def test_a_long_text_among_numbers_takes_no_room(tmp_path):
    """numpy makes an array of texts as wide as its longest: 564 x 4 MB here."""
    files = broken_scannet(tmp_path, "segs", lambda text: text.replace("100", '"' + "9" * 10**6 + '"', 1))
    tracemalloc.start()
    refused("segs_broken", files)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20


def test_an_aggregation_of_too_many_objects(tmp_path, monkeypatch):
    monkeypatch.setattr(annotations, "MAX_OBJECTS", 2)
    refused("objects_many", broken_scannet(tmp_path, "segs", str))


def test_files_that_do_not_belong_together(tmp_path, room_ply):
    files = make.scannet(tmp_path / "a")
    refused("scan_incomplete", [files["mesh"], files["segs"]])
    refused("scan_incomplete", [files["mesh"], files["aggregation"]])
    refused("scan_no_mesh", [files["segs"], files["aggregation"]])
    other = written(tmp_path / "other.ply", make.ply(make.room()[0][:-1]))
    refused("labels_mismatch", [files["labels"], *other])
    refused("labels_mismatch", [*written(tmp_path / "x.labels.ply", room_ply), files["mesh"]])
    refused("scan_many", written(tmp_path / "another.ply", room_ply) + other)
    refused("segs_mismatch", [files["segs"], files["aggregation"], *textured_obj(tmp_path)])
    refused("no_file", [])
    refused("files_many", [files["mesh"]] * 2000)


def test_script_in_a_label_stays_text(tmp_path):
    make.scannet(tmp_path, labels=("floor", "<script>alert(1)</script>", "chair"))
    assert load_folder(tmp_path).instances[1].label == "<script>alert(1)</script>"


# Predictions


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("predictions_broken", "predicted_masks/scene0000_00_000.txt table 0.5"),
        ("predictions_broken", "predicted_masks/scene0000_00_000.txt 7 e"),
        ("predictions_class", "predicted_masks/scene0000_00_000.txt 1163 0.5"),
        ("mask_missing", "predicted_masks/absent.txt 7 0.5"),
        ("mask_missing", "/etc/passwd.txt 7 0.5"),
        ("mask_missing", "../../secret.txt 7 0.5"),
    ],
)
def test_prediction_faults(tmp_path, key, line):
    (tmp_path / "secret.txt").write_text("0\n1\n")
    mesh_io = make.scannet(tmp_path / "scan")["mesh"]
    listing = make.predictions(tmp_path / "deep" / "predicted") / "scene0000_00.txt"
    listing.write_text(listing.read_text() + line + "\n")
    refused(key, [mesh_io, *listing.parent.rglob("*.txt")])


@pytest.mark.parametrize("mask", ["0\n1\n", "2\n" * 564, "nan\n" * 188, "0.0\n" * 188])
def test_masks_that_do_not_fit(tmp_path, mask):
    mesh_io = make.scannet(tmp_path / "scan")["mesh"]
    folder = make.predictions(tmp_path / "predicted")
    (folder / "predicted_masks" / "scene0000_00_000.txt").write_text(mask)
    refused("predictions_mismatch", [mesh_io, *folder.rglob("*.txt")])


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"a": [{"id": 1}]}',
        '{"a": [{"id": 1, "label": "x", "extension": [0, 0, 0, 1, 1]}]}',
        '{"a": [{"id": 1, "label": "x", "extension": [0, 0, 0, 1, 1, NaN]}]}',
        '{"a": [{"id": 1, "label": "x", "extension": [0, 0, 2, 1, 1, 1]}]}',
        '{"a": [{"id": 1, "label": 5, "extension": [0, 0, 0, 1, 1, 1]}]}',
    ],
)
def test_broken_proposals(tmp_path, text):
    with pytest.raises(UserError, match="proposals_broken"):
        read_proposals(*written(tmp_path / "a.json", text.encode()))


def test_proposals_that_are_no_gzip(tmp_path):
    with pytest.raises(UserError, match="proposals_broken"):
        read_proposals(*written(tmp_path / "a.json.gz", b"\x1f\x8b" + bytes(50)))


# OBJ and GLB


def test_obj_opens_nothing_that_did_not_come_along(tmp_path, monkeypatch):
    secret = tmp_path / "secret.png"
    Image.new("RGB", (4, 4), (1, 2, 3)).save(secret)
    (tmp_path / "up").mkdir()
    paths = textured_obj(tmp_path / "up", texture="../secret.png")
    opened: list[str] = []
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened.append(path.name) or read(path))
    scan = load(paths)
    check(scan)
    assert "secret.png" not in opened
    assert not (scan.colours == (1, 2, 3)).all(1).any()


def gltf(tree: dict, binary: bytes = b"") -> bytes:
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    if binary:
        binary += bytes(-len(binary) % 4)
        chunks += struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def triangle_glb(**changes: object) -> bytes:
    tree = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 6, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 72}],
        "buffers": [{"byteLength": 72}],
    }
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [0, 1, 1]], "<f4")
    return gltf({**tree, **changes}, points.tobytes())


# What must be changed so that the triangle has a texture.
PAINTED: dict[str, object] = {
    "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "TEXCOORD_0": 0}, "material": 0}]}],
    "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}],
    "textures": [{"source": 0}],
}


def test_the_triangle_that_the_glb_faults_start_from_is_sound(tmp_path):
    check(load(written(tmp_path / "a.glb", triangle_glb())))


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("mesh_external", {"buffers": [{"byteLength": 72, "uri": "../../etc/passwd"}]}),
        ("mesh_external", {"buffers": [{"byteLength": 72, "uri": "file:///etc/passwd"}]}),
        ("mesh_external", {"images": [{"uri": "http://example.com/a.png"}]}),
        ("mesh_extension", {"extensionsRequired": ["KHR_draco_mesh_compression"]}),
        ("scan_too_many", {"accessors": [{"componentType": 5126, "count": 2_000_000_000, "type": "VEC3"}]}),
        ("scan_too_many", {"bufferViews": [{"buffer": 0, "byteLength": 10**9}]}),
        ("mesh_broken", {"accessors": [{"componentType": 5126, "count": -6, "type": "VEC3"}]}),
        ("mesh_broken", {"nodes": [{"mesh": 0, "children": [1]}, {"children": [0]}]}),
        ("mesh_broken", {"nodes": [{"mesh": 0, "children": [0]}]}),
        ("mesh_broken", {"nodes": [{"mesh": 7}]}),
        ("mesh_broken", {"bufferViews": [{"buffer": 3, "byteLength": 72}]}),
        ("mesh_broken", {"buffers": 5}),
        ("image_broken", PAINTED | {"images": [{"uri": "data:image/png;base64,AAAA"}]}),
        ("mesh_broken", PAINTED | {"images": []}),
        ("mesh_extension", PAINTED | {"textures": [{"extensions": {"KHR_texture_basisu": {"source": 0}}}]}),
        ("scan_empty", {"meshes": [], "nodes": [{}]}),
    ],
)
def test_glb_faults(tmp_path, key, changes):
    refused(key, written(tmp_path / "a.glb", triangle_glb(**changes)))


def test_one_mesh_placed_a_million_times(tmp_path, monkeypatch):
    monkeypatch.setattr(mesh_io, "MAX_VERTICES", 1000)
    nodes = [{"mesh": 0}] * 500
    scenes = [{"nodes": list(range(500))}]
    refused("scan_too_many", written(tmp_path / "a.glb", triangle_glb(nodes=nodes, scenes=scenes)))


def test_texture_bombs(tmp_path):
    bomb = io.BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")
    paths = textured_obj(tmp_path)
    paths[2].write_bytes(bomb.getvalue())
    refused("image_too_big", paths)
    image = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.new("1", (9000, 9000)))
    vertices, faces = make.grid(2, (0, 0, 0), 1.0)
    visual = trimesh.visual.TextureVisuals(uv=np.zeros((4, 2)), material=image)
    mesh_io = trimesh.Trimesh(vertices, faces, visual=visual, process=False)
    refused("image_too_big", written(tmp_path / "a.glb", mesh_io.export(file_type="glb")))


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("scan_empty", "# very nice"),
        ("mesh_broken", "v 0 0"),
        ("mesh_broken", "v 0 0 zero"),
        ("mesh_broken", "v 0 0 0\nv 1 1 1 1"),
        ("mesh_broken", "v 0 0 0\nf 1/1 1/1 1"),
        ("mesh_broken", "v 0 0 0\nf 1/1/ 1/1/ one"),
        ("scan_faces", "v 0 0 0\nf 1 2 3"),
        ("scan_faces", "v 0 0 0\nf 0 1 1"),
        ("scan_faces", "v 0 0 0\nf -1 -2 -3"),
        ("scan_too_few", "v 0 0 0\nf 1 1 1"),
        ("scan_not_finite", "v 0 0 nan\nv 1 1 1\nv 1 1 1"),
    ],
)
def test_obj_faults(tmp_path, key, lines):
    refused(key, written(tmp_path / "a.obj", lines.encode()))


def test_obj_of_many_materials_is_read_in_time(tmp_path):
    text = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 1\n" + "".join(f"usemtl m{i}\nf 1 2 3\n" for i in range(50_000))
    began = time.process_time()
    check(load(written(tmp_path / "a.obj", text.encode())))
    assert time.process_time() - began < 10  # a reader that looks back at each material takes minutes


@pytest.mark.parametrize("name", ["a.obj", "a.glb", "a.zip"])
def test_wrong_type_by_magic_bytes(tmp_path, name, room_ply):
    refused("file_type", written(tmp_path / name, room_ply if name != "a.obj" else b"\x7fELF\0v" + bytes(99)))


# Zips


def entry(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


@pytest.mark.parametrize(
    ("key", "info", "data"),
    [
        ("zip_path", entry("../../evil.ply"), b"x"),
        ("zip_path", entry("a/../../evil.ply"), b"x"),
        ("zip_path", entry("/etc/evil.ply"), b"x"),
        ("zip_path", entry("..\\evil.ply"), b"x"),
        ("zip_path", entry("C:\\evil.ply"), b"x"),
        ("zip_link", entry("link.ply", stat.S_IFLNK | 0o777), b"/etc/passwd"),
        ("zip_nested", entry("inner.zip"), b"PK\x03\x04"),
        ("zip_nested", entry("inner.ply"), b"PK\x03\x04"),
        ("zip_bomb", entry("bomb.ply"), bytes(20 * 2**20)),
        ("zip_bomb", entry("bomb.txt"), bytes(20 * 2**20)),
        ("zip_empty", entry("readme.md"), b"hello"),
    ],
)
def test_hostile_zips_write_nothing_outside(tmp_path, key, info, data, room_ply):
    path, work = tmp_path / "up" / "a.zip", tmp_path / "up" / "work"
    work.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, data)
    refused(key, [path])
    with pytest.raises(UserError, match=key):
        load([path], workdir=work)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["a.zip"]


def test_zip_of_too_many_files(tmp_path):
    refused("zip_many", [make.packed(tmp_path / "a.zip", {f"{i}.txt": b"" for i in range(1001)})])


def test_zip_that_hides_its_size(tmp_path, room_ply):
    """The table of contents says ten bytes; what is there is more."""
    path = make.packed(tmp_path / "a.zip", {"a.ply": room_ply})
    data = bytearray(path.read_bytes())
    at = data.rfind(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    path.write_bytes(data)
    refused("zip_broken", [path])


def test_zip_with_a_password(tmp_path, room_ply):
    path = make.packed(tmp_path / "a.zip", {"a.ply": room_ply})
    data = bytearray(path.read_bytes())
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    refused("zip_locked", [path])


def test_names_in_a_zip_are_made_harmless(tmp_path, room_ply):
    nasty = "-rf;x $(id) ламп\u202e.ply"
    scan = load([make.packed(tmp_path / "a.zip", {nasty: room_ply})], workdir=tmp_path)
    check(scan)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", scan.name)
    assert not scan.name.startswith("-")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_folder_or_nothing_instead_of_a_file(tmp_path):
    (tmp_path / "folder.ply").mkdir()
    refused("file_missing", [tmp_path / "folder.ply"])
    refused("file_missing", [tmp_path / "absent.ply"])
    refused("file_missing", [Path("file:///etc/passwd.ply")])


# Anything


def survives(path: Path) -> bool:
    """Whether it was read; raises if anything but a UserError or a valid Scan came out."""
    try:
        scan = load([path])
    except UserError as error:
        if i18n.explain("en", error) == i18n.say("en", "errors.internal", reference=error.key):
            raise AssertionError(f"no sentence for {error}") from error
        return False
    check(scan)
    return True


def sound_files(folder: Path) -> dict[str, bytes]:
    vertices, colours, faces, objects = make.room()
    mesh_io = trimesh.Trimesh(vertices, faces, vertex_colors=colours, process=False)
    text = "".join(f"v {x:.3f} {y:.3f} {z:.3f}\n" for x, y, z in vertices[:100])
    archive = make.packed(folder / "sound.zip", {"a.ply": make.ply(vertices[:100])})
    return {
        "little.ply": make.ply(vertices, colours, faces, objects + 1),
        "big.ply": make.ply(vertices, colours, faces, form="binary_big_endian"),
        "text.ply": make.ply(vertices[:100], colours[:100], faces[:50], form="ascii"),
        "mesh.glb": mesh_io.export(file_type="glb"),
        "mesh.obj": (text + "".join(f"f {a + 1} {b + 1} {c + 1}\n" for a, b, c in faces[:50])).encode(),
        "pack.zip": archive.read_bytes(),
    }


@pytest.mark.parametrize("name", ["little.ply", "big.ply", "text.ply", "mesh.glb", "mesh.obj", "pack.zip"])
@pytest.mark.filterwarnings("ignore")  # trimesh divides by the zeros of a garbled scale
def test_truncated_and_flipped_files_never_break_the_reader(tmp_path, name):
    data = sound_files(tmp_path)[name]
    path = tmp_path / name
    assert survives(*written(path, data))
    rng = np.random.default_rng(len(data))
    began = time.process_time()
    for cut in rng.integers(0, len(data), 30):
        survives(*written(path, data[:cut]))
    for _ in range(90):
        spoilt = bytearray(data)
        head = min(len(data), int(rng.choice([60, 400, len(data)])))
        for at in rng.integers(0, head, rng.integers(1, 5)):
            spoilt[at] = rng.integers(0, 256)
        survives(*written(path, bytes(spoilt)))
    assert time.process_time() - began < 60  # nothing in 120 small files may send a reader astray

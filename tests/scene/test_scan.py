"""Scans as they lie on disk become Scan: every format that is read, with its labels."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from models.core.errors import UserError
from models.scene.data.annotations import MIN_COMPONENT
from models.scene.data.proposals import read_proposals, with_predictions
from models.scene.data.scan import Scan, thin
from models.scene.data.scannet import load, load_folder
from tests.scene import scan_makers as make

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data" / "scene"
SHIPPED = sorted(path for path in (ROOT / "assets" / "scans").glob("*") if path.is_dir())


def check(scan: Scan) -> None:
    """What every Scan keeps to, whatever file it came from."""
    count = len(scan.vertices)
    assert scan.vertices.shape == scan.colours.shape == (count, 3)
    assert scan.vertex_instance.shape == (count,)
    assert (scan.vertices.dtype, scan.colours.dtype) == (np.float32, np.uint8)
    assert (scan.faces.dtype, scan.vertex_instance.dtype) == (np.int32, np.int32)
    assert np.isfinite(scan.vertices).all()
    assert scan.faces.ndim == 2
    assert not scan.faces.size or (scan.faces.min() >= 0 and scan.faces.max() < count)
    for instance in scan.instances:
        assert instance.box.shape == (6,)
        assert (instance.box[:3] <= instance.box[3:]).all()
        assert instance.label == instance.label.strip().lower()


def test_scannet_scene(tmp_path):
    make.scannet(tmp_path, labels=("floor", " Table", "chair"))
    scan = load_folder(tmp_path)
    check(scan)
    vertices, colours, faces, objects = make.room()
    assert scan.name == "scene0000_00"
    np.testing.assert_allclose(scan.vertices, vertices, atol=1e-6)
    np.testing.assert_array_equal(scan.colours, colours)
    np.testing.assert_array_equal(scan.faces, faces)
    np.testing.assert_array_equal(scan.vertex_instance, objects + 5)
    assert [(i.id, i.label, i.confidence) for i in scan.instances] == [
        (5, "floor", 1.0),
        (6, "table", 1.0),
        (7, "chair", 1.0),
    ]
    # The table's corner (1, 1, .7) to (2, 2, .7), turned by 90 degrees and moved by (1, 2, -.5).
    np.testing.assert_allclose(scan.instances[1].box, (-1, 3, 0.2, 0, 4, 0.2), atol=1e-6)
    np.testing.assert_allclose(scan.instances[1].colour, (120, 80, 40))


def test_order_of_files_and_foreign_files_do_not_matter(tmp_path):
    files = make.scannet(tmp_path)
    # Real scenes carry a second aggregation, for the finer mesh, whose segments are not these.
    other = tmp_path / "scene0000_00_vh_clean.aggregation.json"
    other.write_text('{"segGroups": [{"objectId": 1, "label": "x", "segments": [100]}]}')
    (tmp_path / "scene0000_00.sens").write_bytes(b"a film of gigabytes")
    backwards = load([*reversed(files.values()), other, tmp_path / "scene0000_00.sens"])
    assert [i.label for i in backwards.instances] == ["floor", "table", "chair"]


def test_labels_alone_give_connected_pieces(tmp_path):
    scan = load([make.scannet(tmp_path)["labels"]])
    check(scan)
    assert scan.name == "scene0000_00"
    assert [i.label for i in scan.instances] == ["floor", "table", "chair"]
    np.testing.assert_array_equal(scan.vertex_instance, make.room()[3])


def test_labels_beside_the_mesh_keep_its_colours(tmp_path):
    files = make.scannet(tmp_path)
    scan = load([files["labels"], files["mesh"]])
    np.testing.assert_array_equal(scan.colours, make.room()[1])
    assert len(scan.instances) == 3


def test_labels_of_a_cloud_give_pieces_too(tmp_path):
    vertices, _ = make.grid(12, (0, 0, 0), 1.0)
    twice = np.concatenate([vertices, vertices + np.array([3, 0, 0])])
    path = tmp_path / "two_chairs.ply"
    path.write_bytes(make.ply(twice * 0.5, labels=np.full(len(twice), 5)))
    assert [i.label for i in load([path]).instances] == ["chair", "chair"]


def test_specks_and_unknown_classes_are_no_instances(tmp_path):
    vertices, faces = make.grid(10, (0, 0, 0), 1.0)
    classes = np.full(len(vertices), 5)
    classes[: MIN_COMPONENT - 1] = 6
    path = tmp_path / "x.ply"
    path.write_bytes(make.ply(vertices, faces=faces, labels=classes))
    assert [i.label for i in load([path]).instances] == ["chair"]
    path.write_bytes(make.ply(vertices, faces=faces, labels=np.full(len(vertices), 77)))
    assert load([path]).instances == ()


def test_predictions_when_nothing_else_labels(tmp_path):
    files = make.scannet(tmp_path / "scan")
    folder = make.predictions(tmp_path / "predicted")
    masks = sorted(folder.glob("predicted_masks/*.txt"))
    scan = load([files["mesh"], files["meta"], folder / "scene0000_00.txt", *masks])
    check(scan)
    found = [(i.id, i.label, round(i.confidence, 3)) for i in scan.instances]
    assert found == [(0, "table", 0.9), (1, "chair", 0.8), (2, "otherfurniture", 0.1)]
    # The weak mask covers both, yet the better ones keep their vertices.
    assert set(np.unique(scan.vertex_instance)) == {-1, 0, 1}
    np.testing.assert_allclose(scan.instances[0].box, (-1, 3, 0.2, 0, 4, 0.2), atol=1e-6)


def test_predictions_replace_annotations(tmp_path):
    make.scannet(tmp_path / "scan")
    scan = with_predictions(load_folder(tmp_path / "scan"), make.predictions(tmp_path / "predicted"))
    assert [i.label for i in scan.instances] == ["table", "chair", "otherfurniture"]
    with pytest.raises(UserError, match="predictions_missing"):
        with_predictions(scan, tmp_path / "scan" / "predicted_masks")


@pytest.mark.parametrize("form", ["binary_little_endian", "binary_big_endian", "ascii"])
def test_ply_forms(tmp_path, form):
    vertices, colours, faces, _ = make.room()
    path = tmp_path / "my room.ply"
    path.write_bytes(make.ply(vertices, colours, faces, form=form))
    scan = load([path])
    check(scan)
    assert scan.name == "my room"
    np.testing.assert_allclose(scan.vertices, vertices, atol=1e-6)
    np.testing.assert_array_equal(scan.colours, colours)
    np.testing.assert_array_equal(scan.faces, faces)
    assert scan.instances == ()
    assert (scan.vertex_instance == -1).all()


@pytest.mark.parametrize("form", ["binary_little_endian", "ascii"])
def test_polygons_become_triangles(tmp_path, form):
    vertices, _ = make.grid(2, (0, 0, 0), 1.0)
    path = tmp_path / "quads.ply"
    path.write_bytes(make.ply(vertices, faces=np.array([[0, 1, 3, 2]]), form=form))
    assert load([path]).faces.tolist() == [[0, 1, 3], [0, 3, 2]]
    mixed = make.ply(vertices, faces=np.array([[0, 1, 3, 2]]), form=form).replace(b"face 1", b"face 2")
    row = b"3 0 1 2\n" if form == "ascii" else b"\3" + np.array([0, 1, 2], "<i4").tobytes()
    path.write_bytes(mixed + row)
    assert sorted(load([path]).faces.tolist()) == [[0, 1, 2], [0, 1, 3], [0, 3, 2]]


def test_cloud_without_colours_is_grey(tmp_path):
    path = tmp_path / "cloud.ply"
    path.write_bytes(make.ply(make.room()[0]))
    scan = load([path])
    check(scan)
    assert scan.faces.shape == (0, 3)
    assert len(np.unique(scan.colours)) == 1


def test_obj_with_vertex_colours(tmp_path):
    vertices, colours, faces, _ = make.room()
    rows = zip(vertices, colours / 255, strict=True)
    lines = [f"v {' '.join(f'{x:.6f}' for x in (*v, *c))}" for v, c in rows]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in faces]
    path = tmp_path / "room.obj"
    path.write_text("\n".join(lines))
    scan = load([path])
    check(scan)
    assert len(scan.faces) == len(faces)
    np.testing.assert_allclose(scan.vertices.max(0), vertices.max(0), atol=1e-5)
    assert {tuple(colour) for colour in scan.colours.tolist()} == {tuple(c) for c in colours.tolist()}


def textured_obj(folder: Path, texture: str = "wall.png") -> list[Path]:
    """A square whose left half is red and whose right half is blue by its texture."""
    (folder / "square.obj").write_text(
        "mtllib square.mtl\nusemtl paint\n"
        "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt .1 .5\nvt .9 .5\nf 1/1 2/2 3/2\nf 1/1 3/2 4/1\n"
    )
    (folder / "square.mtl").write_text(f"newmtl paint\nKd 1 1 1\nmap_Kd {texture}\n")
    image = Image.new("RGB", (10, 10), (255, 0, 0))
    image.paste((0, 0, 255), (5, 0, 10, 10))
    image.save(folder / "wall.png")
    return [folder / "square.obj", folder / "square.mtl", folder / "wall.png"]


def test_obj_texture_becomes_vertex_colours(tmp_path):
    scan = load(textured_obj(tmp_path))
    check(scan)
    left = scan.vertices[:, 0] < 0.5
    assert (scan.colours[left] == (255, 0, 0)).all()
    assert (scan.colours[~left] == (0, 0, 255)).all()


@pytest.mark.parametrize(
    "lines",
    [
        "f 1 2 3 4",
        "f -4 -3 -2 -1",
        "f 1//1 2//1 3//1 4//1",
        "vt 0 0\nf 1/1 2/1 3/1 4/1",
        "vn 0 0 1\nf 1/1/1 2/1/1 3/1/1 4/1/1",
        "f 1 2 3\nf 1/1 3/1 4/1",
        "f\t1\t2\t3  4 ",
    ],
)
def test_obj_ways_to_write_a_face(tmp_path, lines):
    path = tmp_path / "a.obj"
    path.write_text(f"# a square\no thing\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\ns off\n{lines}\n")
    scan = load([path])
    check(scan)
    assert scan.faces.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_obj_material_colour(tmp_path):
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 1.5 1.5 0\nusemtl red paint\nf 1 2 3\n")
    (tmp_path / "a.mtl").write_text("newmtl red paint\nKd 1 0.2 0\n")
    scan = load([tmp_path / "a.obj", tmp_path / "a.mtl"])
    assert scan.colours.tolist() == [[255, 51, 0]] * 3 + [[160] * 3]
    assert (load([tmp_path / "a.obj"]).colours == 160).all()


def test_glb_scene_graph_and_axes(tmp_path):
    vertices, colours, faces, _ = make.room()
    mesh = trimesh.Trimesh(vertices, faces, vertex_colors=colours, process=False)
    scene = trimesh.Scene()
    y_up = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]], float)
    y_up[:3, 3] = (10, 0, 0)
    scene.add_geometry(mesh, transform=y_up)
    path = tmp_path / "room.glb"
    path.write_bytes(scene.export(file_type="glb"))
    scan = load([path])
    check(scan)
    np.testing.assert_allclose(scan.vertices, vertices + np.array([10, 0, 0]), atol=1e-5)
    np.testing.assert_array_equal(scan.colours, colours)
    assert len(scan.faces) == len(faces)


def test_glb_texture_and_cloud(tmp_path):
    image = Image.new("RGB", (4, 4), (10, 200, 30))
    visual = trimesh.visual.TextureVisuals(
        uv=np.full((4, 2), 0.5), material=trimesh.visual.material.PBRMaterial(baseColorTexture=image)
    )
    vertices, faces = make.grid(2, (0, 0, 0), 1.0)
    path = tmp_path / "textured.glb"
    path.write_bytes(trimesh.Trimesh(vertices, faces, visual=visual, process=False).export(file_type="glb"))
    assert (load([path]).colours == (10, 200, 30)).all()
    cloud = trimesh.PointCloud(
        make.room()[0], colors=np.full((len(make.room()[0]), 4), (9, 8, 7, 255), np.uint8)
    )
    path.write_bytes(trimesh.Scene(cloud).export(file_type="glb"))
    scan = load([path])
    check(scan)
    assert (scan.colours == (9, 8, 7)).all()
    assert scan.faces.shape == (0, 3)


@pytest.mark.parametrize("unit", [1, 100, 1000])
def test_unit_of_an_unlabelled_scan(tmp_path, unit):
    path = tmp_path / "room.ply"
    path.write_bytes(make.ply(make.room()[0] * unit))
    assert np.ptp(load([path]).vertices, axis=0).max() == pytest.approx(4, abs=1e-4)


def test_a_zip_holds_what_a_folder_holds(tmp_path):
    files = make.scannet(tmp_path / "scan")
    entries = {f"scene0000_00/{path.name}": path.read_bytes() for path in files.values()}
    scan = load([make.packed(tmp_path / "upload.zip", {**entries, "__MACOSX/._x.ply": b"\0"})])
    assert scan.name == "scene0000_00"
    assert [i.label for i in scan.instances] == ["floor", "table", "chair"]


def test_predictions_in_a_zip(tmp_path):
    mesh = make.scannet(tmp_path / "scan")["mesh"]
    folder = make.predictions(tmp_path / "predicted")
    entries = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.txt")}
    scan = load([make.packed(tmp_path / "upload.zip", {mesh.name: mesh.read_bytes(), **entries})])
    assert [i.label for i in scan.instances] == ["table", "chair", "otherfurniture"]


def test_thin_keeps_shape_colours_and_instances(tmp_path):
    make.scannet(tmp_path)
    scan = load_folder(tmp_path)
    small = thin(scan, 200)
    check(small)
    assert 150 <= len(small.vertices) <= 200
    assert small.instances == scan.instances
    assert set(small.vertex_instance) == {5, 6, 7}
    for low in (scan.vertices.min(0) - small.vertices.min(0), scan.vertices.max(0) - small.vertices.max(0)):
        assert np.abs(low).max() < 0.3
    a, b, c = np.sort(small.faces, axis=1).T
    assert (a != b).all()
    assert (b != c).all()
    assert len(np.unique(np.stack([a, b, c], axis=1), axis=0)) == len(small.faces)
    assert thin(scan, 10**6) is scan


def test_thin_reaches_any_budget(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "blob.ply"
    path.write_bytes(make.ply(rng.normal(size=(20_000, 3)) ** 3))
    scan = load([path])
    for budget in (5, 100, 5000, 19_999):
        assert 1 <= len(thin(scan, budget).vertices) <= budget


def test_proposals_of_mask3d(tmp_path):
    row = {
        "id": 3,
        "label": " Office Chair",
        "score": 0.75,
        "extension": [0, 0, 0, 1, 2, 3],
        "median_rgba": [9, 8, 7, 255],
    }
    plain, packed = tmp_path / "a.json", tmp_path / "a.json.gz"
    plain.write_text(json.dumps({"scene0011_00": [row]}))
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for path in (plain, packed):
        (found,) = read_proposals(path)["scene0011_00"]
        assert (found.id, found.label, found.confidence) == (3, "office chair", 0.75)
        np.testing.assert_array_equal(found.box, (0, 0, 0, 1, 2, 3))
        np.testing.assert_array_equal(found.colour, (9, 8, 7))


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
def test_shipped_scans(folder):
    scan = load_folder(folder)
    check(scan)
    assert scan.name == folder.name
    assert len(scan.instances) >= 5
    assert len(scan.faces)


@pytest.mark.skipif(not REAL.is_dir(), reason="no real ScanNet scene beside the checkout (../shared/data)")
def test_a_real_scene_has_the_published_boxes():
    scan = load_folder(REAL / "scans" / "scene0000_00")
    check(scan)
    published = json.loads(
        gzip.decompress((REAL / "boxes" / "objects_info_gt_1513scenes.json.gz").read_bytes())
    )
    boxes = {row["id"]: row for row in published["scene0000_00"]}
    assert {i.id for i in scan.instances} == set(boxes)
    for instance in scan.instances:
        np.testing.assert_allclose(instance.box, boxes[instance.id]["extension"], atol=1e-4)
        assert instance.label == boxes[instance.id]["label"]
        np.testing.assert_allclose(instance.colour, boxes[instance.id]["avg_rgba"][:3], atol=1)

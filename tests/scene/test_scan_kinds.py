"""Scans as data sets and programs write them: labels, textures and colours are used, or it is told."""

import json
import struct

import numpy as np
import pytest
from PIL import Image

from models.core.errors import UserError
from models.scene import __main__ as command_line
from models.scene.data.scannet import load
from tests.scene import scan_makers as make

VERTICES, COLOURS, FACES, OBJECTS = make.room()
PICTURE = np.random.default_rng(3).integers(0, 255, (32, 64, 3), np.uint8)


def keys(scan):
    return [one.key for one in scan.notes]


def table_ply(fields, columns, faces=None, comment="", order="<", lists=()):
    """A binary PLY of these vertex fields; faces: bytes of the face element and its header lines."""
    form = "binary_little_endian" if order == "<" else "binary_big_endian"
    lines = [
        "ply",
        f"format {form} 1.0",
        *([comment] if comment else []),
        f"element vertex {len(columns[0])}",
    ]
    lines += [f"property {kind} {name}" for name, kind in fields] + list(lists)
    kinds = {"float": "f4", "double": "f8", "uchar": "u1", "int": "i4", "ushort": "u2", "short": "i2"}
    rows = np.empty(len(columns[0]), [(name, order + kinds[kind]) for name, kind in fields])
    for (name, _), column in zip(fields, columns, strict=True):
        rows[name] = column
    body = rows.tobytes()
    if faces is not None:
        lines += faces[0]
        body += faces[1]
    return "\n".join([*lines, "end_header\n"]).encode() + body


XYZ = [(axis, "float") for axis in "xyz"]
RGB = [(name, "uchar") for name in ("red", "green", "blue")]


# ---- labels of known data sets


def annotations(tmp_path, agg, segs, **more):
    segments = OBJECTS * 10 + 100
    groups = [
        {"id": i + 5, "objectId": i + 5, "label": label, "segments": [100 + 10 * i]}
        for i, label in enumerate(make.NAMES)
    ]
    (tmp_path / agg).write_text(json.dumps({"segGroups": groups, **more}))
    (tmp_path / segs).write_text(json.dumps({"segIndices": segments.tolist()}))
    return [tmp_path / agg, tmp_path / segs]


def found(scan):
    return [(one.id, one.label) for one in scan.instances]


RIGHT = [(5, "floor"), (6, "table"), (7, "chair")]


@pytest.mark.parametrize("semantic", [False, True])
def test_scannetpp(tmp_path, semantic):
    files = annotations(tmp_path, "segments_anno.json", "segments.json")
    files.append(tmp_path / "mesh_aligned_0.05.ply")
    files[-1].write_bytes(make.ply(VERTICES, COLOURS, FACES))
    if semantic:
        files.append(tmp_path / "mesh_aligned_0.05_semantic.ply")
        files[-1].write_bytes(make.ply(VERTICES, COLOURS // 3, FACES, labels=OBJECTS))
    scan = load(files)
    assert found(scan) == RIGHT and scan.labels_from == "file"
    assert np.array_equal(scan.colours, COLOURS)
    assert np.array_equal(scan.vertex_instance, OBJECTS + 5)


def test_a_whole_scannetpp_scene_is_its_aligned_mesh(tmp_path):
    files = annotations(tmp_path, "segments_anno.json", "segments.json")
    for name in ("mesh_aligned_0.05.ply", "mesh_aligned_0.05_semantic.ply", "pc_aligned.ply"):
        files.append(tmp_path / name)
        files[-1].write_bytes(make.ply(VERTICES, COLOURS, None if name[0] == "p" else FACES))
    scan = load(files)
    assert found(scan) == RIGHT and len(scan.faces) == len(FACES)
    assert keys(scan) == ["files_unused"] and "pc_aligned.ply" in scan.notes[0].facts["names"]


@pytest.mark.parametrize("same_mesh", [True, False])
def test_3rscan(tmp_path, same_mesh):
    obj = tmp_path / "mesh.refined.v2.obj"
    rows = [
        f"v {x} {y} {z} {r} {g} {b}" for (x, y, z), (r, g, b) in zip(VERTICES, COLOURS / 255, strict=True)
    ]
    obj.write_text("\n".join([*rows, *(f"f {a} {b} {c}" for a, b, c in FACES + 1)]))
    order = (
        np.arange(len(VERTICES)) if same_mesh else np.random.default_rng(0).permutation(len(VERTICES))[:-9]
    )
    ply = tmp_path / "labels.instances.annotated.v2.ply"
    fields = [*XYZ, *RGB, ("objectId", "ushort"), ("NYU40", "ushort")]
    ply.write_bytes(
        table_ply(fields, [*VERTICES[order].T, *COLOURS[order].T // 2, OBJECTS[order] + 5, OBJECTS[order]])
    )
    semseg = tmp_path / "semseg.v2.json"
    semseg.write_text(
        json.dumps(
            {"segGroups": [{"objectId": i + 5, "label": n, "segments": []} for i, n in enumerate(make.NAMES)]}
        )
    )
    scan = load([obj, ply, semseg])
    assert found(scan) == RIGHT and np.abs(scan.colours.astype(int) - COLOURS).max() <= 1
    assert (scan.vertex_instance == OBJECTS + 5).mean() > 0.95
    segs = tmp_path / "mesh.refined.0.010000.segs.v2.json"  # of the labelled mesh, whose vertices are others
    segs.write_text(json.dumps({"segIndices": [5] * (len(VERTICES) - 9)}))
    assert found(load([obj, ply, semseg, segs])) == RIGHT


def replica_faces(form):
    """Quads with an object_id each: header lines and body."""
    quads, ids, start = [], [], 0
    for count, number in ((20, 0), (10, 1), (8, 2)):
        u, v = np.meshgrid(np.arange(count - 1), np.arange(count - 1), indexing="ij")
        a = (u * count + v).ravel() + start
        quads.append(np.stack([a, a + count, a + count + 1, a + 1], axis=1))
        ids += [number + 5] * len(a)
        start += count * count
    quads = np.concatenate(quads)
    lines = [f"element face {len(quads)}", "property int object_id", "property list uchar int vertex_indices"]
    if form == "ascii":
        return lines, "\n".join(
            f"{i} 4 {' '.join(map(str, q))}" for i, q in zip(ids, quads, strict=True)
        ) + "\n"
    rows = np.empty(len(quads), [("id", "<i4"), ("n", "u1"), ("list", "<i4", (4,))])
    rows["id"], rows["n"], rows["list"] = ids, 4, quads
    return lines, rows.tobytes()


@pytest.mark.parametrize("form", ["binary", "ascii"])
def test_replica(tmp_path, form):
    path = tmp_path / "mesh_semantic.ply"
    lines, body = replica_faces(form)
    if form == "ascii":
        head = ["ply", "format ascii 1.0", f"element vertex {len(VERTICES)}"]
        head += ["property float x", "property float y", "property float z"]
        head += [f"property uchar {name}" for name, _ in RGB]
        rows = [" ".join(map(str, (*v, *c))) for v, c in zip(VERTICES, COLOURS, strict=True)]
        path.write_text("\n".join([*head, *lines, "end_header", *rows, body]))
    else:
        path.write_bytes(table_ply([*XYZ, *RGB], [*VERTICES.T, *COLOURS.T], (lines, body)))
    info = tmp_path / "info_semantic.json"
    info.write_text(
        json.dumps({"objects": [{"id": i + 5, "class_name": n} for i, n in enumerate(make.NAMES)]})
    )
    scan = load([path, info])
    assert found(scan) == RIGHT and np.array_equal(scan.vertex_instance, OBJECTS + 5)
    assert len(scan.faces) == len(FACES)
    alone = load([path])
    assert [one.label for one in alone.instances] == ["object"] * 3 and keys(alone) == ["labels_unnamed"]


def test_scannets_finer_aggregation_beside_coarser_segments_is_refused_by_name(tmp_path):
    mesh = tmp_path / "scene0000_00_vh_clean_2.ply"
    mesh.write_bytes(make.ply(VERTICES, COLOURS, FACES))
    fine = "scannet.scene0000_00_vh_clean.segs.json"
    files = annotations(
        tmp_path,
        "scene0000_00.aggregation.json",
        "scene0000_00_vh_clean_2.0.010000.segs.json",
        segmentsFile=fine,
    )
    with pytest.raises(UserError) as refused:
        load([mesh, *files])
    assert refused.value.key == "aggregation_resolution" and refused.value.facts["wanted"] == fine
    coarse = "scannet.scene0000_00_vh_clean_2.0.010000.segs.json"
    files = annotations(tmp_path, files[0].name, files[1].name, segmentsFile=coarse)
    assert found(load([mesh, *files])) == RIGHT


def test_a_whole_scannet_scene(tmp_path):
    files = make.scannet(tmp_path)
    for name in ("_vh_clean.ply", "_vh_clean.segs.json", "_vh_clean.aggregation.json"):
        path = tmp_path / f"scene0000_00{name}"
        path.write_bytes(
            make.ply(VERTICES[:50]) if name.endswith("ply") else b'{"segGroups": [], "segIndices": []}'
        )
        files[name] = path
    scan = load(list(files.values()))
    assert [one.label for one in scan.instances] == list(make.NAMES) and not scan.notes


# ---- textures


def sampled(uv):
    """PICTURE at (N, 2) coordinates, v up."""
    height, width = PICTURE.shape[:2]
    return PICTURE[((1 - uv[:, 1]) * height).astype(int), (uv[:, 0] * width).astype(int)]


UV = np.random.default_rng(4).uniform(0.01, 0.99, (len(VERTICES), 2))


@pytest.mark.parametrize("where", ["vertex", "corner", "uneven"])
def test_a_textured_ply(tmp_path, where):
    Image.fromarray(PICTURE).save(tmp_path / "my room_0.png")
    comment = "comment TextureFile my room_0.png"
    corners = ["property list uchar int vertex_indices"]
    if where == "vertex":
        rows = np.empty(len(FACES), [("n", "u1"), ("list", "<i4", (3,))])
        rows["n"], rows["list"] = 3, FACES
        data = table_ply(
            [*XYZ, ("s", "float"), ("t", "float")],
            [*VERTICES.T, *UV.T],
            ([f"element face {len(FACES)}", *corners], rows.tobytes()),
            comment,
        )
    else:
        body = b""
        for face in FACES:
            body += struct.pack("<B3i", 3, *face) + struct.pack("<B6f", 6, *UV[face].ravel())
        extra = 0
        if where == "uneven":  # a quad among the triangles
            body += struct.pack("<B4i", 4, 0, 1, 2, 3) + struct.pack("<B8f", 8, *UV[:4].ravel())
            extra = 1
        lines = [f"element face {len(FACES) + extra}", *corners, "property list uchar float texcoord"]
        data = table_ply(XYZ, list(VERTICES.T), (lines, body), comment)
    path = tmp_path / "room.ply"
    path.write_bytes(data)
    scan = load([path, tmp_path / "my room_0.png"])
    assert np.abs(scan.colours.astype(int) - sampled(np.float32(UV))).mean() < 1 and scan.notes == ()
    bare = load([path])
    assert (
        keys(bare) == ["texture_missing", "colourless"] and bare.notes[0].facts["missing"] == "my room_0.png"
    )
    # A zip makes underscores of blanks.
    packed = make.packed(
        tmp_path / "a.zip", {"x/room.ply": data, "x/my room_0.png": (tmp_path / "my room_0.png").read_bytes()}
    )
    assert np.array_equal(load([packed]).colours, scan.colours)


def obj(tmp_path, map_line, picture="scan.jpg.png", mtl=True):
    rows = [f"v {x} {y} {z}" for x, y, z in VERTICES] + [f"vt {u} {v}" for u, v in UV]
    rows += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in FACES + 1]
    (tmp_path / "m.obj").write_text("\n".join(["mtllib m.mtl", "usemtl skin", *rows]))
    files = [tmp_path / "m.obj"]
    if mtl:
        (tmp_path / "m.mtl").write_text(f"newmtl skin\nKd 1 1 1\n{map_line}\n")
        files.append(tmp_path / "m.mtl")
    if picture:
        Image.fromarray(PICTURE).save(tmp_path / picture)
        files.append(tmp_path / picture)
    return files


@pytest.mark.parametrize(
    ("line", "picture", "told"),
    [
        ("map_Kd tex.png", "tex.png", []),
        ("map_Kd C:\\scans\\my tex.png", "my tex.png", []),
        ("map_Kd -s 1 1 1 my tex.png", "my_tex.png", []),
        ("map_Kd textures/my%20tex.png", "my tex.png", []),
        ("map_Kd TEX.PNG", "tex.png", []),
        ("map_Kd not_found", "textured_0.png", ["texture_guessed"]),
    ],
)
def test_a_texture_is_found_by_its_real_name(tmp_path, line, picture, told):
    scan = load(obj(tmp_path, line, picture))
    assert keys(scan) == told and np.abs(scan.colours.astype(int) - sampled(UV)).mean() < 1


def test_a_texture_that_did_not_come_along_is_told(tmp_path):
    scan = load(obj(tmp_path, "map_Kd deep/room.jpg", None))
    assert keys(scan)[0] == "texture_missing" and scan.notes[0].facts["missing"] == "room.jpg"
    bare = load(obj(tmp_path, "", None, mtl=False))
    assert keys(bare) == ["texture_missing", "colourless"] and not bare.coloured


def test_a_texture_without_a_face_colours_nothing(tmp_path):
    files = obj(tmp_path, "map_Kd tex.png", "tex.png")
    files[0].write_text("\n".join(line for line in files[0].read_text().splitlines() if line[0] != "f"))
    assert not load(files).coloured


# ---- GLB


def glb(tree, binary):
    text = json.dumps(tree).encode()
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    chunks = (
        struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    )
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def written_glb(tmp_path, arrays, material=None, mode=4, picture=False, node=None, indices=True, **more):
    """arrays: {attribute: (array, component type, normalised)}."""
    binary, views, accessors, attributes = b"", [], [], {}
    if indices:
        arrays = {**arrays, "indices": (FACES.reshape(-1, 1).astype("<u4"), 5125, False)}
    for name, (array, component, normalised) in arrays.items():
        binary += bytes(-len(binary) % 4)
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": array.nbytes})
        binary += array.tobytes()
        shape = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}[array.shape[1]]
        accessors.append(
            {
                "bufferView": len(views) - 1,
                "componentType": component,
                "count": len(array),
                "type": shape,
                "normalized": normalised,
            }
        )
        attributes[name] = len(accessors) - 1
    primitive = {"mode": mode}
    if indices:
        primitive["indices"] = attributes.pop("indices")
    primitive["attributes"] = attributes
    tree = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, **(node or {})}],
    }
    tree |= {"meshes": [{"primitives": [primitive]}], "accessors": accessors, "bufferViews": views}
    if picture:
        Image.fromarray(PICTURE).save(tmp_path / "t.png")
        data = (tmp_path / "t.png").read_bytes()
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(data)})
        binary += data
        tree |= {
            "images": [{"bufferView": len(views) - 1, "mimeType": "image/png"}],
            "textures": [{"source": 0}],
        }
    if material is not None:
        primitive["material"] = 0
        tree["materials"] = [material]
    tree |= {"buffers": [{"byteLength": len(binary)}], **more}
    path = tmp_path / "a.glb"
    path.write_bytes(glb(tree, binary))
    return path


POSITION = {"POSITION": (VERTICES.astype("<f4"), 5126, False)}


def srgb(light):
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("width", [3, 4])
@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
def test_color_0_times_the_factor_in_linear_light(tmp_path, kind, width):
    light = np.random.default_rng(5).uniform(0, 1, (len(VERTICES), width))
    most = {"u1": 255, "u2": 65535, "f4": 1}[kind]
    stored = np.round(light * most).astype("<" + kind) if kind != "f4" else light.astype("<f4")
    light = stored / most
    component = {"u1": 5121, "u2": 5123, "f4": 5126}[kind]
    factor = np.array([0.5, 0.25, 1.0])
    material = {"pbrMetallicRoughness": {"baseColorFactor": [*factor, 1.0]}}
    if (stored.nbytes // len(stored)) % 4:  # the standard aligns rows to four bytes
        stored = np.concatenate([stored, np.full((len(stored), 1), most, stored.dtype)], axis=1)
    path = written_glb(tmp_path, {**POSITION, "COLOR_0": (stored, component, kind != "f4")}, material)
    assert np.abs(load([path]).colours - srgb(light[:, :3] * factor)).max() < 2


def test_a_factor_alone_is_linear_too(tmp_path):
    path = written_glb(tmp_path, POSITION, {"pbrMetallicRoughness": {"baseColorFactor": [0.2, 0.05, 0.8, 1]}})
    assert np.abs(load([path]).colours - srgb(np.array([0.2, 0.05, 0.8]))).max() < 1


def test_bytes_without_a_material_are_colours_as_scanners_write_them(tmp_path):
    colours = np.concatenate([COLOURS, np.full((len(COLOURS), 1), 255, np.uint8)], axis=1)
    path = written_glb(tmp_path, {**POSITION, "COLOR_0": (colours, 5121, True)})
    assert np.array_equal(load([path]).colours, COLOURS)


def test_a_glb_without_colour_has_none(tmp_path):
    scan = load([written_glb(tmp_path, POSITION)])
    assert not scan.coloured and keys(scan) == ["colourless"]


@pytest.mark.parametrize("component", [5120, 5121, 5122, 5123])
@pytest.mark.parametrize("normalised", [True, False])
def test_quantised_positions(tmp_path, component, normalised):
    kind = {5120: "i1", 5121: "u1", 5122: "i2", 5123: "u2"}[component]
    top = np.iinfo(kind).max
    steps = np.round(VERTICES / 4 * top).astype("<" + kind)
    stored = np.concatenate([steps, np.zeros((len(steps), 1), steps.dtype)], axis=1)
    scale = 4 if normalised else 4 / top
    path = written_glb(
        tmp_path,
        {"POSITION": (stored, component, normalised)},
        node={"scale": [scale] * 3},
        extensionsRequired=["KHR_mesh_quantization"],
        extensionsUsed=["KHR_mesh_quantization"],
    )
    scan = load([path])
    right = VERTICES @ np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]).T
    assert np.abs(scan.vertices - right).max() < 4 / top


@pytest.mark.parametrize("angle", [0.0, 0.6])
def test_texture_transform(tmp_path, angle):
    offset, scale = np.array([0.1, 0.2]), np.array([0.5, 0.25])
    moved = {"offset": offset.tolist(), "scale": scale.tolist(), "rotation": angle}
    texture = {"index": 0, "extensions": {"KHR_texture_transform": moved}}
    path = written_glb(
        tmp_path,
        {**POSITION, "TEXCOORD_0": (UV.astype("<f4"), 5126, False)},
        {"pbrMetallicRoughness": {"baseColorTexture": texture}},
        picture=True,
        extensionsRequired=["KHR_texture_transform"],
    )
    cos, sin = np.cos(angle), np.sin(angle)
    turned = (UV * scale) @ np.array([[cos, sin], [-sin, cos]]).T + offset
    right = sampled(np.stack([turned[:, 0] % 1, 1 - turned[:, 1] % 1], axis=1))
    assert (np.abs(load([path]).colours.astype(int) - right).max(axis=1) < 2).mean() > 0.98


def test_quantised_texture_coordinates(tmp_path):
    stored = np.round(UV * 65535).astype("<u2")
    path = written_glb(
        tmp_path,
        {**POSITION, "TEXCOORD_0": (stored, 5123, True)},
        {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}},
        picture=True,
    )
    right = sampled(np.stack([UV[:, 0], 1 - UV[:, 1]], axis=1))
    assert (np.abs(load([path]).colours.astype(int) - right).max(axis=1) < 2).mean() > 0.98


@pytest.mark.parametrize(
    "name", ["KHR_draco_mesh_compression", "EXT_meshopt_compression", "EXT_mesh_gpu_instancing"]
)
def test_what_a_glb_requires_and_is_not_read_is_refused_by_name(tmp_path, name):
    with pytest.raises(UserError) as refused:
        load([written_glb(tmp_path, POSITION, extensionsRequired=[name])])
    assert refused.value.key == "mesh_extension" and refused.value.facts["extension"] == name


# ---- clouds


def splat(colours, opacity, points, scale):
    fields = [*XYZ, *((f"f_dc_{i}", "float") for i in range(3)), ("opacity", "float")]
    fields += [(f"scale_{i}", "float") for i in range(3)] + [(f"rot_{i}", "float") for i in range(4)]
    dc = (colours / 255 - 0.5) / 0.28209479
    columns = [*points.T, *dc.T, opacity, *np.repeat(np.log(scale)[None], 3, 0), *np.zeros((4, len(points)))]
    return table_ply(fields, columns)


def test_a_gaussian_splat(tmp_path):
    rng = np.random.default_rng(0)
    points = np.concatenate([VERTICES, rng.uniform(-40, 40, (60, 3)), VERTICES[:50] + 0.3])
    colours = np.concatenate([COLOURS, np.full((60, 3), 250), np.zeros((50, 3))])
    opacity = np.concatenate([np.full(len(VERTICES) + 60, 4.0), np.full(50, -6.0)])
    path = tmp_path / "point_cloud.ply"
    path.write_bytes(splat(colours, opacity, points, np.full(len(points), 0.02)))
    scan = load([path])
    assert np.ptp(scan.vertices, axis=0).max() < 8
    assert abs(len(scan.vertices) - len(VERTICES)) < 20
    assert np.abs(scan.colours.mean(0) - COLOURS.mean(0)).max() < 3 and keys(scan)[0] == "splat"


def test_a_splat_of_plain_scales_keeps_its_points_and_one_of_nothing_is_refused(tmp_path):
    path, full = tmp_path / "plain.ply", np.full(len(VERTICES), 4.0)
    path.write_bytes(splat(COLOURS, full, VERTICES, np.exp(np.full(len(VERTICES), 0.02))))
    assert len(load([path]).vertices) > 0.9 * len(VERTICES)
    path.write_bytes(splat(COLOURS, full - 20, VERTICES, np.full(len(VERTICES), 0.02)))
    with pytest.raises(UserError) as refused:
        load([path])
    assert refused.value.key == "scan_empty"


def test_a_splat_without_opacity_has_its_colours(tmp_path):
    fields = [*XYZ, *((f"f_dc_{i}", "float") for i in range(3))]
    path = tmp_path / "bare.ply"
    path.write_bytes(table_ply(fields, [*VERTICES.T, *((COLOURS / 255 - 0.5) / 0.28209479).T]))
    assert np.abs(load([path]).colours.mean(0) - COLOURS.mean(0)).max() < 3


def test_map_coordinates_are_moved_to_the_origin(tmp_path):
    fields = [(axis, "double") for axis in "xyz"] + RGB + [("scalar_Intensity", "float")]
    far = VERTICES + np.array([455_321.25, 5_412_345.5, 512.0])
    path = tmp_path / "cloud.ply"
    path.write_bytes(table_ply(fields, [*far.T, *COLOURS.T, np.zeros(len(far))]))
    scan = load([path])
    assert (
        keys(scan) == ["fields_unused", "scan_moved"] and "scalar_Intensity" in scan.notes[0].facts["names"]
    )
    inside = scan.vertices - scan.vertices.min(0)
    assert np.abs(inside - (VERTICES - VERTICES.min(0))).max() < 1e-3
    assert np.abs(scan.vertices).max() < 600


@pytest.mark.parametrize("form", ["binary", "ascii"])
def test_a_list_among_the_vertices_properties_is_stepped_over(tmp_path, form):
    path = tmp_path / "cloud.ply"
    head = f"element vertex {len(VERTICES)}\nproperty float x\nproperty list uchar float extra\n"
    head += (
        "property float y\nproperty float z\n"
        + "".join(f"property uchar {n}\n" for n, _ in RGB)
        + "end_header\n"
    )
    if form == "ascii":
        rows = [
            f"{x} {i % 3} {'7 ' * (i % 3)}{y} {z} {r} {g} {b}"
            for i, ((x, y, z), (r, g, b)) in enumerate(zip(VERTICES, COLOURS, strict=True))
        ]
        path.write_text("ply\nformat ascii 1.0\n" + head + "\n".join(rows) + "\n")
    else:
        body = b"".join(
            struct.pack("<fB", v[0], i % 3) + bytes(4 * (i % 3)) + struct.pack("<ff3B", v[1], v[2], *c)
            for i, (v, c) in enumerate(zip(VERTICES, COLOURS.tolist(), strict=True))
        )
        path.write_bytes(b"ply\nformat binary_little_endian 1.0\n" + head.encode() + body)
    scan = load([path])
    assert np.abs(scan.vertices - VERTICES).max() < 1e-5 and np.array_equal(scan.colours, COLOURS)
    assert keys(scan) == ["fields_unused"]


def test_a_lidar_cloud_big_endian_in_millimetres_has_no_colour(tmp_path):
    path = tmp_path / "lidar.ply"
    path.write_bytes(table_ply([(axis, "double") for axis in "xyz"], list(VERTICES.T * 1000), order=">"))
    scan = load([path])
    assert scan.unit == "mm" and not scan.coloured and keys(scan) == ["colourless"]
    assert np.abs(scan.vertices - VERTICES).max() < 1e-3


def test_sixteen_bit_colours(tmp_path):
    path = tmp_path / "deep.ply"
    fields = [*XYZ, *((name, "ushort") for name, _ in RGB)]
    path.write_bytes(table_ply(fields, [*VERTICES.T, *(COLOURS.astype(int) * 257).T]))
    assert np.array_equal(load([path]).colours, COLOURS)


def test_the_faces_of_a_modelled_room_are_sampled(tmp_path):
    corners = np.array([[0, 0, 0], [6, 0, 0], [6, 4, 0], [0, 4, 0], [0, 0, 2.5], [6, 0, 2.5]])
    (tmp_path / "m.obj").write_text(
        "mtllib m.mtl\n"
        + "".join(f"v {x} {y} {z}\n" for x, y, z in corners)
        + "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
        + "usemtl floor\nf 1/1 2/2 3/3 4/4\nusemtl wall\nf 1 2 6 5\n"
    )
    (tmp_path / "m.mtl").write_text("newmtl floor\nmap_Kd t.png\nnewmtl wall\nKd 1 0 0\n")
    half = np.zeros((8, 8, 3), np.uint8)
    half[:, 4:] = (0, 0, 255)
    Image.fromarray(half).save(tmp_path / "t.png")
    scan = load([tmp_path / name for name in ("m.obj", "m.mtl", "t.png")])
    assert len(scan.vertices) > 5000 and keys(scan) == ["modelled"]
    inside = (scan.vertices[:, 2] == 0) & (scan.vertices[:, 1] > 0.1)
    floor, colours = scan.vertices[inside], scan.colours[inside]
    assert (colours[floor[:, 0] > 3.1] == (0, 0, 255)).all() and (colours[floor[:, 0] < 2.9] == 0).all()
    wall = scan.vertices[:, 2] > 0.1
    assert (scan.colours[wall] == (255, 0, 0)).all()
    gaps = np.diff(np.unique(np.round(floor[:, 0], 3)))
    assert gaps.max() < 0.06


def test_files_of_no_use_are_told(tmp_path):
    files = make.scannet(tmp_path)
    Image.fromarray(PICTURE).save(tmp_path / "photo.png")
    scan = load([*files.values(), tmp_path / "photo.png"])
    assert keys(scan) == ["files_unused"] and scan.notes[0].facts["names"] == "photo.png"


def test_files_of_kinds_that_no_scan_has_are_told_in_a_zip_too(tmp_path):
    path = make.packed(
        tmp_path / "scene.zip",
        {
            "scans/room.ply": make.ply(VERTICES, COLOURS, FACES),
            "scans/room.sens": b"12",
            "__MACOSX/scans/._room.ply": b"1",
            "scans/.DS_Store": b"1",
        },
    )
    assert [one.facts for one in load([path]).notes] == [{"count": 1, "names": "room.sens"}]
    (tmp_path / "room.e57").write_bytes(b"ASTM-E57")
    with pytest.raises(UserError) as refused:
        load([tmp_path / "room.e57"])
    assert refused.value.key == "scan_no_mesh" and refused.value.facts == {"names": "room.e57"}


def test_parts_of_a_ply_that_are_not_read_are_told(tmp_path):
    rows = "".join(f"{x} {y} {z}\n" for x, y, z in [(0, 0, 0), (3, 0, 0), (0, 3, 0), (3, 3, 1)])
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    strips = "element tristrips 1\nproperty list int int vertex_indices\n"
    head = f"ply\nformat ascii 1.0\nelement vertex 4\n{axes}{strips}end_header\n"
    (tmp_path / "strips.ply").write_text(f"{head}{rows}4 0 1 2 3\n")
    scan = load([tmp_path / "strips.ply"])
    assert keys(scan) == ["parts_unused", "colourless"] and scan.notes[0].facts["names"] == "tristrips"


def test_inspect(tmp_path, capsys):
    path = tmp_path / "room.ply"
    path.write_bytes(make.ply(VERTICES, COLOURS, FACES))
    assert command_line.main(["inspect", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["points"] == len(VERTICES) and told["labels"] == "none" and told["instances"] == 0
    assert told["extent"] == pytest.approx(np.ptp(VERTICES, axis=0), abs=1e-3)
    assert told["mean_colour"] == pytest.approx(COLOURS.mean(0), abs=0.01) and told["notes"] == []
    path.write_bytes(make.ply(VERTICES))
    assert command_line.main(["inspect", str(path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mean_colour"] is None and "no colour" in told["notes"][0]
    path.write_bytes(b"ply\nnonsense")
    assert command_line.main(["inspect", str(path), "--json"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1

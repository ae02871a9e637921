"""The CC0 furniture models that Debian packages as sweethome3d-furniture."""

import functools
import io
import zipfile
from pathlib import Path

import numpy as np
import trimesh
from trimesh.resolvers import ZipResolver

from models.core.errors import UserError
from models.scene.synthetic_rooms.shapes import Material, Shape, from_trimesh, join

PACKAGE = "sweethome3d-furniture"
LIBRARY = Path("/usr/share/sweethome3d/furniture/BlendSwap-CC-0.sh3f")
CATALOGUE = "PluginFurnitureCatalog.properties"
MAX_TEXTURE = 512
PLAIN = (190.0, 190.0, 190.0)


def available() -> bool:
    """Whether the Debian package is there."""
    return LIBRARY.is_file()


@functools.cache
def catalogue() -> dict[str, dict[str, str]]:
    """What the library says of each model (name, creator, width, depth, height in cm), by its file's name.

    Raises UserError("furniture_missing") where the package is not installed.
    """
    entries: dict[str, dict[str, str]] = {}
    for line in _archive().read(CATALOGUE).decode("latin-1").splitlines():
        key, separator, value = line.strip().partition("=")
        name, hash_sign, number = key.partition("#")
        if separator and hash_sign:
            entries.setdefault(number, {})[name] = value
    return {Path(entry["model"]).stem: entry for entry in entries.values()}


@functools.cache
def load(name: str) -> Shape:
    """A model in metres, settled at the origin, scaled to the size that the catalogue gives."""
    entry = catalogue()[name]
    path = entry["model"].lstrip("/")
    scene = trimesh.load_scene(
        io.BytesIO(_archive().read(path)),
        file_type="obj",
        resolver=ZipResolver(_files(), namespace=str(Path(path).parent)),
        group_material=True,
    )
    shape = join([_shape(mesh) for mesh in scene.geometry.values()])
    turn = np.array(entry.get("modelRotation", "1 0 0 0 1 0 0 0 1").split(), float).reshape(3, 3)
    upright = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    shape = shape.mapped(upright @ turn).settled()
    wanted = np.array([float(entry[side]) / 100 for side in ("width", "depth", "height")])
    return shape.mapped(np.diag(wanted / np.maximum(shape.size, 1e-6)))


@functools.cache
def _archive() -> zipfile.ZipFile:
    if not available():
        raise UserError("furniture_missing", package=PACKAGE, path=str(LIBRARY))
    return zipfile.ZipFile(LIBRARY)


@functools.cache
def _files() -> dict[str, io.BytesIO]:
    archive = _archive()
    wanted = (".mtl", ".jpg", ".jpeg", ".png")
    return {
        name: io.BytesIO(archive.read(name)) for name in archive.namelist() if name.lower().endswith(wanted)
    }


def _shape(mesh: trimesh.Trimesh) -> Shape:
    material = getattr(mesh.visual, "material", None)
    if material is None:  # a group that names no material
        return from_trimesh(mesh, Material(PLAIN))
    red, green, blue = (float(channel) for channel in material.main_color[:3])
    image, uv = getattr(material, "image", None), getattr(mesh.visual, "uv", None)
    if image is None or uv is None:
        return from_trimesh(mesh, Material((red, green, blue)))
    image = image.convert("RGB")
    image.thumbnail((MAX_TEXTURE, MAX_TEXTURE))
    return from_trimesh(mesh, Material((red, green, blue), np.asarray(image)), np.asarray(uv, np.float32))

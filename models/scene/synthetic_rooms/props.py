"""What the CC0 library lacks, built from primitives: openings, things on walls, cloth, office things.

Each function gives a Shape that stands on z = 0 with its front to -y.
What hangs on a wall has its back at y = 0.
"""

import itertools

import numpy as np

from models.scene.synthetic_rooms import textures
from models.scene.synthetic_rooms.shapes import (
    Colour,
    Material,
    Shape,
    box,
    cushion,
    cylinder,
    join,
    lathe,
    panel,
    rod,
)

WHITE: Colour = (236, 236, 232)
DARK: Colour = (38, 38, 42)
STEEL: Colour = (160, 162, 166)
DAYLIGHT: Colour = (214, 230, 246)


def door(width: float, height: float, colour: Colour) -> Shape:
    """A closed door in its frame."""
    frame = tuple(min(255.0, 0.6 * channel + 100) for channel in colour)
    edge, dark = 0.07, tuple(0.86 * channel for channel in colour)
    parts = [
        box((edge, 0.06, height), (side * (width - edge) / 2, -0.03, 0), frame)  # type: ignore[arg-type]
        for side in (-1, 1)
    ]
    parts.append(box((width, 0.06, edge), (0, -0.03, height - edge), frame))  # type: ignore[arg-type]
    leaf = width - 2 * edge
    parts.append(box((leaf, 0.03, height - edge), (0, -0.015, 0), colour))
    for low, high in ((0.15, 0.9), (1.05, height - 0.25)):
        parts.append(box((leaf * 0.68, 0.012, high - low), (0, -0.036, low), dark))  # type: ignore[arg-type]
    parts.append(box((0.13, 0.05, 0.03), (leaf / 2 - 0.1, -0.06, 1.02), STEEL))
    return join(parts)


def window(width: float, height: float, colour: Colour = WHITE) -> Shape:
    """A bright pane, its frame with a middle bar, and a sill; the pane lies deeper than the frame."""
    edge = 0.07
    parts = [
        box((edge, 0.08, height), (x, -0.04, 0), colour) for x in (-(width - edge) / 2, 0, (width - edge) / 2)
    ]
    parts += [box((width, 0.08, edge), (0, -0.04, z), colour) for z in (0, height - edge)]
    parts.append(box((width + 0.1, 0.13, 0.03), (0, -0.065, -0.03), colour))
    parts.append(box((width - edge, 0.01, height - edge), (0, -0.005, edge / 2), DAYLIGHT))
    return join(parts)


def framed(width: float, height: float, image: textures.Image, frame: Colour, edge: float = 0.04) -> Shape:
    """A picture, a whiteboard or a mirror: an image in a frame."""
    canvas = panel(width - edge, height - edge, Material((0, 0, 0), image))
    parts = [box((width, 0.03, height), (0, -0.015, 0), frame)]
    parts.append(canvas.moved(-(width - edge) / 2, -0.032, edge / 2))
    return join(parts)


def curtain(width: float, height: float, colour: Colour) -> Shape:
    """A hanging cloth in folds."""
    steps = max(int(width / 0.03), 6)
    x = np.linspace(-width / 2, width / 2, steps + 1)
    y = -0.07 + 0.03 * np.sin(x * 45)
    strips = []
    for i in range(steps):
        run = float(np.hypot(x[i + 1] - x[i], y[i + 1] - y[i]))
        yaw = float(np.arctan2(y[i + 1] - y[i], x[i + 1] - x[i]))
        strips.append(panel(run, height, Material(colour)).moved(float(x[i]), float(y[i]), 0, yaw))
    return join(strips)


def rug(width: float, depth: float, image: textures.Image) -> Shape:
    """A carpet 2 cm thick."""
    flat = panel(width, depth, Material((0, 0, 0), image)).mapped(
        np.array([[1, 0, 0], [0, 0, 1], [0, 1.0, 0]])
    )
    border = tuple(float(channel) for channel in image[0].mean(0))
    base = box((width, depth, 0.018), (0, 0, 0), border)  # type: ignore[arg-type]
    return join([base, flat.moved(-width / 2, -depth / 2, 0.02)])


def pillow(rng: np.random.Generator, width: float, depth: float, colour: Colour) -> Shape:
    """A cushion of plain or striped cloth that sinks a little into what it lies on."""
    other = tuple(min(255.0, channel * 0.55 + 100) for channel in colour)
    image = (
        textures.plain(rng, colour) if rng.random() < 0.6 else textures.stripes(rng, colour, other)  # type: ignore[arg-type]
    )
    return cushion((width, depth, 0.15), Material(colour, image)).moved(z=-0.025)


def leaning_pillow(rng: np.random.Generator, side: float, colour: Colour) -> Shape:
    """A square cushion that leans on a backrest behind it."""
    angle = np.radians(68)
    c, s = np.cos(angle), np.sin(angle)
    return pillow(rng, side, side, colour).mapped(np.array([[1, 0, 0], [0, c, -s], [0, s, c]])).settled()


def office_chair(colour: Colour) -> Shape:
    """A swivel chair with a five-star foot, castors and armrests; 0.98 m high."""
    parts = [cylinder(0.03, 0.34, (0, 0, 0.1), DARK), cushion((0.5, 0.48, 0.1), colour, 0.35).moved(z=0.43)]
    for k in range(5):
        x, y = 0.29 * np.sin(2 * np.pi * k / 5), 0.29 * np.cos(2 * np.pi * k / 5)
        parts += [rod((0, 0, 0.12), (x, y, 0.07), 0.022, DARK), box((0.05, 0.05, 0.07), (x, y, 0), DARK)]
    back = (
        cushion((0.46, 0.5, 0.09), colour, 0.4)
        .mapped(np.array([[1, 0, 0], [0, 0, 1], [0, 1.0, 0]]))
        .settled()
    )
    parts += [back.moved(0, 0.25, 0.48 + 0.02), box((0.08, 0.03, 0.3), (0, 0.3, 0.42), DARK)]
    for side in (-0.27, 0.27):
        parts += [
            box((0.05, 0.26, 0.035), (side, 0.03, 0.66), DARK),
            box((0.04, 0.06, 0.2), (side, 0.05, 0.47), DARK),
        ]
    return join(parts)


def school_chair(colour: Colour) -> Shape:
    """A shell on four square legs; 0.82 m high."""
    back = (
        cushion((0.4, 0.34, 0.05), colour, 0.3)
        .mapped(np.array([[1, 0, 0], [0, 0, 1], [0, 1.0, 0]]))
        .settled()
    )
    parts = [cushion((0.42, 0.42, 0.06), colour, 0.3).moved(z=0.42), back.moved(0, 0.22, 0.48)]
    for x in (-0.17, 0.17):
        parts += [box((0.04, 0.04, 0.44), (x, y, 0), STEEL) for y in (-0.17, 0.19)]
        parts.append(box((0.035, 0.035, 0.36), (x, 0.22, 0.4), STEEL))
    return join(parts)


def bed(rng: np.random.Generator, width: float, frame: Colour, cover: Colour) -> Shape:
    """A bed 2.06 m long without pillows: frame, headboard, mattress and a blanket over its lower part."""
    parts = [box((width, 2.06, 0.28), (0, 0, 0.04), frame), box((width, 0.06, 0.95), (0, 1.03, 0), frame)]
    parts.append(cushion((width - 0.06, 1.98, 0.24), (238, 236, 230), 0.16).moved(z=0.28))
    light = tuple(min(255.0, 0.6 * channel + 90) for channel in cover)
    cloth = textures.stripes(rng, cover, light, 5)  # type: ignore[arg-type]
    blanket = cushion((width + 0.02, 1.45, 0.3), Material(cover, cloth), 0.16)
    return join([*parts, blanket.moved(0, -0.29, 0.26)])


def monitor(rng: np.random.Generator) -> Shape:
    """A screen on its foot, switched on or off."""
    bright = rng.random() < 0.6
    image = (
        textures.print_lines(rng, (225, 232, 240), (70, 95, 140))
        if bright
        else textures.plain(rng, (22, 24, 30))
    )
    screen = framed(0.54, 0.33, image, DARK, 0.03).moved(0, 0.01, 0.12)
    return join(
        [screen, box((0.06, 0.03, 0.2), (0, 0.04, 0), DARK), box((0.24, 0.17, 0.015), (0, 0.02, 0), DARK)]
    )


def keyboard(colour: Colour) -> Shape:
    """A slab: at the scan's resolution keys are not seen."""
    return box((0.44, 0.14, 0.025), (0, 0, 0), colour)


def laptop(rng: np.random.Generator) -> Shape:
    """An open laptop."""
    screen = framed(0.34, 0.23, textures.print_lines(rng, (235, 238, 242), (60, 80, 120)), DARK, 0.02)
    tilt = np.radians(15)
    lean = np.array([[1, 0, 0], [0, np.cos(tilt), np.sin(tilt)], [0, -np.sin(tilt), np.cos(tilt)]])
    return join(
        [box((0.34, 0.24, 0.02), (0, 0, 0), (150, 152, 156)), screen.mapped(lean).moved(0, 0.12, 0.02)]
    )


def book_row(rng: np.random.Generator, width: float, height: float = 0.24, depth: float = 0.17) -> Shape:
    """Books that stand side by side, spines to the front."""
    parts, x = [], -width / 2
    while x < width / 2 - 0.05:
        thick = float(rng.uniform(0.025, 0.05))
        tall = float(height * rng.uniform(0.78, 1))
        parts.append(box((thick * 0.96, depth, tall), (x + thick / 2, 0, 0), _book_colour(rng)))
        x += thick
    return join(parts)


def book_stack(rng: np.random.Generator, count: int) -> Shape:
    """Books that lie on each other, not quite in line."""
    parts, z = [], 0.0
    for _ in range(count):
        thick = float(rng.uniform(0.025, 0.045))
        book = box((rng.uniform(0.2, 0.26), rng.uniform(0.15, 0.19), thick), (0, 0, 0), _book_colour(rng))
        parts.append(book.moved(z=z, yaw=float(rng.normal(0, 0.15))))
        z += thick
    return join(parts)


def bookshelf(width: float, height: float, colour: Colour, shelves: int, depth: float = 0.3) -> Shape:
    """An open shelf with a back; its boards lie at equal distances (see `shelf_heights`)."""
    parts = [box((0.025, depth, height), (side * (width - 0.025) / 2, 0, 0), colour) for side in (-1, 1)]
    parts.append(box((width, 0.015, height), (0, (depth - 0.015) / 2, 0), colour))
    parts += [box((width, depth, 0.025), (0, 0, z - 0.025), colour) for z in shelf_heights(height, shelves)]
    parts.append(box((width, depth, 0.025), (0, 0, height - 0.025), colour))
    return join(parts)


def shelf_heights(height: float, shelves: int) -> list[float]:
    """The upper sides of the boards of a `bookshelf`, its top left out."""
    return [0.06 + k * (height - 0.06) / shelves for k in range(shelves)]


def cupboard(
    width: float, depth: float, height: float, colour: Colour, rows: int = 1, columns: int = 2
) -> Shape:
    """A closed case with doors (one row) or drawers (several rows)."""
    parts = [box((width, depth, height), (0, 0, 0), colour)]
    front = tuple(min(255.0, 1.09 * channel + 4) for channel in colour)
    wide, tall = (width - 0.02) / columns, (height - 0.06) / rows
    for row in range(rows):
        for column in range(columns):
            x, z = -width / 2 + 0.01 + (column + 0.5) * wide, 0.05 + row * tall
            leaf = box((wide - 0.025, 0.02, tall - 0.025), (x, -depth / 2 - 0.01, z), front)  # type: ignore[arg-type]
            knob_z = z + tall / 2 - 0.02
            parts += [leaf, box((min(0.12, wide / 3), 0.02, 0.02), (x, -depth / 2 - 0.03, knob_z), STEEL)]
    return join(parts).settled()


def table(width: float, depth: float, height: float, top: Colour | Material, legs: Colour) -> Shape:
    """A plain table with four legs."""
    parts = [box((width, depth, 0.04), (0, 0, height - 0.04), top)]
    for x in (-1, 1):
        for y in (-1, 1):
            at = (x * (width / 2 - 0.06), y * (depth / 2 - 0.06), 0)
            parts.append(box((0.06, 0.06, height - 0.04), at, legs))
    return join(parts)


def trash_can(colour: Colour, radius: float = 0.14, height: float = 0.3) -> Shape:
    """An open bucket, wider at the top."""
    inner, wall = tuple(0.6 * channel for channel in colour), radius - 0.01
    outside = lathe([(0, 0), (radius * 0.78, 0), (radius, height), (wall, height)], colour)
    inside = lathe([(wall, height), (radius * 0.76, 0.02), (0, 0.02)], inner)  # type: ignore[arg-type]
    return join([outside, inside])


def floor_lamp(shade: Colour) -> Shape:
    """1.6 m high, with a drum shade."""
    stem = [cylinder(0.15, 0.03, colour=DARK), cylinder(0.018, 1.35, (0, 0, 0.03), DARK)]
    return join([*stem, cylinder(0.22, 0.28, (0, 0, 1.32), shade, top=0.16)])


def table_lamp(shade: Colour, foot: Colour) -> Shape:
    """0.45 m high."""
    body = lathe(
        [(0, 0), (0.08, 0), (0.075, 0.03), (0.04, 0.08), (0.055, 0.15), (0.018, 0.24), (0, 0.24)], foot
    )
    return join([body, cylinder(0.16, 0.2, (0, 0, 0.25), shade, top=0.1)])


def backpack(colour: Colour) -> Shape:
    """A rucksack with a front pocket, standing."""
    dark = tuple(0.7 * channel for channel in colour)
    upright = np.array([[1, 0, 0], [0, 0, -1], [0, 1.0, 0]])
    body = cushion((0.32, 0.46, 0.2), colour, 0.4).mapped(upright).settled()
    pocket = cushion((0.25, 0.24, 0.1), dark, 0.4).mapped(upright).settled()  # type: ignore[arg-type]
    return join([body, pocket.moved(0, -0.11, 0.04), box((0.1, 0.03, 0.04), (0, 0.02, 0.45), DARK)])


def carton(width: float, depth: float, height: float, is_open: bool) -> Shape:
    """A cardboard box, closed with tape or with its flaps up."""
    brown: Colour = (178, 140, 98)
    if not is_open:
        tape = box((0.06, depth + 0.004, 0.004), (0, 0, height), (205, 182, 140))
        return join([box((width, depth, height), (0, 0, 0), brown), tape])
    wall, inner = 0.012, (140.0, 108.0, 74.0)
    parts = [box((width, depth, wall), (0, 0, 0), inner)]
    for side in (-1, 1):
        parts.append(box((width, wall, height), (0, side * (depth - wall) / 2, 0), brown))
        parts.append(box((wall, depth, height), (side * (width - wall) / 2, 0, 0), brown))
        flap = box((depth * 0.4, width, wall), (0, 0, 0), brown).moved(yaw=float(np.pi / 2))
        parts.append(flap.moved(0, side * (depth / 2 + depth * 0.18), height - wall))
    return join(parts)


def bathtub(length: float = 1.7, width: float = 0.75, height: float = 0.56) -> Shape:
    """A built-in tub with a hollow, along x; the tap is at its left end."""
    around = np.linspace(0, 2 * np.pi, 33)

    def ring(scale: float, z: float) -> np.ndarray:
        x, y = np.sign(np.cos(around)), np.sign(np.sin(around))
        rounded = np.stack([x * np.abs(np.cos(around)) ** 0.4, y * np.abs(np.sin(around)) ** 0.4], 1)
        inside = rounded * (np.array([length, width]) / 2 - scale)
        return np.column_stack([inside, np.full(len(around), z)])

    rings = [
        ring(0.0, height - 0.04),
        ring(0.0, height),
        ring(0.07, height),
        ring(0.1, 0.3),
        ring(0.18, 0.16),
    ]
    quads = []
    for low, high in itertools.pairwise(rings):
        quads += [np.stack([low[:-1], low[1:], high[1:]], 1), np.stack([low[:-1], high[1:], high[:-1]], 1)]
    middle = np.broadcast_to([0, 0, 0.16], rings[-1][:-1].shape)
    quads.append(np.stack([rings[-1][:-1], rings[-1][1:], middle], 1))
    triangles = np.concatenate(quads).astype(np.float32)
    basin = Shape(
        triangles,
        np.zeros((*triangles.shape[:2], 2), np.float32),
        np.zeros(len(triangles), np.int32),
        (Material(WHITE),),
    )
    apron = [box((length, 0.02, height - 0.01), (0, side * (width / 2 - 0.01), 0), WHITE) for side in (-1, 1)]
    apron += [
        box((0.02, width, height - 0.01), (side * (length / 2 - 0.01), 0, 0), WHITE) for side in (-1, 1)
    ]
    tap = [box((0.05, 0.16, 0.05), (-length / 2 + 0.06, 0, height), STEEL)]
    tap.append(box((0.16, 0.04, 0.03), (-length / 2 + 0.12, 0, height + 0.05), STEEL))
    return join([basin, *apron, *tap])


def clock(rng: np.random.Generator) -> Shape:
    """A round wall clock."""
    rim = tuple(rng.uniform(20, 160, 3))
    face = [cylinder(0.16, 0.03, colour=rim), cylinder(0.135, 0.034, colour=WHITE)]
    hands = [
        box((0.014, 0.1, 0.004), (0, 0.04, 0.034), DARK),
        box((0.07, 0.014, 0.004), (0.03, 0, 0.034), DARK),
    ]
    return join([*face, *hands]).mapped(np.array([[1, 0, 0], [0, 0, -1], [0, 1.0, 0]])).moved(z=0.16)


def blanket_towel(width: float, height: float, colour: Colour) -> Shape:
    """A towel that hangs over a bar on the wall."""
    bar = rod((-width / 2 - 0.06, -0.05, height), (width / 2 + 0.06, -0.05, height), 0.012, STEEL)
    return join([bar, box((width, 0.03, height), (0, -0.05, 0), colour)])


def _book_colour(rng: np.random.Generator) -> Colour:
    red, green, blue = rng.choice(
        [
            (150, 40, 40),
            (35, 70, 130),
            (40, 105, 70),
            (200, 170, 90),
            (225, 220, 205),
            (60, 55, 65),
            (190, 95, 45),
        ]
    )
    return float(red), float(green), float(blue)

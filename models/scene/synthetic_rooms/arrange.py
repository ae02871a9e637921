"""Arrangements that several kinds of rooms share: openings, shelves, desks, dining tables."""

import numpy as np

from models.scene.synthetic_rooms import props, textures
from models.scene.synthetic_rooms.furniture import load
from models.scene.synthetic_rooms.layout import WALLS, Plan
from models.scene.synthetic_rooms.shapes import Colour, Material, Shape

CLOTH: tuple[Colour, ...] = (
    (172, 48, 44), (38, 84, 132), (62, 118, 86), (214, 168, 62),
    (120, 84, 132), (196, 112, 68), (84, 88, 96), (212, 204, 188),
)  # fmt: skip
WOOD: tuple[Colour, ...] = ((168, 122, 76), (120, 80, 50), (204, 170, 124), (92, 62, 44), (226, 222, 214))
PAINT: tuple[Colour, ...] = (
    (232, 226, 210), (214, 224, 226), (222, 230, 212), (238, 220, 204), (226, 222, 232), (236, 234, 228),
)  # fmt: skip


def colour(plan: Plan, choices: tuple[Colour, ...] = CLOTH) -> Colour:
    """One of the colours, a little off."""
    red, green, blue = np.array(choices[plan.rng.integers(len(choices))]) * plan.rng.uniform(0.92, 1.06)
    return float(min(red, 250)), float(min(green, 250)), float(min(blue, 250))


def pick(plan: Plan, *names: str) -> Shape:
    """One of the library's models."""
    return load(names[plan.rng.integers(len(names))])


def floor_plant(plan: Plan) -> Shape:
    """A plant in a pot that stands on the floor, with leaves that a depth camera can see."""
    kind = plan.rng.integers(3)
    if kind == 0:
        return load("decorativePlant")
    return (
        load("littlePlant").mapped(np.eye(3) * 2.3) if kind == 1 else load("augalas").mapped(np.eye(3) * 1.5)
    )


def shell(plan: Plan, floor: str, tiled_walls: bool = False) -> None:
    """Floor and walls, once doors and windows are known."""
    rng, paint = plan.rng, colour(plan, PAINT)
    if floor == "planks":
        ground, tile = textures.planks(rng, colour(plan, WOOD[:3])), 2.0
    elif floor == "tiles":
        light = rng.random() < 0.5
        ground = textures.tiles(rng, (206, 200, 190), (150, 146, 140), None if light else (120, 116, 112))
        tile = 1.2
    else:
        ground, tile = (
            textures.plain(rng, colour(plan, ((112, 118, 128), (134, 122, 108), (96, 108, 104))), 0.06),
            2.0,
        )
    wall = textures.tiles(rng, paint, (186, 186, 182)) if tiled_walls else textures.plain(rng, paint, 0.012)
    plan.build(Material(paint, wall), Material((150, 140, 130), ground), props.WHITE, tile)


def windows(plan: Plan, wall: str, count: int, width: float, curtains: bool) -> None:
    """Equal windows side by side, with a radiator under each where it fits."""
    height, sill = 1.25, 0.95
    cloth = colour(plan)
    for k in range(count):
        u = plan.length(wall) * ((k + 0.5) / count - 0.5) * 0.92
        plan.open(wall, u, sill, props.window(width, height), "window")
        if curtains:
            for side in (-1, 1):
                hanging = props.curtain(0.42, 2.05, cloth)
                plan.drape(wall, u + side * (width / 2 + 0.12), 0.25, hanging, "curtain")


def radiators(plan: Plan, wall: str, count: int) -> None:
    """Radiators along a wall, where its windows are."""
    for k in range(count):
        u = plan.length(wall) * ((k + 0.5) / count - 0.5) * 0.92
        plan.against(wall, load("radiator3"), "radiator", u, gap=0.03)


def door(plan: Plan, wall: str, side: int) -> None:
    """A door near one end of a wall. side: -1 left, 1 right."""
    u = side * (plan.length(wall) / 2 - 0.75)
    plan.open(wall, u, 0.0, props.door(0.92, 2.05, colour(plan, WOOD)), "door")


def pictures(plan: Plan, count: int, low: float = 1.35) -> None:
    """Framed pictures wherever a wall without windows has room."""
    walls = [wall for wall in WALLS if all(low == 0 for _, _, low, _ in plan.openings.get(wall, []))]
    for _ in range(count):
        width, height = plan.rng.uniform(0.4, 0.8), plan.rng.uniform(0.35, 0.6)
        painting = (textures.landscape if plan.rng.random() < 0.6 else textures.abstract)(plan.rng)
        frame = props.framed(width, height, painting, colour(plan, WOOD))
        wall = walls[plan.rng.integers(len(walls))]
        plan.against(wall, frame, "picture", z=low + float(plan.rng.uniform(0, 0.15)))


def shelf(plan: Plan, wall: str, width: float, height: float, u: float | None = None) -> int | None:
    """A bookshelf with books and a few other things in it."""
    shelves = max(int(height / 0.36), 2)
    case = plan.against(wall, props.bookshelf(width, height, colour(plan, WOOD), shelves), "bookshelf", u)
    if case is None:
        return None
    plan.reserve(case, 0.5)
    for z in props.shelf_heights(height, shelves):
        roll, below = plan.rng.random(), z + 0.2
        if roll < 0.78:
            row = props.book_row(
                plan.rng, width * plan.rng.uniform(0.5, 0.92), min(0.25, height / shelves - 0.07)
            )
            plan.top(case, row, "books", 0, -0.02, below=below)
        elif roll < 0.93:
            for x in (-width / 4, width / 4):
                thing = (
                    props.book_stack(plan.rng, 3)
                    if plan.rng.random() < 0.6
                    else pick(plan, "cactus", "orchids")
                )
                label = "books" if thing.size[2] < 0.14 else "plant"
                if thing.size[2] < height / shelves - 0.05:
                    plan.top(case, thing, label, x, 0, below=below)
    if height < 1.9:
        plan.top(
            case, pick(plan, "littlePlant", "augalas"), "plant", width * plan.rng.uniform(-0.25, 0.25), 0
        )
    return case


def desk_things(plan: Plan, desk: int, screens: int = 1) -> None:
    """Monitor, keyboard, lamp, books and a cup on a desk whose user sits in front of it."""
    rng = plan.rng
    wide, deep = (float(side) for side in _own_size(plan, desk))
    for k in range(screens):
        x = (k - (screens - 1) / 2) * 0.6
        plan.top(desk, props.monitor(rng), "monitor", x, deep / 2 - 0.17, float(rng.normal(0, 0.08)))
    plan.top(
        desk, props.keyboard(colour(plan, ((40, 40, 44), (222, 222, 218)))), "keyboard", 0, -deep / 2 + 0.18
    )
    side = -1 if rng.random() < 0.5 else 1
    lamp = (
        load("desklamp").tinted(colour(plan))
        if rng.random() < 0.6
        else props.table_lamp(colour(plan), props.DARK)
    )
    plan.top(desk, lamp, "lamp", side * (wide / 2 - 0.17), deep / 2 - 0.2)
    plan.top(desk, props.book_stack(rng, int(rng.integers(2, 6))), "books", -side * (wide / 2 - 0.18), 0.02)
    plan.top(
        desk, pick(plan, "plasticCup").tinted(colour(plan)), "cup", side * (wide / 2 - 0.3), -deep / 2 + 0.14
    )


def dining(plan: Plan, table: Shape, chair: Shape, x: float, y: float, seats: int) -> int | None:
    """A table with chairs around it and a few things on it. The table's long side is x."""
    index = plan.stand(table, "dining table" if table.size[0] > 1.3 else "table", x, y)
    if index is None:
        return None
    long = float(table.size[0])
    places = (
        [(0.0, 0.0), (np.pi, 0.0)]
        if long < 1.5
        else [(yaw, a) for yaw in (0.0, np.pi) for a in (-long / 4, long / 4)]
    )
    places += [(np.pi / 2, 0.0), (-np.pi / 2, 0.0)]
    for yaw, aside in places[:seats]:
        plan.chair(index, chair, "chair", yaw, aside)
    plan.top(index, pick(plan, "orchids", "littlePlant", "cactus"), "plant", 0.05, 0.05)
    for x_cup in (-0.3, 0.32):
        plan.top(
            index, load("plasticCup").tinted(colour(plan)), "cup", x_cup, float(plan.rng.uniform(-0.2, 0.2))
        )
    if plan.rng.random() < 0.6:
        plan.top(index, props.book_stack(plan.rng, 2), "books", long * 0.3, -0.1)
    return index


def rug(plan: Plan) -> textures.Image:
    """A pattern in three colours."""
    return textures.rug(plan.rng, colour(plan), colour(plan), colour(plan))


def _own_size(plan: Plan, index: int) -> tuple[float, float]:
    """Width and depth of an object in its own frame, for quarter turns."""
    size = plan.items[index].shape.size
    sideways = abs(np.sin(plan.items[index].yaw)) > 0.7
    return (float(size[1]), float(size[0])) if sideways else (float(size[0]), float(size[1]))

"""Rooms that people live in."""

import numpy as np

from models.scene.synthetic_rooms import props, textures
from models.scene.synthetic_rooms.arrange import (
    WOOD,
    colour,
    desk_things,
    dining,
    door,
    floor_plant,
    pick,
    pictures,
    radiators,
    rug,
    shelf,
    shell,
    windows,
)
from models.scene.synthetic_rooms.furniture import load
from models.scene.synthetic_rooms.layout import Plan
from models.scene.synthetic_rooms.shapes import Material, Shape


def living(plan: Plan) -> None:
    """A living room with a dining table: couch, armchairs, television, bookshelves."""
    rng = plan.rng
    door(plan, "south", 1)
    windows(plan, "east", 2, 1.3, True)
    shell(plan, "planks")
    radiators(plan, "east", 2)
    seat = pick(plan, "sofa2", "couch", "winchesterSofa", "couch").tinted(colour(plan))
    left = -plan.width / 2
    couch = plan.against("west", seat, "couch", float(rng.uniform(-0.2, 0.2)), gap=0.12)
    assert couch is not None
    top_seat = float(seat.size[1]) / 2
    for aside in (-0.55, 0.0, 0.55)[: int(rng.integers(2, 4))]:
        cushion = props.leaning_pillow(rng, 0.4, colour(plan))
        plan.top(couch, cushion, "pillow", aside, top_seat - 0.42, float(rng.normal(0, 0.12)))
    rug_x, rug_y = plan.before(couch, top_seat + 0.75)
    plan.stand(props.rug(2.4, 1.7, rug(plan)), "rug", rug_x, rug_y, np.pi / 2, flat=True)
    low_table = props.table(1.1, 0.6, 0.42, Material(colour(plan, WOOD)), colour(plan, WOOD))
    coffee = plan.stand(low_table, "coffee table", *plan.before(couch, top_seat + 0.72), np.pi / 2)
    if coffee is not None:
        plan.top(coffee, props.book_stack(rng, 3), "books", -0.3, 0.05)
        plan.top(coffee, load("littlePlant"), "plant", 0.02, 0.0)
        plan.top(coffee, load("caffe_final").mapped(np.eye(3) * 1.3), "cup", 0.36, -0.1)
    armchair = pick(plan, "armchair2", "winchesterArmchair").tinted(colour(plan))
    for side in (-1, 1):
        x, y = plan.before(couch, top_seat + 0.8, side * 1.55)
        index = plan.stand(
            armchair, "armchair", x, y, (0.0 if side > 0 else np.pi) + float(rng.normal(0, 0.12))
        )
        if index is not None and rng.random() < 0.7:
            plan.top(index, props.leaning_pillow(rng, 0.36, colour(plan)), "pillow", 0, 0.08)
    shade = colour(plan, ((236, 220, 180), (214, 120, 84), (222, 222, 214)))
    for side in (-1, 1):
        end = props.table(0.45, 0.45, 0.52, colour(plan, WOOD), colour(plan, WOOD))
        index = plan.against(
            "west", end, "end table", plan.items[couch].at[1] * -1 + side * (float(seat.size[0]) / 2 + 0.32)
        )
        if index is not None:
            plan.top(index, props.table_lamp(shade, colour(plan)), "lamp", 0, 0)
    cabinet = plan.against(
        "north", props.cupboard(1.5, 0.42, 0.5, colour(plan, WOOD)), "tv stand", left + 3.2
    )
    if cabinet is not None:
        plan.reserve(cabinet, 0.8)
        plan.top(cabinet, load("led_tv").mapped(np.eye(3) * 1.25), "tv", 0, 0.05)
        for side in (-1, 1):
            plan.top(cabinet, load("speaker2").mapped(np.eye(3) * 0.8), "speaker", side * 0.62, 0.05)
    shelf(plan, "south", 0.9, float(rng.uniform(1.4, 2.0)), left + 0.7)
    shelf(plan, "south", 0.8, 1.2, left + 1.75)
    table = load("table").mapped(np.diag([0.75, 0.9, 1.0])) if rng.random() < 0.6 else load("oakTable")
    chair = pick(plan, "chairWithCushion", "oakChair", "osakaChair", "chair")
    dining(
        plan,
        table,
        chair,
        plan.width / 2 - 1.55,
        float(rng.uniform(0.0, 0.3)),
        6 if table.size[0] > 1.5 else 4,
    )
    plan.corner(props.floor_lamp(shade), "lamp")
    for _ in range(2):
        plan.corner(floor_plant(plan), "plant")
    for _ in range(2):
        plan.scatter(props.trash_can(colour(plan)), "trash can")
    if rng.random() < 0.5:
        plan.corner(load("electricGuitar"), "guitar")
    plan.scatter(props.backpack(colour(plan)), "backpack")
    pictures(plan, 5)


def bedroom(plan: Plan) -> None:
    """A bedroom with a desk."""
    rng = plan.rng
    door(plan, "south", -1)
    windows(plan, "east", 1, 1.4, True)
    shell(plan, "planks" if rng.random() < 0.6 else "carpet")
    radiators(plan, "east", 1)
    own = rng.random() < 0.6  # the library's beds come with pillows that are part of the bed
    if own:
        frame = props.bed(rng, float(rng.choice([1.4, 1.6, 1.8])), colour(plan, WOOD), colour(plan))
    else:
        frame = pick(plan, "bed1", "bed2", "bed3", "bedWithTexture").tinted(colour(plan))
    bed = plan.against("north", frame, "bed", float(rng.uniform(-0.25, 0.05)))
    assert bed is not None
    half_wide, half_long = (float(side) / 2 for side in frame.size[:2])
    head = half_long - (0.3 if own else 0.95)
    for side in (-1, 1):
        cushion = props.pillow(rng, 0.58, 0.4, colour(plan) if side > 0 else (236, 232, 224))
        plan.top(bed, cushion, "pillow", side * half_wide * 0.46, head, float(rng.normal(0, 0.08)))
    plan.top(
        bed,
        props.pillow(rng, 0.38, 0.38, colour(plan)),
        "pillow",
        0.1,
        head - 0.45,
        float(rng.normal(0, 0.4)),
    )
    plan.top(bed, load("teddyBear"), "stuffed animal", -half_wide * 0.5, 0.0)
    drawers = (
        load("bedsideTable2")
        if rng.random() < 0.5
        else props.cupboard(0.46, 0.4, 0.5, colour(plan, WOOD), 2, 1)
    )
    shade = colour(plan)
    for side in (-1, 1):
        u = plan.items[bed].at[0] + side * (half_wide + 0.34)
        stand = plan.against("north", drawers, "nightstand", u)
        if stand is not None:
            plan.top(stand, props.table_lamp(shade, colour(plan)), "lamp", side * 0.05, 0.06)
            plan.top(stand, props.book_stack(rng, 2).mapped(np.eye(3) * 0.7), "books", -side * 0.08, -0.12)
    rug_x, rug_y = plan.before(bed, half_long + 0.1)
    plan.stand(props.rug(2.2, 1.4, rug(plan)), "rug", rug_x, rug_y, flat=True)
    wardrobe = load("wardrobeWithSlidingDoors").mapped(np.diag([0.85, 0.9, 0.9]))
    plan.reserve(plan.against("west", wardrobe.tinted(colour(plan, WOOD)), "wardrobe", plan.depth / 2 - 1.95))
    desk = plan.against(
        "south", props.table(1.2, 0.6, 0.74, colour(plan, WOOD), props.DARK), "desk", plan.width / 2 - 0.8
    )
    if desk is not None:
        desk_things(plan, desk)
        plan.chair(
            desk,
            pick(plan, "osakaChair", "oakChair", "chairWithCushion"),
            "chair",
            plan.items[desk].yaw + np.pi,
        )
    chest = plan.against("south", props.cupboard(1.0, 0.45, 0.85, colour(plan, WOOD), 3, 2), "dresser", 0.1)
    if chest is not None:
        plan.reserve(chest)
        plan.top(chest, pick(plan, "augalas", "orchids"), "plant", 0.28, 0.02)
        plan.top(chest, props.book_stack(rng, 4), "books", -0.25, 0)
        mirror = props.framed(0.6, 0.75, textures.plain(rng, (196, 208, 214), 0.01), colour(plan, WOOD))
        plan.against("south", mirror, "mirror", 0.1, z=1.15)
    plan.corner(pick(plan, "winchesterArmchair", "armchair2").tinted(colour(plan)), "armchair")
    shelf(plan, "east", 0.8, 1.1)
    for _ in range(2):
        plan.scatter(props.trash_can(colour(plan)), "trash can")
        plan.scatter(props.carton(0.42, 0.34, 0.3, bool(rng.random() < 0.5)), "box")
    plan.scatter(load("slippers"), "shoes")
    plan.corner(floor_plant(plan), "plant")
    plan.scatter(props.backpack(colour(plan)), "backpack")
    pictures(plan, 4)


def kitchen(plan: Plan) -> None:
    """A kitchen with one row of units and a dining table."""
    rng = plan.rng
    door(plan, "south", -1)
    windows(plan, "east", 1, 1.2, rng.random() < 0.5)
    shell(plan, "tiles")
    radiators(plan, "east", 1)
    units = ["drawersCabinet", "lowerCabinet", "sinkCabinet", "lowerCabinet", "oven"]
    if plan.width > 3.9:
        units.append("drawersCabinet")
    u = -plan.width / 2 + 0.52
    fridge = pick(plan, "largeFridge", "refrigerator").mapped(np.diag([0.9, 0.85, 1.0]))
    plan.reserve(plan.against("north", fridge, "refrigerator", u))
    u += 0.44
    counters = []
    for name in units:
        u += 0.3
        base = _cooker() if name == "oven" else load(name)
        label = {"sinkCabinet": "sink", "oven": "stove"}.get(name, "kitchen cabinet")
        counters.append(plan.against("north", base, label, u, gap=0.0))
        plan.reserve(counters[-1], 0.7)
        if name == "oven":
            plan.against("north", load("rangeHood"), "range hood", u, z=1.5)
        elif name != "sinkCabinet":
            hung = load("upperCabinet") if rng.random() < 0.7 else load("glassDoorCabinet")
            plan.against("north", hung, "kitchen cabinet", u, z=1.45)
        u += 0.3
    things = [
        ("coffeeBrewer", "coffee maker"),
        ("kitchenaid", "mixer"),
        ("bread", "bread"),
        ("tetrapak", "milk"),
    ]
    things += [("plasticCup", "cup"), ("littlePlant", "plant")]
    spots = [
        index for index in counters if index is not None and plan.items[index].label == "kitchen cabinet"
    ]
    for k, (name, label) in enumerate(things):
        thing = load(name).tinted(colour(plan)) if label in ("cup", "mixer") else load(name)
        if spots:
            plan.top(
                spots[k % len(spots)],
                thing,
                label,
                (-0.14, 0.14)[k // len(spots) % 2],
                float(rng.uniform(-0.1, 0.12)),
            )
    table = (
        load("oakTable")
        if rng.random() < 0.4
        else props.table(1.5, 0.85, 0.75, colour(plan, WOOD), colour(plan, WOOD))
    )
    chair = pick(plan, "chairWithCushion", "osakaChair", "oakChair", "chair")
    dining(
        plan,
        table,
        chair,
        float(rng.uniform(0.1, 0.35)),
        -plan.depth / 2 + 1.4,
        4 if table.size[0] < 1.3 else 6,
    )
    plan.against(
        "west",
        props.cupboard(0.9, 0.42, 0.88, colour(plan, WOOD), 1, 2),
        "cabinet",
        float(rng.uniform(-0.3, 0.2)),
    )
    stool = load("stool2")
    for _ in range(2):
        plan.scatter(stool, "stool")
        plan.corner(props.trash_can(colour(plan), 0.17, 0.45), "trash can")
    plan.scatter(load("crate").mapped(np.eye(3) * 0.6), "box")
    plan.corner(floor_plant(plan), "plant")
    cabinet = next((i for i, item in enumerate(plan.items) if item.label == "cabinet"), None)
    if cabinet is not None:
        plan.top(cabinet, load("oven").mapped(np.diag([0.8, 0.7, 0.5])), "microwave", -0.15, 0.0)
        plan.top(cabinet, props.book_stack(rng, 3), "books", 0.28, 0)
    plan.stand(props.rug(1.2, 0.6, rug(plan)), "mat", 0.2, plan.depth / 2 - 1.05, flat=True)
    plan.against("west", props.clock(rng), "clock", z=1.8)
    pictures(plan, 3)


def bathroom(plan: Plan) -> None:
    """A bathroom with a tub."""
    rng = plan.rng
    door(plan, "south", -1)
    plan.open("north", float(rng.uniform(0.1, 0.5)), 1.35, props.window(0.8, 0.75), "window")
    shell(plan, "tiles", tiled_walls=True)
    cloth = colour(plan)
    tub = plan.against("east", props.bathtub(min(1.7, plan.depth - 1.05)), "bathtub", -1.0, gap=0.0)
    assert tub is not None
    tub_box = plan.items[tub].box
    sheet = props.curtain(0.5, 1.85, cloth)
    long = float(tub_box[1, 1] - tub_box[0, 1])
    rail = props.rod((0.7 - long, -0.07, 1.84), (0.25, -0.07, 1.84), 0.02, props.STEEL)
    x, y = float(tub_box[0, 0]) - 0.02, float(tub_box[0, 1]) + 0.28
    plan.stand(props.join([sheet, rail]).moved(z=0.15), "shower curtain", x, y, -np.pi / 2, partners=(tub,))
    plan.reserve(tub, 0.4)
    plan.reserve(plan.against("north", load("toiletsUnit"), "toilet", -plan.width / 2 + 0.55), 0.4)
    plan.against("north", load("toiletBrush").settled(), "toilet brush", -plan.width / 2 + 0.92)
    plan.against(
        "west", load("toiletPaperDispenser"), "toilet paper dispenser", plan.depth / 2 - 0.75, z=0.65
    )
    basin = load("modernVanity") if rng.random() < 0.5 else load("washbasin")
    label = "bathroom vanity" if basin.size[0] > 0.7 else "sink"
    sinks = (-0.3,) if label == "bathroom vanity" or plan.depth < 3.0 else (-0.8, -0.1)
    for u in sinks:
        plan.reserve(plan.against("west", basin, label, u))
        mirror = props.framed(0.55, 0.7, textures.plain(rng, (190, 206, 214), 0.01), props.STEEL)
        plan.against("west", mirror, "mirror", u, z=1.2)
    if rng.random() < 0.5:
        plan.against("north", load("bidet"), "bidet", -plan.width / 2 + 1.4)
    for u in (-0.2, 0.55, 1.0):
        plan.against("south", props.blanket_towel(0.42, 0.7, colour(plan)), "towel", u, z=0.75)
    for wall in ("west", "north"):
        plan.against(wall, load("towel2").tinted(colour(plan)), "towel", z=1.0)
    plan.against("south", props.cupboard(0.5, 0.34, 0.62, (228, 226, 220), 2, 1), "cabinet", 0.35)
    cabinet = next((i for i, item in enumerate(plan.items) if item.label == "cabinet"), None)
    if cabinet is not None:
        plan.top(cabinet, pick(plan, "orchids", "littlePlant"), "plant", -0.1, 0.02)
        for x_bottle in (0.08, 0.18):
            plan.top(cabinet, load("yogurtBottle").tinted(colour(plan)), "bottle", x_bottle, -0.06)
    mat = textures.plain(rng, cloth, 0.08)
    plan.stand(props.rug(0.8, 0.5, mat), "bath mat", float(tub_box[0, 0]) - 0.32, 0.1, np.pi / 2, flat=True)
    plan.stand(props.rug(0.6, 0.45, mat), "bath mat", -plan.width / 2 + 0.95, 0.25, np.pi / 2, flat=True)
    for _ in range(2):
        plan.scatter(props.trash_can(colour(plan), 0.12, 0.27), "trash can")
    plan.corner(props.trash_can(colour(plan, WOOD), 0.22, 0.5), "laundry basket")
    plan.corner(load("decorativePlant").mapped(np.eye(3) * 0.8), "plant")
    plan.scatter(load("slippers"), "shoes")
    plan.scatter(load("stool2").mapped(np.eye(3) * 0.6), "stool")
    plan.against("south", load("radiator3"), "radiator")
    pictures(plan, 2, 1.5)


def _cooker() -> Shape:
    """An oven under a cooktop, as high as the counters beside it."""
    body = load("oven").mapped(np.diag([1.0, 1.1, 1.45]))
    top = load("mano_cooktop").mapped(np.diag([1.0, 1.1, 1.2]))
    return props.join([body, top.moved(z=float(body.size[2]))]).settled()

"""Rooms that people work and learn in."""

import numpy as np

from models.scene.synthetic_rooms import props, textures
from models.scene.synthetic_rooms.arrange import (
    WOOD,
    colour,
    desk_things,
    door,
    floor_plant,
    pick,
    pictures,
    radiators,
    shelf,
    shell,
    windows,
)
from models.scene.synthetic_rooms.furniture import load
from models.scene.synthetic_rooms.layout import Plan
from models.scene.synthetic_rooms.shapes import Colour, Material


def office(plan: Plan) -> None:
    """An office for four with a meeting table."""
    rng = plan.rng
    door(plan, "south", 1)
    windows(plan, "north", 2, 1.5, False)
    shell(plan, "carpet")
    radiators(plan, "north", 2)
    seat = colour(plan, ((48, 50, 56), (36, 70, 116), (112, 44, 44), (66, 84, 72)))
    top = Material(colour(plan, WOOD))
    for wall, offsets in (("west", (-0.5, 1.15)), ("east", (-0.9, 0.95))):
        for u in offsets:
            shape = load("lbDesk") if rng.random() < 0.4 else props.table(1.5, 0.75, 0.74, top, props.DARK)
            desk = plan.against(wall, shape, "desk", u + float(rng.uniform(-0.05, 0.05)))
            if desk is None:
                continue
            desk_things(plan, desk, 2 if rng.random() < 0.4 else 1)
            aside = float(rng.uniform(-0.15, 0.15))
            plan.chair(
                desk, props.office_chair(seat), "office chair", plan.items[desk].yaw + np.pi, aside, 0.12
            )
    low = load("oakTable") if rng.random() < 0.4 else props.table(1.5, 0.85, 0.74, top, props.DARK)
    chair = (
        props.school_chair(colour(plan))
        if rng.random() < 0.5
        else pick(plan, "armchair", "chair").tinted(colour(plan))
    )
    meeting = plan.stand(low, "table", float(rng.uniform(-0.15, 0.15)), float(rng.uniform(-0.1, 0.3)))
    if meeting is not None:
        for yaw in (0.0, np.pi):
            for aside in (-0.36, 0.36) if low.size[0] > 1.3 else (0.0,):
                plan.chair(meeting, chair, "chair", yaw, aside)
        plan.top(meeting, props.laptop(rng), "laptop", -0.3, 0.05)
        plan.top(meeting, load("plasticCup").tinted(colour(plan)), "cup", 0.05, -0.15)
        plan.top(meeting, props.book_stack(rng, 3), "books", 0.36, 0.1)
    board = props.framed(1.7, 1.0, textures.print_lines(rng, (244, 245, 246), (50, 80, 160), 7), props.STEEL)
    plan.against("south", board, "whiteboard", -0.1, z=0.95)
    metal = colour(plan, ((168, 170, 172), (110, 114, 120), (206, 198, 180)))
    shelf(plan, "south", 0.9, float(rng.uniform(1.3, 1.9)), -plan.width / 2 + 0.6)
    for u in (-plan.width / 2 + 1.4, -plan.width / 2 + 1.9):
        cabinet = plan.against("south", props.cupboard(0.46, 0.6, 0.72, metal, 3, 1), "file cabinet", u)
        if cabinet is not None and rng.random() < 0.7:
            plan.top(cabinet, pick(plan, "cactus", "littlePlant"), "plant", 0, 0)
    plan.against("north", props.cupboard(0.9, 0.45, 0.8, metal), "cabinet")
    for _ in range(3):
        plan.scatter(props.trash_can(colour(plan)) if rng.random() < 0.6 else load("dustbin"), "trash can")
    for _ in range(2):
        plan.scatter(props.carton(0.45, 0.35, 0.32, bool(rng.random() < 0.5)), "box")
        plan.scatter(props.backpack(colour(plan)), "backpack")
    plan.corner(floor_plant(plan), "plant")
    plan.corner(load("fireExtinguisher"), "fire extinguisher")
    plan.against("east", props.clock(rng), "clock", z=1.9)
    pictures(plan, 3)


def classroom(plan: Plan) -> None:
    """A classroom with tables for two in rows."""
    rng = plan.rng
    door(plan, "south", 1)
    windows(plan, "west", 3, 1.5, False)
    shell(plan, "planks" if rng.random() < 0.5 else "tiles")
    radiators(plan, "west", 3)
    green = rng.random() < 0.5
    ground: Colour = (44, 86, 66) if green else (244, 245, 246)
    ink: Colour = (214, 220, 214) if green else (60, 70, 150)
    board = props.framed(2.8, 1.15, textures.print_lines(rng, ground, ink, 6), colour(plan, WOOD))
    plan.against("north", board, "blackboard" if green else "whiteboard", 0.0, z=0.85)
    teacher = plan.stand(
        props.table(1.5, 0.7, 0.75, colour(plan, WOOD), props.DARK), "desk", 1.4, plan.depth / 2 - 1.35, np.pi
    )
    if teacher is not None:
        plan.chair(teacher, pick(plan, "chair", "oakChair"), "chair", 0.0)
        plan.top(teacher, props.laptop(rng), "laptop", 0.1, 0.05)
        plan.top(teacher, props.book_stack(rng, 4), "books", 0.5, 0.1)
        plan.top(teacher, load("desklamp").tinted(colour(plan)), "lamp", -0.55, 0.1)
    top, cloth = colour(plan, WOOD), colour(plan)
    seat = props.school_chair(cloth) if rng.random() < 0.7 else load("osakaChair")
    columns, rows = (3, 3) if plan.width > 7.2 else (3, 2)
    for row in range(rows):
        for column in range(columns):
            x = (column - (columns - 1) / 2) * 2.05 + float(rng.normal(0, 0.03)) - 0.15
            y = plan.depth / 2 - 2.6 - row * 1.4 + float(rng.normal(0, 0.03))
            desk = plan.stand(props.table(1.3, 0.55, 0.74, top, props.STEEL), "table", x, y)
            if desk is None:
                continue
            for aside in (-0.32, 0.32):
                plan.chair(desk, seat, "chair", np.pi, aside, 0.08)
            if rng.random() < 0.6:
                plan.top(
                    desk,
                    props.book_stack(rng, int(rng.integers(1, 4))),
                    "books",
                    float(rng.choice([-0.35, 0.35])),
                    0,
                )
            if rng.random() < 0.35:
                x_bag, y_bag = plan.before(desk, 0.1, 0.85)
                plan.stand(props.backpack(colour(plan)), "backpack", x_bag, y_bag, float(rng.uniform(-1, 1)))
    for u in (-plan.width / 2 + 0.8, -plan.width / 2 + 1.9):
        shelf(plan, "south", 1.0, float(rng.uniform(1.1, 1.9)), u)
    case = plan.against("south", props.cupboard(1.1, 0.45, 1.7, colour(plan, WOOD), 1, 2), "cabinet", 0.2)
    if case is not None:
        plan.top(case, props.carton(0.45, 0.3, 0.28, False), "box", 0.1, 0)
    plan.against("south", load("shelves"), "shelf", 1.4)
    plan.corner(floor_plant(plan), "plant")
    plan.corner(load("fireExtinguisher"), "fire extinguisher")
    for _ in range(2):
        plan.against(
            ("east", "north")[rng.integers(2)], props.trash_can(colour(plan), 0.17, 0.38), "trash can"
        )
        plan.scatter(props.carton(0.45, 0.35, 0.3, bool(rng.random() < 0.5)), "box")
    plan.scatter(load("basketball"), "ball")
    plan.against("east", props.clock(rng), "clock", z=2.0)
    for _ in range(2):
        painting = props.framed(1.2, 0.9, textures.landscape(rng), colour(plan, WOOD))
        plan.against("east", painting, "picture", z=1.1)
    pictures(plan, 4)

"""Words for things: synonyms of ScanNet's labels, names of colours, labels that nobody asks for."""

import re

STRUCTURE = {"wall", "floor", "ceiling", "object", "objects", "remove", "unknown"}

SYNONYMS = {
    "couch": ("sofa", "couch"),
    "trash can": ("garbage can", "trash bin", "waste basket", "bin", "trashcan"),
    "recycling bin": ("recycle bin", "bin"),
    "tv": ("television", "tv screen"),
    "monitor": ("computer screen", "computer monitor", "screen"),
    "refrigerator": ("fridge",),
    "nightstand": ("night stand", "bedside table"),
    "picture": ("painting", "framed picture", "photo"),
    "office chair": ("desk chair", "rolling chair", "chair"),
    "armchair": ("arm chair", "chair", "seat"),
    "chair": ("seat",),
    "kitchen cabinet": ("cabinet", "cupboard"),
    "kitchen cabinets": ("cabinets", "cupboards"),
    "cabinet": ("cupboard",),
    "bookshelf": ("book shelf", "bookcase"),
    "whiteboard": ("white board", "board"),
    "curtain": ("drapes", "curtains"),
    "dresser": ("chest of drawers",),
    "doorframe": ("doorway",),
    "plant": ("potted plant",),
    "lamp": ("light",),
    "end table": ("side table",),
    "file cabinet": ("filing cabinet",),
    "box": ("cardboard box",),
    "stool": ("bar stool",),
    "radiator": ("heater",),
    "backpack": ("bag",),
    "rug": ("carpet",),
    "bathroom vanity": ("vanity",),
}

COLOURS = {
    "black": (35, 33, 32),
    "white": (205, 203, 198),
    "gray": (120, 118, 116),
    "brown": (110, 80, 55),
    "tan": (175, 150, 115),
    "red": (140, 45, 45),
    "blue": (55, 75, 120),
    "green": (75, 100, 65),
    "yellow": (185, 165, 75),
}


def is_plural(label: str) -> bool:
    """Whether a label names several things, as "books" does."""
    return label.endswith("s") and not label.endswith("ss")


def plural(label: str) -> str:
    """Several of a thing: "boxes", "bookshelves"."""
    if is_plural(label):
        return label
    if label.endswith(("x", "ch", "sh", "ss")):
        return f"{label}es"
    if label.endswith("shelf"):
        return f"{label[:-1]}ves"
    return f"{label[:-1]}ies" if re.search(r"[^aeiou]y$", label) else f"{label}s"


def named(label: str) -> str:
    """A sentence that says what something is: "This is a chair.", "These are books."."""
    return f"These are {label}." if is_plural(label) else f"This is {with_article(label)}."


def with_article(label: str) -> str:
    """A label as one says it: "a chair", "an ottoman"."""
    return f"{'an' if label[:1] in tuple('aeiou') else 'a'} {label}"

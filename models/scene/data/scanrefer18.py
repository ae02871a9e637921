"""The 18 classes of ScanRefer's benchmark (Chen et al., ECCV 2020), in which published networks think.

ScanNet ships a table from its raw labels to NYU40's classes, from which these are taken. That table is not
here: a label is of the class whose name it ends with ("office chair"), or that SAME says, and else "others".
"""

CLASSES = (
    *("cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter"),
    *("desk", "curtain", "refrigerator", "shower curtain", "toilet", "sink", "bathtub", "others"),
)
STUFF = ("wall", "floor", "ceiling")  # no objects
OTHERS = CLASSES.index("others")
SAME = {
    "couch": "sofa",
    "fridge": "refrigerator",
    "painting": "picture",
    "poster": "picture",
    "bookcase": "bookshelf",
    "bookshelves": "bookshelf",
    "bathroom tub": "bathtub",
    "tub": "bathtub",
    "doorframe": "door",
    "doorway": "door",
}


def class_of(label: str) -> int:
    """The place in CLASSES of a raw label, lower case ("kitchen cabinets")."""
    label = label.replace("_", " ").strip()
    for text in (label, label.removesuffix("s")):
        endings = {name: name for name in CLASSES[:OTHERS]} | SAME
        found = [ending for ending in endings if text.endswith(ending)]
        if found:
            return CLASSES.index(endings[max(found, key=len)])
    return OTHERS

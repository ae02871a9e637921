"""The 40 classes of NYUv2 (Gupta et al., CVPR 2013) in which ScanNet's labels.ply and its benchmark count."""

NAMES = (
    "wall",
    "floor",
    "cabinet",
    "bed",
    "chair",
    "sofa",
    "table",
    "door",
    "window",
    "bookshelf",
    "picture",
    "counter",
    "blinds",
    "desk",
    "shelves",
    "curtain",
    "dresser",
    "pillow",
    "mirror",
    "floor mat",
    "clothes",
    "ceiling",
    "books",
    "refrigerator",
    "television",
    "paper",
    "towel",
    "shower curtain",
    "box",
    "whiteboard",
    "person",
    "night stand",
    "toilet",
    "sink",
    "lamp",
    "bathtub",
    "bag",
    "otherstructure",
    "otherfurniture",
    "otherprop",
)

OTHER = frozenset({"otherstructure", "otherfurniture", "otherprop"})


def name(number: int) -> str | None:
    """Name of class 1 to 40; None for 0 (unannotated) and all else."""
    return NAMES[number - 1] if 1 <= number <= len(NAMES) else None

"""The kinds of rooms, and how large each is."""

from collections.abc import Callable

from models.scene.synthetic_rooms.homes import bathroom, bedroom, kitchen, living
from models.scene.synthetic_rooms.layout import Plan
from models.scene.synthetic_rooms.workplaces import classroom, office

# kind: (how it is furnished, (lowest, highest) width, (lowest, highest) depth), metres
KINDS: dict[str, tuple[Callable[[Plan], None], tuple[float, float], tuple[float, float]]] = {
    "living": (living, (6.2, 7.2), (4.6, 5.4)),
    "bedroom": (bedroom, (4.2, 4.9), (4.0, 4.8)),
    "office": (office, (5.0, 5.8), (4.6, 5.4)),
    "kitchen": (kitchen, (4.0, 4.8), (4.0, 4.8)),
    "bathroom": (bathroom, (2.9, 3.5), (2.7, 3.3)),
    "classroom": (classroom, (7.0, 8.0), (6.6, 7.2)),
}

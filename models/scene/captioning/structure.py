"""What is said of walls, floors and ceilings: what they are. Captioners learn of furniture alone."""

from models.scene.data.scan import Instance, Scan
from models.scene.data.scanrefer18 import STUFF
from models.scene.types import Caption


def described(scan: Scan) -> list[Instance]:
    """The objects of a scan that a captioner has something to say of."""
    return [one for one in scan.instances if one.label not in STUFF]


def of_structure(scan: Scan, object_id: int) -> Caption | None:
    """The caption of a wall, floor or ceiling, which no network says; None of anything else."""
    found = next((one for one in scan.instances if one.id == object_id and one.label in STUFF), None)
    if found is None:
        return None
    article = "a" if found.label == "wall" else "the"  # a room has one of the others
    return Caption(found.id, found.label, f"This is {article} {found.label}.", (), (None,), (), "", 0.0)

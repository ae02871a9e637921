"""Furnished rooms, scanned by a simulated depth camera and written in ScanNet's own format.

The furniture is CC0 (Debian's sweethome3d-furniture) or built from primitives: the scans may be given away.
"""

from models.scene.synthetic_rooms.generate import RoomObject, make_plan, make_room, room_objects
from models.scene.synthetic_rooms.kinds import KINDS
from models.scene.synthetic_rooms.write import rooms_command, write_room

__all__ = ["KINDS", "RoomObject", "make_plan", "make_room", "room_objects", "rooms_command", "write_room"]

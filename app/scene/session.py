"""What the scene lab remembers of a visitor: the scan, what was changed in it, asked of it and said of it."""

import threading
from dataclasses import dataclass, field

from app.session import LabSession
from models.scene.captioning.registry import CAPTIONERS
from models.scene.data.instance_edits import Edit
from models.scene.data.scan import Scan
from models.scene.grounding.base import Grounding
from models.scene.grounding.registry import GROUNDERS
from models.scene.segmentation.registry import SEGMENTERS
from models.scene.types import Answer, Caption


@dataclass
class SceneSession(LabSession):
    """One visitor's scan and what is known of it.

    original: the scan as it was opened or as its objects were found; scan: with the `edits` made to it.
    shipped: name of the shipped scan that is open, "" for an upload.
    raw: the scan has no objects, and they were not looked for yet.
    found: a network found the objects. tilt: degrees by which it set the scan upright, None where it did not.
    answer: to the last question. stored: it was not computed now but kept with the program.
    compared: what several methods answered last, () after another question.
    methods: of visual grounding, that are asked. captioners: the methods that describe objects; the first
    describes the room. segmenter: the method that finds objects.
    looked: id of the object that is being looked at.
    captions: what "Describe the room" has said so far.
    stop: set when the one long job is not wanted any more.
    """

    scan: Scan | None = None
    original: Scan | None = None
    edits: tuple[Edit, ...] = ()
    shipped: str = ""
    raw: bool = False
    found: bool = False
    tilt: float | None = None
    answer: Answer | None = None
    stored: bool = False
    compared: tuple[Grounding, ...] = ()
    methods: tuple[str, ...] = (GROUNDERS.default,)
    captioners: tuple[str, ...] = (CAPTIONERS.default,)
    segmenter: str = SEGMENTERS.default
    looked: int | None = None
    captions: tuple[Caption, ...] = ()
    stop: threading.Event = field(default_factory=threading.Event)

    def opens(self, scan: Scan, shipped: str = "", found: bool = False, tilt: float | None = None) -> None:
        """Another scan takes the place of the one that was open. Raises as `Visit.keeps` does."""
        self.visit.keeps(0 if shipped else _bytes(scan))
        self.original, self.shipped, self.found, self.tilt = scan, shipped, found, tilt
        self.raw = not scan.instances
        self.repaired(scan, ())

    def repaired(self, scan: Scan, edits: tuple[Edit, ...]) -> None:
        """The scan is now this one: what was said of it, or is being said, is of another."""
        self.stop.set()
        self.scan, self.edits = scan, edits
        self.answer, self.stored, self.looked, self.captions = None, False, None, ()
        self.compared = ()

    def begins(self) -> threading.Event:
        """A long job begins, and the one before ends; set what this gives back to end it."""
        self.stop.set()
        self.stop = threading.Event()
        return self.stop

    def end(self) -> None:
        """Forget the scan and what was said of it."""
        self.stop.set()
        self.scan = self.original = self.answer = None
        self.captions, self.compared = (), ()


def _bytes(scan: Scan) -> int:
    return sum(each.nbytes for each in (scan.vertices, scan.colours, scan.faces, scan.vertex_instance))

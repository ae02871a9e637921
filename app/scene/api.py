"""The scene lab's named API endpoints: plain JSON in and out, for gradio_client and curl.

They do what a visitor does on the page. A client keeps its scan between calls as a page does, until its
session ends.
"""

from dataclasses import asdict
from typing import Any

import gradio as gr

from app.components.raw_fields import Number, Text
from app.components.upload_widgets import Files
from app.messages import answered
from app.scene import comparison, service
from app.scene.session import SceneSession
from app.session import Visits
from models.scene.captioning.registry import CAPTIONERS
from models.scene.grounding.registry import GROUNDERS
from models.scene.types import as_json, as_scan2cap


class SceneApi:
    """Endpoints on hidden widgets: only widgets give Gradio's clients file uploads."""

    def __init__(self, visits: Visits) -> None:
        self.visits = visits
        with gr.Row(visible=False):
            scan = Text(label="scan")
            files = Files(file_count="multiple", label="files")
            sentence = Text(label="sentence")
            methods = Text(label="methods")
            number = Number(label="object_id", precision=0)
            result = gr.JSON(label="result")
            button = gr.Button()
        button.click(self.open, [scan, files], result, api_name="scene_open")
        button.click(self.ground, [sentence, scan, files], result, api_name="scene_ground")
        button.click(self.compare, [sentence, methods, scan, files], result, api_name="scene_compare")
        button.click(self.pick, [number], result, api_name="scene_pick")
        button.click(self.segment, [scan, files], result, api_name="scene_segment")
        button.click(self.caption, [number], result, api_name="scene_caption")
        button.click(self.captions, [number, methods], result, api_name="scene_captions")
        button.click(self.describe, None, result, api_name="scene_describe")

    def open(self, scan: str, files: list[str] | None, request: gr.Request) -> dict[str, Any]:
        """Open a shipped scan by name, or uploaded files (or one zip), and list its objects."""
        return answered(self.visits, request, SceneSession, lambda session: self._open(session, scan, files))

    def ground(
        self, sentence: str, scan: str, files: list[str] | None, request: gr.Request
    ) -> dict[str, Any]:
        """The object that a sentence means, in the named or uploaded scan, else the one that is open."""

        def work(session: SceneSession) -> dict[str, Any]:
            if scan or files:
                self._open(session, scan, files)
            return as_json(service.ask(session, sentence))

        return answered(self.visits, request, SceneSession, work)

    def compare(
        self, sentence: str, methods: str, scan: str, files: list[str] | None, request: gr.Request
    ) -> dict[str, Any]:
        """What several methods, "a,b,c", answer; all that are installed where none is named."""

        def work(session: SceneSession) -> dict[str, Any]:
            session.methods = GROUNDERS.chosen(methods or ",".join(GROUNDERS.installed()))
            if scan or files:
                self._open(session, scan, files)
            return comparison.as_json(service.compare(session, sentence))

        return answered(self.visits, request, SceneSession, work)

    def pick(self, object_id: int, request: gr.Request) -> dict[str, Any]:
        """Label, box, size and colour of an object of the scan that is open."""
        return answered(
            self.visits,
            request,
            SceneSession,
            lambda session: service.as_json(service.instance(session, object_id)),
        )

    def segment(self, scan: str, files: list[str] | None, request: gr.Request) -> dict[str, Any]:
        """Find the objects of a scan without labels: the uploaded or named one, else the one that is open.

        `unit`: what the file was taken to be in. `tilt`: degrees by which it was turned upright, or null.
        """

        def work(session: SceneSession) -> dict[str, Any]:
            if scan or files:
                self._open(session, scan, files)
            for _ in service.finding(session):
                pass
            assert session.scan is not None
            return {"unit": session.scan.unit, "tilt": session.tilt, **self._listed(session)}

        return answered(self.visits, request, SceneSession, work)

    def caption(self, object_id: int, request: gr.Request) -> dict[str, Any]:
        """What there is to say of an object of the scan that is open."""
        return answered(
            self.visits, request, SceneSession, lambda session: asdict(service.caption(session, object_id))
        )

    def captions(self, object_id: int, methods: str, request: gr.Request) -> dict[str, Any]:
        """What several captioners, "a,b", say of an object; all that are installed where none is named."""

        def work(session: SceneSession) -> dict[str, Any]:
            service.choose_captioners(session, methods or ",".join(CAPTIONERS.installed()))
            said = service.captions(session, object_id, session.captioners)
            return {"methods": {name: asdict(one) for name, one in said.items()}}

        return answered(self.visits, request, SceneSession, work)

    def describe(self, request: gr.Request) -> dict[str, Any]:
        """Captions of all objects of the scan that is open, also in Scan2Cap's form."""

        def work(session: SceneSession) -> dict[str, Any]:
            said = list(service.describing(session))
            name = session.scan.name if session.scan else ""
            return {"captions": [asdict(one) for one in said], "scan2cap": as_scan2cap(name, said)}

        return answered(self.visits, request, SceneSession, work)

    @classmethod
    def _open(cls, session: SceneSession, scan: str, files: list[str] | None) -> dict[str, Any]:
        if files:
            service.open_upload(session, files)
        else:
            service.open_shipped(session, scan)
        return {"scan": session.shipped, **cls._listed(session)}

    @staticmethod
    def _listed(session: SceneSession) -> dict[str, Any]:
        assert session.scan is not None
        return {
            "points": len(session.scan.vertices),
            "objects": [service.as_json(found) for found in session.scan.instances],
        }

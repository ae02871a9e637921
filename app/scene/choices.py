"""Which method describes the objects, and which finds them: a choice only where somebody imported others."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.i18n import language
from app.scene import object_views, service
from app.scene.object_panel import Updates
from app.session import Visit
from models.core.registry import Registry
from models.scene.captioning.registry import CAPTIONERS
from models.scene.segmentation.registry import SEGMENTERS

if TYPE_CHECKING:
    from app.scene.tab import SceneTab


class Choices:
    """The two choices, and what happens when another method is chosen."""

    def __init__(self, tab: "SceneTab", i18n: gr.I18n) -> None:
        self.tab = tab
        self.captioner = _choice(CAPTIONERS, i18n("scene.captioner"), "tl-captioner")
        self.segmenter = _choice(SEGMENTERS, i18n("scene.segmenter"), "tl-segmenter")

    def wire(self, **quiet: Any) -> None:
        """The next description, and the next search for objects, are the chosen method's."""
        shown = [self.tab.room, self.tab.notice]
        self.captioner.input(self.choose_captioner, self.captioner, shown, **quiet)
        self.segmenter.input(self.choose_segmenter, self.segmenter, shown, **quiet)

    def choose_captioner(self, name: str, request: gr.Request) -> Updates:
        """Another captioner."""
        return self._chosen(request, lambda visit: service.choose_captioner(visit, name))

    def choose_segmenter(self, name: str, request: gr.Request) -> Updates:
        """Another segmenter."""
        return self._chosen(request, lambda visit: service.choose_segmenter(visit, name))

    def _chosen(self, request: gr.Request, choose: Callable[[Visit], None]) -> Updates:
        def work(visit: Visit) -> Updates:
            choose(visit)
            return {self.tab.room: object_views.room(language(request), visit)} if visit.scan else {}

        return self.tab.told(request, work)


def _choice(registry: Registry[Any], label: Any, elem_id: str) -> gr.Radio:
    """The installed methods of a task; not there while they are only those that ship."""
    names = registry.installed()
    return gr.Radio(
        [(registry[name].title, name) for name in names],
        value=next(iter(registry.shipped)),
        label=label,
        elem_id=elem_id,
        visible=any(name not in registry.shipped for name in names),
    )

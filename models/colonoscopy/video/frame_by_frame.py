"""What a film under a mask is held against: ArSDM's frames for the same outlines, drawn one by one."""

from models.colonoscopy import pipeline
from models.colonoscopy.data.images import Frame, Mask
from models.colonoscopy.filming import JudgedFrame
from models.colonoscopy.synthesis.registry import GENERATORS
from models.colonoscopy.video.base import FilmOrder


def judged(order: FilmOrder, model: str) -> list[JudgedFrame]:
    """The frames of a short film, all of them. Raises as `pipeline.film` does."""
    return [step for step in pipeline.film(order, model) if isinstance(step, JudgedFrame)]


def drawn_alone(mask: Mask | None, seed: int) -> Frame:
    """ArSDM's frame for the outline of one frame of a film. mask: of a method that knows masks."""
    assert mask is not None
    *_, frames = GENERATORS.loaded("arsdm")(mask, count=1, seed=seed)
    assert isinstance(frames, list)
    return frames[0]

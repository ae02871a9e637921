"""What the film panel shows: the last outline as a small picture, how a film went and how it was made."""

from html import escape

import numpy as np

from app.components.result_strip import picture_url
from app.components.video_stage import Taken, View
from app.i18n import say
from app.messages import making, quiet
from models.colonoscopy.data.film_exports import FilmMade
from models.colonoscopy.data.images import Mask
from models.colonoscopy.segmentation.registry import SEGMENTERS

THUMB = 2  # every so many pixels of a mask are shown
INK, GROUND = (47, 211, 230), (23, 31, 36)  # of the small picture: the outline's colour on dark


def fragments(name: str) -> dict[str, str]:
    """Pieces of HTML put together from the words of a language."""
    heading = f'<h2 class="tl-heading">{escape(say(name, "film.title"))}</h2>'
    return {
        "html.film_lead": heading + quiet(say(name, "film.lead")),
        "html.film_missing": heading + quiet(say(name, "film.missing")),
    }


def model(name: str, key: str) -> str:
    """What a method is called."""
    return say(name, f"film.model_{key}")


def last_outline(name: str, mask: Mask | None) -> str:
    """The last outline as a small picture, "" where there is none."""
    if mask is None:
        return ""
    small = mask[::THUMB, ::THUMB, None]
    picture = np.where(small, np.array(INK), np.array(GROUND)).astype(np.uint8)
    alt = escape(say(name, "film.last_alt", percent=f"{100 * mask.mean():.1f}"), quote=True)
    caption = escape(say(name, "film.last"))
    return (
        f'<figure class="tl-last"><img src="{picture_url(picture)}" alt="{alt}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def views(made: FilmMade) -> list[View]:
    """The ways to see a film."""
    return [View("plain", made.video), View("outlined", made.outlined)]


def taken(name: str, made: FilmMade) -> list[Taken]:
    """The files of a film, to take home."""
    files = {"video": made.video, "outlined": made.outlined, "zip": made.zip, "dicom": made.dicom}
    return [Taken(say(name, f"film.file_{key}"), path) for key, path in files.items()]


def finished(name: str, made: FilmMade, wanted: int) -> str:
    """How it went, as HTML: how long the film is, how well its masks are found. wanted: frames."""
    facts = made.facts
    known = {"frames": facts["frames"], "seconds": f"{facts['frames'] / facts['fps']:.1f}"}
    key = "finished" if facts["frames"] >= wanted else "stopped"
    sentence = say(name, f"film.{key}", **known)
    if facts["mean_dice"] is not None:
        sentence += " " + say(name, "film.mean_dice", dice=f"{facts['mean_dice']:.2f}")
    else:
        sentence += " " + say(name, "film.no_dice")
    return quiet(sentence)


def log(name: str, made: FilmMade) -> str:
    """How a film was made, line by line, as HTML."""
    facts = made.facts
    dice = f"{min(facts['dice']):.2f} - {max(facts['dice']):.2f}" if facts["dice"] else ""
    rows = {
        "log_model": model(name, facts["model"]),
        "log_frames": f"{facts['frames']} · {facts['fps']} fps",
        "log_dice": dice,
        "log_move": say(name, f"film.move_{facts['move']}") if facts["knows_mask"] else "",
        "log_look": say(name, f"colonoscopy.look_{facts['look']}") if facts["knows_mask"] else "",
        "log_seed": str(facts["seed"]),
        "log_steps": str(facts["steps"]),
        "log_judge": SEGMENTERS[facts["judge"]].title,
        "log_weights": facts["weights"],
    }
    return making(name, "film", rows)

"""What the face tab says: how far a video is, how it was made, sentences to try."""

from html import escape
from typing import Any

from app.components.video_stage import Beside, Taken, View
from app.face import service
from app.i18n import say
from app.messages import making, quiet
from models.core.progress import Ahead, Left, Progress
from models.face import FPS
from models.face.speech import voices
from models.face.types import Made

# Sentences to try, by the language of their text.
EXAMPLES = {
    "en": "Good morning! I am only a picture, but I have something to tell you.",
    "de": "Guten Tag! Ich bin nur ein Bild, aber ich habe Ihnen etwas zu sagen.",
    "fr": "Bonjour ! Je ne suis qu'une image, mais j'ai quelque chose à vous dire.",
    "es": "¡Buenos días! Solo soy una imagen, pero tengo algo que contarle.",
    "zh": "你好！我只是一张照片，但是我有话要对你说。",
}


def chips(name: str) -> str:
    """Sentences to try, as HTML: a button for each language."""
    buttons = "".join(
        f'<button type="button" data-language="{language}" data-text="{escape(text)}">'
        f"{escape(label(language))}</button>"
        for language, text in EXAMPLES.items()
    )
    return f'<p class="tl-chips"><span>{escape(say(name, "face.examples"))}</span>{buttons}</p>'


def label(language: str) -> str:
    """A language by its own name, without what explains it."""
    return voices.LANGUAGES[language].label.partition("（")[0]


def voice(language: str, name: str) -> str:
    """A voice by its label, "" for none."""
    return next((one.label for one in voices.offered() if (one.language, one.name) == (language, name)), "")


def told(name: str, step: Progress) -> str:
    """What is being done, and how long it takes where that is known."""
    if isinstance(step.preview, Ahead):
        return say(name, "progress.in_line", count=step.preview.count)
    text = say(name, f"progress.{step.key}")
    if not isinstance(step.preview, Left):
        return text
    return say(name, "face.left", step=text, seconds=max(1, round(step.preview.seconds)))


def views(made: Made) -> list[View]:
    """The ways to see a result."""
    return [
        View("whole", made.video),
        *([View("panels", made.panels)] if made.panels else []),
        *([View("beside", made.video)] if made.source else []),
    ]


def beside(made: Made) -> Beside:
    """What is seen beside a result: what it was made of, and the mouth in each frame."""
    return Beside(made.source, made.mouths, FPS)


def taken(name: str, made: Made) -> list[Taken]:
    """The files of a result, to take home."""
    endings = {
        "file_video": made.video,
        "file_panels": made.panels,
        "file_blendshapes": made.blendshapes,
        "file_vertices": made.vertices,
        "file_log": service.log_of(made),
    }
    return [Taken(say(name, f"face.{key}"), file) for key, file in endings.items() if file]


def finished(name: str, made: Made) -> str:
    """How it went, as HTML."""
    took = sum(made.took.values())
    speed = took / made.seconds
    facts = {"seconds": f"{made.seconds:.1f}", "took": f"{took:.1f}", "speed": f"{speed:.1f}"}
    sentence = say(name, "face.finished", **facts)
    if made.faceless:
        where = spans(made.faceless)
        sentence += " " + say(name, "face.finished_faceless", count=len(made.faceless), frames=where)
    if made.covered:
        where = spans(made.covered)
        sentence += " " + say(name, "face.finished_covered", count=len(made.covered), frames=where)
    return quiet(sentence)


def log(name: str, made: Made, facts: dict[str, Any]) -> str:
    """How a result was made, line by line, as HTML. facts: of `service.facts`."""
    took = sum(made.took.values())
    steps = ", ".join(
        f"{say(name, f'face.took_{key}')} {seconds:.1f} s" for key, seconds in made.took.items()
    )
    rows = {
        "log_frames": f"{made.frames} · {FPS} fps",
        "log_faceless": spans(made.faceless) or say(name, "face.log_none"),
        "log_covered": spans(made.covered) or say(name, "face.log_none"),
        "log_lag": _lag(name, made),
        "log_took": steps,
        "log_speed": f"{took / made.seconds:.2f} s",
        "log_articulation": f"{facts['articulation']:.1f}",
        "log_seed": str(facts["seed"]),
        "log_voice": voice(facts["language"], facts["voice"]),
        "log_checkpoints": ", ".join(f"{one} · {hash}" for one, hash in facts["checkpoints"].items()),
    }
    return making(name, "face", rows)


def spans(frames: tuple[int, ...]) -> str:
    """Frames by number from 1, neighbours put together: (0, 1, 2, 7) is "1-3, 8"."""
    found: list[list[int]] = []
    for frame in sorted(frames):
        if found and frame == found[-1][1] + 1:
            found[-1][1] = frame
        else:
            found.append([frame, frame])
    return ", ".join(str(first + 1) if first == last else f"{first + 1}-{last + 1}" for first, last in found)


def _lag(name: str, made: Made) -> str:
    if made.lag is None or made.confidence is None:
        return say(name, "face.log_lag_unknown")
    delay = round(1000 * made.lag / FPS)
    return say(name, "face.log_lag_value", ms=delay, confidence=f"{made.confidence:.1f}")

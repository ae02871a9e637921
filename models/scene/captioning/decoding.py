"""Saying a caption word by word: greedy, beam search or sampling, all by transformers' generation."""

from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers import (
    GenerationMixin,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.cache_utils import Cache
from transformers.modeling_outputs import CausalLMOutputWithPast

from models.scene.captioning.spoken_words import PAD
from models.scene.captioning.unsaid import NOTHING, Unsaid
from models.scene.captioning.xtrans2cap.meshed_memory import Decoder


class GenerationAdapter(PreTrainedModel, GenerationMixin):
    """A decoder in the form that `generate` calls. It owns no weights and is never saved."""

    config_class = PreTrainedConfig
    main_input_name = "input_ids"

    def __init__(self, decoder: Decoder, end: int) -> None:
        width, layers = decoder.word_emb.embedding_dim, len(decoder.layers)
        heads = decoder.layers[0].self_att.attention.heads  # type: ignore[union-attr]
        super().__init__(
            PreTrainedConfig(
                vocab_size=decoder.word_emb.num_embeddings,
                num_hidden_layers=layers,
                hidden_size=width,
                num_attention_heads=heads,
                pad_token_id=PAD,
                eos_token_id=end,
            )
        )
        # Not a submodule, so that moving or saving the network does not meet the decoder twice.
        self.__dict__["decoder"] = decoder

    @cached_property
    def _parameter(self) -> Tensor:
        return next(self.__dict__["decoder"].parameters())

    @property
    def device(self) -> torch.device:
        """Where the decoder lives."""
        return self._parameter.device

    @property
    def dtype(self) -> torch.dtype:
        """Of the decoder's weights."""
        return self._parameter.dtype

    def prepare_inputs_for_generation(
        self, input_ids: Tensor, seen: Tensor, mask: Tensor, past_key_values: Cache | None = None, **_: Any
    ) -> dict[str, Any]:
        """What the next step reads: the words that `past_key_values` does not hold yet."""
        start = past_key_values.get_seq_length() if past_key_values is not None else 0
        new = input_ids[:, start:]
        return {"input_ids": new, "seen": seen, "mask": mask, "past_key_values": past_key_values}

    def forward(
        self, input_ids: Tensor, seen: Tensor, mask: Tensor, past_key_values: Cache | None = None, **_: Any
    ) -> CausalLMOutputWithPast:
        """One step of `generate`."""
        logits, _outputs = self.__dict__["decoder"](input_ids, seen, mask, past_key_values)
        return CausalLMOutputWithPast(logits=logits, past_key_values=past_key_values)


class Silence(LogitsProcessor):
    """What isn't said, at each step of `generate`."""

    def __init__(self, never: Unsaid) -> None:
        self.never = never

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """See Unsaid.silence."""
        return self.never.silence(scores, input_ids)


@torch.no_grad()
def say(
    decoder: Decoder,
    levels: Tensor,
    mask: Tensor,
    start: int,
    end: int,
    *,
    beams: int = 1,
    count: int = 1,
    sample: bool = False,
    length_penalty: float = 0.0,
    never: Unsaid = NOTHING,
    longest: int | None = None,
) -> tuple[Tensor, Tensor]:
    """(B, count, T) word ids, "sos" first and padded after "eos", best first, and (B, count) their scores.

    levels: (B, L, N, width) of the encoder. mask: (B, N) bool. beams: 1 for greedy. sample: draw `count`
    captions instead of searching. The score is the sum of log-probabilities over length ** length_penalty
    (0, the published search, prefers short captions); NaN where nothing was searched. never: words not said.
    longest: ids of a caption at most, "sos" among them; the decoder's own where it isn't given.
    """
    how: dict[str, Any] = {"do_sample": True, "top_k": 0} if sample else {"num_beams": beams}
    if beams > 1:
        how |= {"length_penalty": length_penalty, "early_stopping": False, "output_scores": True}
    first = torch.full((len(levels), 1), start, device=levels.device)
    found = GenerationAdapter(decoder, end).generate(
        first,
        seen=decoder.look(levels),
        mask=mask,
        max_length=longest or decoder.longest,
        num_return_sequences=count,
        **how,
        logits_processor=LogitsProcessorList([Silence(replace(never, always=(PAD, start, *never.always)))]),
        return_dict_in_generate=True,
        use_cache=True,
    )
    ids = found.sequences
    # Beam search fills up with "eos" where the padding's id is 0.
    ended = (ids == end).long().cumsum(1) - (ids == end).long()
    ids = ids.masked_fill(ended > 0, PAD).unflatten(0, (len(levels), count))
    scores = getattr(found, "sequences_scores", None)
    if scores is None:
        return ids, torch.full(ids.shape[:2], torch.nan)
    return ids, scores.view(len(levels), count)

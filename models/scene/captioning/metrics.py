"""How captions are judged: CIDEr, BLEU-4, METEOR and ROUGE-L by pycocoevalcap, in Scan2Cap's protocol.

A caption and its references are words joined by single spaces between "sos" and
"eos", at most 30 words inside. The words are split by `caption_words`, because
the official description tokens are (lower case, punctuation and "'s" apart);
no PTB tokenizer, as in the protocol.
"""

import atexit
import re
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

LONGEST = 30
_WORD = re.compile(r"'s\b|n't\b|[a-z0-9]+(?:-[a-z0-9]+)*(?=n't\b)|[a-z0-9]+(?:-[a-z0-9]+)*|[^\w\s]")


def caption_words(text: str) -> list[str]:
    """Lower-case words; punctuation, "'s" and "n't" stand alone."""
    return _WORD.findall(text.lower().replace("’", "'"))


def framed(words: Sequence[str]) -> str:
    """A caption as the protocol compares it."""
    return " ".join(["sos", *words[:LONGEST], "eos"])


def caption_scores(
    said: Mapping[str, str], references: Mapping[str, Sequence[str]], meteor: bool = True
) -> dict[str, float | int | None]:
    """Corpus scores x 100 of captions against their references, both framed.

    A key that nothing was said for counts as "sos eos". METEOR is None where there is no java or
    it was not asked for (it takes seconds).
    """
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    truth = {key: list(rows) for key, rows in references.items()}
    found = {key: [said.get(key, "sos eos")] for key in truth}
    bleu = Bleu(4).compute_score(truth, found, verbose=0)[0][3]
    scores: dict[str, float | int | None] = {
        "CIDEr": _percent(Cider().compute_score(truth, found)[0]),
        "BLEU-4": _percent(bleu),
        "METEOR": _meteor(truth, found) if meteor else None,
        "ROUGE-L": _percent(Rouge().compute_score(truth, found)[0]),
    }
    return {**scores, "n": len(truth)}


def _percent(value: float) -> float:
    return round(100 * float(value), 2)


def _meteor(truth: Mapping[str, list[str]], found: Mapping[str, list[str]]) -> float | None:
    if shutil.which("java") is None:
        return None
    return _percent(_meteor_judge().compute_score(truth, found)[0])


@cache
def _meteor_judge() -> Any:
    """One java for the process: to start it costs five times what scoring hundreds of captions does."""
    from pycocoevalcap.meteor.meteor import Meteor

    judge = Meteor()
    atexit.register(judge.meteor_p.kill)
    return judge


class CiderReward:
    """CIDEr-D of single captions with a corpus's document frequencies: the self-critical stage's reward."""

    def __init__(self, corpus: Sequence[Sequence[str]]) -> None:
        """corpus: the framed references of each object."""
        from pycocoevalcap.cider.cider_scorer import CiderScorer

        self._make = CiderScorer
        known = CiderScorer()
        for references in corpus:
            known.cook_append(None, list(references))
        known.compute_doc_freq()
        self._frequency, self._documents = known.document_frequency, len(corpus)

    def __call__(self, said: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
        """The CIDEr (0 to 10) of each framed caption against its framed references."""
        scorer = self._make()
        for one, many in zip(said, references, strict=True):
            scorer.cook_append(one, list(many))
        # The scorer takes the number of documents from what it scores: it is told the corpus's.
        scorer.crefs = _Counted(scorer.crefs, self._documents)
        scorer.document_frequency = self._frequency
        return [float(score) for score in scorer.compute_cider()]


class _Counted(list):
    """A list that says it is longer."""

    def __init__(self, items: Sequence[object], count: int) -> None:
        super().__init__(items)
        self._count = count

    def __len__(self) -> int:
        return self._count


def truth_rates(verdicts: Sequence[Mapping[str, bool | None]]) -> dict[str, float | int | None]:
    """Percent of true claims of each sort, and how many captions made one (None: this one made none)."""
    found: dict[str, float | int | None] = {}
    for sort in verdicts[0] if verdicts else ():
        made = [bool(verdict[sort]) for verdict in verdicts if verdict[sort] is not None]
        found[sort] = round(100 * float(np.mean(made)), 1) if made else None
        found[f"{sort}_claims"] = len(made)
    return found

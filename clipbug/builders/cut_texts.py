"""Warn of texts that are cut for a model: two that differ only after the cut are the same text to it."""

import logging
from collections.abc import Iterable, Sequence

from transformers import PreTrainedTokenizerBase

from clipbug.checks.dataset.findings import source_line
from clipbug.config import RunConfig
from clipbug.data.loading.text import TextEncoder
from clipbug.data.loading.tokenization import cut_texts
from clipbug.data.records import Record

_NUM_SHOWN = 5
_SHOWN_CHARACTERS = 60

logger = logging.getLogger(__name__)


class CutTexts:
    """Warns of texts that are cut at `data.max_text_tokens`, once of each.

    Args:
        tokenizer: of the model.
        config: of its run.
        what: names the texts.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, config: RunConfig, *, what: str) -> None:
        self._tokenizer = tokenizer
        self._limit = config.data.max_text_tokens
        self._what = what
        self._seen: set[str] = set()

    def warn(self, texts: Sequence[str], names: Sequence[str] = ()) -> None:
        """Log how many of the texts are cut, and which.

        Args:
            names: of the texts, such as "train.jsonl:7".
        """
        new: dict[str, str] = {}
        for number, text in enumerate(texts):
            if text not in self._seen:
                new.setdefault(text, names[number] if names else "")
        self._seen |= new.keys()
        cut = cut_texts(new, self._tokenizer, max_tokens=self._limit)
        if not cut:
            return
        shown = [_described(text, new[text], num) for text, num in list(cut.items())[:_NUM_SHOWN]]
        more = [f"  ... and {len(cut) - _NUM_SHOWN} more"] if len(cut) > _NUM_SHOWN else []
        num_same = len(cut) - len({self._beginning(text) for text in cut})
        same = [f"  {num_same} of them are the same as another one before the cut"] if num_same else []
        logger.warning(
            "%d of %d %s are cut at data.max_text_tokens (%d): the model does not read their ends\n%s",
            len(cut),
            len(new),
            self._what,
            self._limit,
            "\n".join([*shown, *more, *same]),
        )

    def _beginning(self, text: str) -> tuple[int, ...]:
        [ids] = TextEncoder(self._tokenizer, self._limit).encode([text])
        return tuple(ids)


def warn_of_cut_texts(
    records: Iterable[Record], tokenizer: PreTrainedTokenizerBase, config: RunConfig
) -> None:
    """Log how many texts of the rows (questions, captions, questions with options) are cut, and which."""
    pairs = [(text, source_line(record) or record.record_id) for record in records for text in record.texts]
    texts, names = [text for text, _ in pairs], [name for _, name in pairs]
    CutTexts(tokenizer, config, what="different texts").warn(texts, names)


def _described(text: str, name: str, num_tokens: int) -> str:
    beginning = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
    return f"  {f'{name}: ' if name else ''}{num_tokens} tokens: {beginning!r}"

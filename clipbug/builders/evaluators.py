"""Build evaluators of retrieval, which rank all recordings of a file for all its texts during training."""

from collections.abc import Sequence
from functools import partial

from clipbug.builders.batches import BatchBuilder
from clipbug.builders.task_model import TextParts
from clipbug.config import RunConfig
from clipbug.data.annotations.retrieval_set import RetrievalSet
from clipbug.data.loading.text import EncodedTexts, TextEncoder
from clipbug.data.records import Record
from clipbug.engine.retrieval import RankingEvaluator
from clipbug.evaluation.retrieval import validation_scores
from clipbug.tasks.base import RankingTask


def build_search_evaluator(
    builder: BatchBuilder, records: Sequence[Record], task: RankingTask
) -> RankingEvaluator:
    """Build the evaluator that scores the task on validation rows, as a search among all of them."""
    found, texts = encoded_texts(builder.config, records, builder.text)
    return RankingEvaluator(
        task,
        builder.evaluation(one_row_each(records)),
        texts=texts,
        score=partial(validation_scores, found),
        precision=builder.config.precision,
        distributed=builder.processes,
    )


def encoded_texts(
    config: RunConfig, records: Sequence[Record], text: TextParts
) -> tuple[RetrievalSet, EncodedTexts]:
    """Return the texts and recordings of the records, and the texts as token ids."""
    found = RetrievalSet.from_records(records)
    ids = TextEncoder(text.tokenizer, config.data.max_text_tokens).encode(found.texts)
    return found, EncodedTexts(ids, text.tokenizer.pad_token_id)


def one_row_each(records: Sequence[Record]) -> list[Record]:
    """Return one row of each recording, so that each recording is read once."""
    return list({record.media_id: record for record in records}.values())

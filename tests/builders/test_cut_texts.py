"""Texts that the model reads in part are counted and named once."""

import logging

import pytest
from transformers import PreTrainedTokenizerBase

from clipbug.builders.cut_texts import CutTexts, warn_of_cut_texts
from clipbug.config import RunConfig
from clipbug.data.loading.tokenization import cut_texts
from clipbug.data.records import CaptionRecord, ChoiceRecord, QuestionRecord

LONG = "what is tapped " * 30


def limited(config: RunConfig, tokens: int) -> RunConfig:
    return config.model_copy(update={"data": config.data.model_copy(update={"max_text_tokens": tokens})})


def test_tokens_are_counted_as_the_model_counts_them(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    text = "what is tapped first?"  # five words and two special tokens
    assert cut_texts([text], tiny_tokenizer, max_tokens=7) == {}
    assert cut_texts([text, text, "what"], tiny_tokenizer, max_tokens=6) == {text: 7}


def test_all_kinds_of_rows(
    tiny_tokenizer: PreTrainedTokenizerBase, tiny_config: RunConfig, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        QuestionRecord("1", "1", "v", f"{LONG} first?", source="a/train.jsonl:1"),
        QuestionRecord("2", "2", "v", f"{LONG} last?", source="a/train.jsonl:2"),
        QuestionRecord("3", "3", "v", "what?", source="a/train.jsonl:3"),
        CaptionRecord("4", "v", LONG, source="a/train.jsonl:4"),
        ChoiceRecord("5", "5", "v", "what", ("tap", LONG), source="a/train.jsonl:5"),
        QuestionRecord("6", "6", "v", f"{LONG} first?", source="a/train.jsonl:6"),
    ]
    with caplog.at_level(logging.WARNING, logger="clipbug"):
        warn_of_cut_texts(rows, tiny_tokenizer, limited(tiny_config, 30))
    (record,) = caplog.records
    text = record.getMessage()
    assert text.startswith("4 of 6 different texts are cut at data.max_text_tokens (30)")
    assert all(f"train.jsonl:{line}: " in text for line in (1, 2, 4, 5))
    assert "train.jsonl:6" not in text
    assert "3 of them are the same as another one before the cut" not in text  # the choice begins otherwise
    assert "2 of them are the same as another one before the cut" in text


def test_each_question_is_named_once(
    tiny_tokenizer: PreTrainedTokenizerBase, tiny_config: RunConfig, caplog: pytest.LogCaptureFixture
) -> None:
    cut = CutTexts(tiny_tokenizer, limited(tiny_config, 30), what="questions")
    with caplog.at_level(logging.WARNING, logger="clipbug"):
        for questions in ([LONG, "what?"], [LONG], ["what?"], [f"{LONG}!"] * 2):
            cut.warn(questions)
    assert [record.getMessage().split(" are")[0] for record in caplog.records] == [
        "1 of 2 questions",
        "1 of 1 questions",
    ]


def test_the_first_few_are_shown(
    tiny_tokenizer: PreTrainedTokenizerBase, tiny_config: RunConfig, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="clipbug"):
        CutTexts(tiny_tokenizer, limited(tiny_config, 6), what="questions").warn(
            [f"what is tapped {number} times?" for number in range(10, 19)]
        )
    text = caplog.records[0].getMessage()
    assert "  ... and 4 more" in text
    assert text.count("tokens: ") == 5

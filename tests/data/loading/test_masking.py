"""Which tokens are hidden, how often, and what takes their place."""

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase

from clipbug.data.loading.masking import TokenMasker

TEXT = "what is tapped first? what is tapped just before the bug? which screen is this? " * 4
SPECIAL_IDS = {0, 1, 2, 3, 4}


@pytest.fixture
def masker(tiny_tokenizer: PreTrainedTokenizerBase) -> TokenMasker:
    return TokenMasker.of_tokenizer(tiny_tokenizer, probability=0.15)


def test_rates_over_many_tokens(masker: TokenMasker, tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    ids = np.array(tiny_tokenizer(TEXT)["input_ids"])
    generator = np.random.default_rng(0)
    counts = dict.fromkeys(("tokens", "chosen", "mask", "same", "random"), 0)
    drawn = set()
    for _ in range(1200):
        shown, labels = (np.asarray(part) for part in masker(ids.tolist(), generator))
        chosen = labels != -100
        counts["tokens"] += len(ids) - 2
        counts["chosen"] += chosen.sum()
        counts["mask"] += (shown[chosen] == 4).sum()
        counts["same"] += (shown[chosen] == ids[chosen]).sum()
        other = chosen & (shown != 4) & (shown != ids)
        counts["random"] += other.sum()
        drawn |= set(shown[other].tolist())
        np.testing.assert_array_equal(labels[chosen], ids[chosen])
        np.testing.assert_array_equal(shown[~chosen], ids[~chosen])
        assert not chosen[[0, -1]].any()
    # Standard deviations: 0.0012 of the chosen share over 80,000 tokens, 0.0037 and 0.0028 of the others over
    # 12,000 chosen tokens. Four of them. A random token is the same one in 1 of 136 draws.
    assert counts["tokens"] >= 80_000
    assert counts["chosen"] / counts["tokens"] == pytest.approx(0.15, abs=0.005)
    assert counts["mask"] / counts["chosen"] == pytest.approx(0.8, abs=0.015)
    assert counts["same"] / counts["chosen"] == pytest.approx(0.1 + 0.1 / 136, abs=0.011)
    assert counts["random"] / counts["chosen"] == pytest.approx(0.1 - 0.1 / 136, abs=0.011)
    # 1,200 draws leave one of 136 ordinary tokens out with a chance of 136 * exp(-8.8) = 2 %; four never.
    assert len(masker.ordinary_ids) == 136
    assert not drawn & SPECIAL_IDS
    assert len(drawn) >= len(masker.ordinary_ids) - 3


def test_short_texts_always_have_one_hidden_token(masker: TokenMasker) -> None:
    generator = np.random.default_rng(1)
    places = set()
    for _ in range(300):
        _, labels = masker([2, 10, 11, 12, 3], generator)
        hidden = np.flatnonzero(labels.numpy() != -100)
        assert len(hidden) >= 1
        places |= set(hidden.tolist())
    assert places == {1, 2, 3}


def test_special_tokens_are_never_hidden(masker: TokenMasker) -> None:
    shown, labels = masker([2, 1, 3, 0, 0], np.random.default_rng(0))
    assert shown == [2, 1, 3, 0, 0]
    assert labels.tolist() == [-100] * 5


def test_masks_come_from_the_generator_alone(masker: TokenMasker) -> None:
    ids = [2, *range(10, 60), 3]
    results = [masker(ids, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert results[0][0] == results[1][0]
    assert results[0][1].equal(results[1][1])
    assert results[0][0] != results[2][0]
    assert ids == [2, *range(10, 60), 3]


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.1])
def test_wrong_probabilities_are_named(tiny_tokenizer: PreTrainedTokenizerBase, probability: float) -> None:
    with pytest.raises(ValueError, match=rf"probability must be in \(0, 1\), got {probability}"):
        TokenMasker.of_tokenizer(tiny_tokenizer, probability=probability)


def test_the_original_s_way_hides_special_tokens_too(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    masker = TokenMasker.of_tokenizer(tiny_tokenizer, probability=0.15, special_tokens=True)
    cls, sep = tiny_tokenizer.cls_token_id, tiny_tokenizer.sep_token_id
    word = max(tiny_tokenizer.get_vocab().values())
    generator = np.random.default_rng(0)
    labels = torch.stack([masker([cls, word, word, word, sep], generator)[1] for _ in range(4000)])
    rates = (labels >= 0).double().mean(dim=0)
    # The original: 14.6 % of [CLS], 15.1 % of [SEP]. Five deviations of a share over 4000 rows are 2.8 %.
    assert ((rates - 0.15).abs() < 0.028).all()
    without = (labels < 0).all(dim=1).double().mean()
    assert abs(without - 0.85**5) < 0.04  # the same five deviations

"""The encoder for inference computes what BERT's computes."""

import pytest
import torch

from clipbug.config.model import EncoderConfig
from clipbug.models.bert import build_bert
from clipbug.models.inference.encoder import InferenceEncoder
from tests.helpers.rounding import assert_close, excess, num_terms

LENGTHS = (9, 4, 1)


@torch.inference_mode()
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("has_padding", [True, False])
def test_same_as_bert(num_layers: int, has_padding: bool) -> None:
    torch.manual_seed(0)
    sizes = EncoderConfig(hidden_size=32, num_layers=num_layers, num_heads=4, intermediate_size=64)
    encoder = build_bert(sizes, vocabulary_size=50).encoder.eval()
    tokens = torch.randn(3, 9, 32)
    lengths = torch.tensor(LENGTHS if has_padding else (9, 9, 9))
    mask = (torch.arange(9) < lengths[:, None])[:, None, None, :]
    expected = encoder(tokens, attention_mask=mask).last_hidden_state
    every = InferenceEncoder(encoder, first_token_only=False)(tokens, attention_mask=mask)
    first = InferenceEncoder(encoder, first_token_only=True)(tokens, attention_mask=mask)
    assert_close(every.last_hidden_state, expected, terms=num_terms(encoder))
    assert_close(first.last_hidden_state, expected[:, :1], terms=num_terms(encoder))
    encoder.layer[-1].output.dense.weight.data[[0, 1]] = encoder.layer[-1].output.dense.weight.data[[1, 0]]
    swapped = encoder(tokens, attention_mask=mask).last_hidden_state  # of two channels of one layer
    assert excess(swapped, expected, terms=num_terms(encoder)) > 100

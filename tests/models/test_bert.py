"""The encoder's BERT: parity with transformers, and pretrained weights from a folder."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertModel, RobertaConfig, RobertaModel

from clipbug.config.model import EncoderConfig
from clipbug.errors import CheckpointError
from clipbug.models.bert import build_bert
from clipbug.models.build import build_model, self_contained_config
from tests.helpers.rounding import assert_close, num_terms
from tests.models.conftest import BuildTiny, tiny_model_config

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 24}


def save_bert(folder: Path, kind: Any = BertModel, **changes: Any) -> Any:
    torch.manual_seed(5)
    model = kind(BertConfig(**{"vocab_size": 50, "max_position_embeddings": 32, **SIZES, **changes}))
    model.save_pretrained(folder)
    return model


def test_text_alone_is_encoded_as_by_transformers(build_tiny: BuildTiny) -> None:
    """With an empty grid the fusion encoder is BERT: embeddings, mask, layers and pooler."""
    fusion = build_tiny().bert
    torch.manual_seed(0)
    bert = BertModel(fusion.encoder.config)
    bert.train(False)
    own = {name: tensor for name, tensor in fusion.state_dict().items() if not name.startswith("visual_")}
    bert.load_state_dict(own)
    ids = torch.randint(1, 40, (3, 7))
    mask = (torch.arange(7) < torch.tensor([[7], [4], [2]])).long()
    with torch.inference_mode():
        expected = bert(input_ids=ids, attention_mask=mask)
        sequence, pooled = fusion(torch.zeros(3, 0, 0, 16), ids, mask)
    real = mask.bool()
    assert_close(sequence[real], expected.last_hidden_state[real], terms=num_terms(bert))
    assert_close(pooled, expected.pooler_output, terms=num_terms(bert))


def test_weights_and_sizes_come_from_the_folder(tmp_path: Path) -> None:
    source = save_bert(tmp_path)
    bert = build_bert(EncoderConfig(pretrained=str(tmp_path), dropout=0.2), vocabulary_size=50)
    assert all(torch.equal(tensor, source.state_dict()[name]) for name, tensor in bert.state_dict().items())
    assert bert.config.hidden_dropout_prob == bert.config.attention_probs_dropout_prob == 0.2
    assert bert.embeddings.dropout.p == 0.2


def test_rows_that_pad_the_vocabulary_are_cut_off(tmp_path: Path) -> None:
    source = save_bert(tmp_path)
    bert = build_bert(EncoderConfig(pretrained=str(tmp_path)), vocabulary_size=47)
    table = bert.embeddings.word_embeddings
    assert torch.equal(table.weight, source.embeddings.word_embeddings.weight[:47])
    assert bert.config.vocab_size == table.num_embeddings == 47


@pytest.mark.parametrize(("rows", "tokens"), [(50, 51), (400, 40)])
def test_another_tokenizer_is_refused(tmp_path: Path, rows: int, tokens: int) -> None:
    save_bert(tmp_path, vocab_size=rows)
    with pytest.raises(
        CheckpointError, match=f"{rows} word embeddings, but the tokenizer has {tokens} tokens"
    ) as caught:
        build_bert(EncoderConfig(pretrained=str(tmp_path)), vocabulary_size=tokens)
    assert "tokenizer.name" in caught.value.hint


def test_missing_folder_is_named_with_a_command(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no folder") as caught:
        build_bert(EncoderConfig(pretrained=str(tmp_path / "bert-tiny")), vocabulary_size=50)
    assert "hf download bert-tiny" in caught.value.hint


def test_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot load the BERT"):
        build_bert(EncoderConfig(pretrained=str(tmp_path)), vocabulary_size=50)


def test_damaged_weights(tmp_path: Path) -> None:
    save_bert(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="cannot load the BERT"):
        build_bert(EncoderConfig(pretrained=str(tmp_path)), vocabulary_size=50)


def test_missing_layers(tmp_path: Path) -> None:
    save_bert(tmp_path)
    sizes: dict[str, Any] = {"vocab_size": 50, "max_position_embeddings": 32, **SIZES, "num_hidden_layers": 3}
    BertConfig(**sizes).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"lacks 16 tensors.*encoder\.layer\.2\."):
        build_bert(EncoderConfig(pretrained=str(tmp_path)), vocabulary_size=50)


def test_other_models_are_refused(tmp_path: Path) -> None:
    sizes: dict[str, Any] = {"vocab_size": 50, "max_position_embeddings": 32, **SIZES}
    RobertaModel(RobertaConfig(**sizes)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="roberta model, not a BERT"):
        build_bert(EncoderConfig(pretrained=str(tmp_path)), vocabulary_size=50)


def test_other_arithmetic_is_refused(tmp_path: Path) -> None:
    save_bert(tmp_path, hidden_act="relu")
    with pytest.raises(CheckpointError, match="relu"):
        build_bert(EncoderConfig(pretrained=str(tmp_path)), vocabulary_size=50)


def test_a_missing_pooler_is_only_worth_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = save_bert(tmp_path, BertForMaskedLM)
    with caplog.at_level("WARNING", logger="clipbug"):
        bert = build_bert(EncoderConfig(pretrained=str(tmp_path)), vocabulary_size=50)
    assert "no pooler" in caplog.text
    name = "encoder.layer.1.output.dense.weight"
    assert torch.equal(bert.get_parameter(name), source.bert.get_parameter(name))


def test_a_model_around_a_pretrained_bert_is_rebuilt_without_it(tmp_path: Path) -> None:
    save_bert(tmp_path)
    config = tiny_model_config(encoder=EncoderConfig(pretrained=str(tmp_path)))
    build: dict[str, Any] = {"head": "classification", "num_classes": 3, "vocabulary_size": 47}
    model = build_model(config, **build)
    again = build_model(self_contained_config(config, model), **build)
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    assert {name: tensor.shape for name, tensor in again.state_dict().items()} == shapes
    assert self_contained_config(config, model).encoder.pretrained is None

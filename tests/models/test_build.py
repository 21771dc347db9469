"""Building of models: reproducible, of the sizes that the config says, usable at random weights."""

import pytest
import torch

from clipbug.config.model import EncoderConfig, ModelConfig, ResNetConfig, SmallConvConfig
from clipbug.errors import ConfigError
from clipbug.models.build import build_model, self_contained_config
from clipbug.models.heads import PretrainingHead
from tests.models.conftest import BuildTiny, Inputs, tiny_model_config


def test_the_seed_decides_all_weights(build_tiny: BuildTiny) -> None:
    first, again, other = (build_tiny("pretraining", seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(tensor, again[name]) for name, tensor in first.items())
    random = [name for name, tensor in first.items() if tensor.unique().numel() > 2]
    assert random
    assert not any(torch.equal(first[name], other[name]) for name in random)


def test_sizes(build_tiny: BuildTiny) -> None:
    model = build_tiny(grid_pool=1, max_grid_size=11)
    assert model.frame_multiple == 4
    assert build_tiny(grid_pool=2).frame_multiple == 8
    state = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert state["bert.visual_embeddings.row_position_embeddings.weight"] == (11, 16)
    assert state["bert.encoder.layer.1.intermediate.dense.weight"] == (32, 16)
    assert "bert.encoder.layer.2.intermediate.dense.weight" not in state
    assert state["head.classifier.2.bias"] == (5,)
    assert model.bert.encoder.config._attn_implementation == "sdpa"


def test_dropout_is_the_config_s(build_tiny: BuildTiny) -> None:
    encoder = EncoderConfig(hidden_size=16, num_layers=1, num_heads=2, intermediate_size=32, dropout=0.3)
    model = build_tiny(encoder=encoder, head_dropout=0.4)
    rates = {name: module.p for name, module in model.named_modules() if isinstance(module, torch.nn.Dropout)}
    assert rates.pop("head.dropout") == 0.4
    assert set(rates.values()) == {0.3}
    assert "bert.visual_embeddings.dropout" in rates


def test_random_linear_layers_keep_the_size_of_their_input() -> None:
    config = ModelConfig(backbone=SmallConvConfig(), encoder=EncoderConfig(num_layers=1))
    torch.manual_seed(0)
    model = build_model(config, head="classification", num_classes=300, vocabulary_size=50)
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    assert len(linear) == 6 + 1 + 2
    for module in linear:
        out = module(torch.randn(100, module.in_features))
        assert out.std().item() == pytest.approx(1, rel=0.05)  # 30,000 draws or more: 0.01 at one sigma


def test_decoder_of_masked_words_is_the_word_table(build_tiny: BuildTiny) -> None:
    model = build_tiny("pretraining")
    assert isinstance(model.head, PretrainingHead)
    assert model.head.predictions.decoder.weight is model.bert.embeddings.word_embeddings.weight
    assert model.head.predictions.decoder.bias is model.head.predictions.bias


def test_classification_needs_classes() -> None:
    with pytest.raises(ValueError, match="num_classes"):
        build_model(tiny_model_config(), head="classification", num_classes=None, vocabulary_size=9)


def test_pictures_reach_the_answer_at_random_weights() -> None:
    """A signal that starts out invisible makes training from scratch stay at the most frequent answer."""
    torch.manual_seed(0)
    encoder = EncoderConfig(hidden_size=128, num_layers=3, num_heads=4, intermediate_size=512, dropout=0)
    config = ModelConfig(backbone=SmallConvConfig(), encoder=encoder)
    model = build_model(config, head="classification", num_classes=5, vocabulary_size=50).eval()
    frames = torch.zeros(4, 1, 1, 3, 128, 128, dtype=torch.uint8)
    for place in range(4):  # one bright square, at another place in each picture
        row, column = divmod(place, 2)
        frames[place, ..., 64 * row + 16 : 64 * row + 48, 64 * column + 16 : 64 * column + 48] = 230
    ids = torch.tensor([[2, 7, 3]]).expand(4, 3)
    with torch.inference_mode():
        fusion = model.fuse(model.encode_frames(frames), ids, torch.ones_like(ids), torch.arange(4))
    # Share of the pooled encoding that differs from picture to picture.
    share = fusion.pooled.var(dim=0).mean() / fusion.pooled.square().mean()
    assert share > 0.01  # 9e-5 with BERT's 0.02


def test_too_large_a_grid_names_the_setting(build_tiny: BuildTiny, inputs: Inputs) -> None:
    with pytest.raises(ConfigError, match=r"4x3 cells, but model\.max_grid_size is 3"):
        build_tiny(max_grid_size=3)(*inputs.arguments())


def test_too_long_a_text_names_the_setting(build_tiny: BuildTiny, inputs: Inputs) -> None:
    encoder = EncoderConfig(
        hidden_size=16, num_layers=1, num_heads=2, intermediate_size=32, max_position_embeddings=5
    )
    with pytest.raises(ConfigError, match="6 tokens, but the encoder has 5") as caught:
        build_tiny(encoder=encoder)(*inputs.arguments())
    assert "max_text_tokens" in caught.value.hint


def test_frames_smaller_than_a_cell_are_refused(build_tiny: BuildTiny, inputs: Inputs) -> None:
    with pytest.raises(ValueError, match="4x24"):
        build_tiny().encode_frames(inputs.frames[..., :4, :])


def test_self_contained_config_of_given_sizes_is_the_config(build_tiny: BuildTiny) -> None:
    config = tiny_model_config()
    assert self_contained_config(config, build_tiny()) == config


def test_self_contained_config_names_no_file() -> None:
    config = ModelConfig(backbone=ResNetConfig(architecture="resnet18", weights="gone.pth"))
    random = config.model_copy(update={"backbone": ResNetConfig(architecture="resnet18")})
    with torch.device("meta"):
        model = build_model(random, head="classification", num_classes=2, vocabulary_size=20)
    assert self_contained_config(config, model) == random

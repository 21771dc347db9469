"""What stands on top of the fusion encoder."""

from abc import ABC, abstractmethod

from torch import Tensor, nn
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLMPredictionHead

from clipbug.models.initialization import init_linear
from clipbug.models.outputs import FusionOutput, PretrainingOutput


class Head(nn.Module, ABC):
    """Joint encodings to the output of the model.

    Attributes:
        reads_tokens: whether it reads single tokens, and not only the pooled encoding.
    """

    reads_tokens = False

    @abstractmethod
    def forward(self, fusion: FusionOutput, *, num_text_tokens: int) -> Tensor | PretrainingOutput:
        """Shape: as `FusionOutput`, its first `num_text_tokens` tokens being text -> (Q, N, ...)."""


class ClassificationHead(Head):
    """Two layers on the pooled encoding, twice as wide in between.

    Args:
        hidden_size: width of the encoder.
        num_classes: K.
        dropout: before the first layer.
    """

    def __init__(self, hidden_size: int, num_classes: int, *, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Sequential(
            nn.Linear(hidden_size, 2 * hidden_size), nn.ReLU(), nn.Linear(2 * hidden_size, num_classes)
        )
        self.apply(init_linear)

    def forward(self, fusion: FusionOutput, *, num_text_tokens: int) -> Tensor:
        """Class scores of every clip. Shape: pooled (Q, N, D) -> (Q, N, K)."""
        logits: Tensor = self.classifier(self.dropout(fusion.pooled))
        return logits


class RegressionHead(Head):
    """The original's head for counts, which no task of it reaches: batch norm between two layers.

    In training the norm makes the loss of a batch differ from that of its micro-batches; `ClassificationHead`
    with one output has no such trouble.

    Args:
        hidden_size: width of the encoder.
        dropout: before both layers.
    """

    def __init__(self, hidden_size: int, *, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.regressor = nn.Sequential(
            nn.Linear(hidden_size, hidden_size),
            nn.ELU(),
            nn.BatchNorm1d(hidden_size),
            nn.Dropout(dropout),
            nn.Linear(hidden_size, 1),
        )
        self.apply(init_linear)

    def forward(self, fusion: FusionOutput, *, num_text_tokens: int) -> Tensor:
        """A number for every clip. Shape: pooled (Q, N, D) -> (Q, N, 1)."""
        numbers: Tensor = self.regressor(self.dropout(fusion.pooled).flatten(0, 1))
        return numbers.view(*fusion.pooled.shape[:2], 1)


class PretrainingHead(Head):
    """Masked language modelling and visual-text matching.

    Args:
        config: sizes of the encoder.
        word_embeddings: (vocabulary, D), shared: the decoder's weight is this very parameter.
    """

    reads_tokens = True

    def __init__(self, config: BertConfig, word_embeddings: nn.Embedding) -> None:
        super().__init__()
        self.predictions = BertLMPredictionHead(config)  # type: ignore[no-untyped-call]
        self.seq_relationship = nn.Linear(config.hidden_size, 2)
        self.apply(init_linear)
        self.predictions.decoder.weight = word_embeddings.weight
        self.predictions.decoder.bias = self.predictions.bias

    def forward(self, fusion: FusionOutput, *, num_text_tokens: int) -> PretrainingOutput:
        """Token scores at every text position, and whether text and visual belong together.

        Shape:
            fusion: sequence (Q, N, S, D), pooled (Q, N, D).
            returns: mlm_logits (Q, N, L, vocabulary), matching_logits (Q, N, 2) with L = `num_text_tokens`.
        """
        return PretrainingOutput(
            mlm_logits=self.predictions(fusion.sequence[:, :, :num_text_tokens]),
            matching_logits=self.seq_relationship(fusion.pooled),
        )

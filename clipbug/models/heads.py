"""Output heads on the fusion encoder."""

from abc import ABC, abstractmethod

from torch import Tensor, nn
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLMPredictionHead

from clipbug.models.bert import init_linear
from clipbug.models.outputs import FusionOutput, PretrainingOutput


class Head(nn.Module, ABC):
    """Base class of heads, which turn joint encodings into the output of the model.

    Attributes:
        reads_tokens: Whether it reads individual tokens, not only the pooled encoding.
    """

    reads_tokens = False

    @abstractmethod
    def forward(self, fusion: FusionOutput, *, num_text_tokens: int) -> Tensor | PretrainingOutput:
        """Compute the output. Shape: as `FusionOutput`, whose first tokens are text -> (Q, N, ...)."""


class ClassificationHead(Head):
    """Two layers on the pooled encoding, with twice the width in between.

    Args:
        hidden_size: Width of the encoder.
        num_classes: K.
        dropout: Dropout before the first layer.
    """

    def __init__(self, hidden_size: int, num_classes: int, *, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Sequential(
            nn.Linear(hidden_size, 2 * hidden_size), nn.ReLU(), nn.Linear(2 * hidden_size, num_classes)
        )
        self.apply(init_linear)

    def forward(self, fusion: FusionOutput, *, num_text_tokens: int) -> Tensor:
        """Compute class scores of every clip. Shape: pooled (Q, N, D) -> (Q, N, K)."""
        logits: Tensor = self.classifier(self.dropout(fusion.pooled))
        return logits


class RegressionHead(Head):
    """ClipBERT's head for counts, which none of its tasks reaches: batch norm between two layers.

    In training the norm makes the loss of a batch differ from that of its micro-batches; `ClassificationHead`
    with one output has no such problem.

    Args:
        hidden_size: Width of the encoder.
        dropout: Dropout before both layers.
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
        """Compute a number for every clip. Shape: pooled (Q, N, D) -> (Q, N, 1)."""
        numbers: Tensor = self.regressor(self.dropout(fusion.pooled).flatten(0, 1))
        return numbers.view(*fusion.pooled.shape[:2], 1)


class PretrainingHead(Head):
    """Masked language modelling and visual-text matching.

    Args:
        config: Sizes of the encoder.
        word_embeddings: (vocabulary, D), tied: the decoder's weight is this parameter.
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
        """Compute token scores at every text position, and whether text and media item belong together.

        Args:
            fusion: Joint encodings.
            num_text_tokens: L.

        Returns:
            Token and matching scores.

        Shape:
            fusion: sequence (Q, N, S, D), pooled (Q, N, D).
            returns: mlm_logits (Q, N, L, vocabulary), matching_logits (Q, N, 2).
        """
        return PretrainingOutput(
            mlm_logits=self.predictions(fusion.sequence[:, :, :num_text_tokens]),
            matching_logits=self.seq_relationship(fusion.pooled),
        )

"""The model as one static graph for ONNX: no chunking, no control flow that depends on the batch size."""

from torch import Tensor, nn

from clipbug.models.aggregation import ClipAggregation, aggregate_clips
from clipbug.models.clipbert import ClipBert
from clipbug.models.outputs import FusionOutput, PretrainingOutput

INPUTS = ("frames", "input_ids", "attention_mask", "visual_index")


class OnnxGraph(nn.Module):
    """A module from frames and token ids to logits of clips and recordings.

    Args:
        model: the model, in evaluation mode.
        clip_aggregation: how the logits of clips are aggregated.
    """

    def __init__(self, model: ClipBert, clip_aggregation: ClipAggregation) -> None:
        super().__init__()
        self.model = model
        self.clip_aggregation = clip_aggregation

    @property
    def outputs(self) -> tuple[str, ...]:
        """Return the names of the outputs of `forward`."""
        return ("pooled_logits", "clip_logits")

    def forward(
        self,
        frames: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
        visual_index: Tensor,
        clip_positions: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Compute the logits as `ClipBert.forward` does; for a pretraining head, the matching scores.

        Args:
            frames: (B, N, T, 3, H, W) float, RGB in [0, 255].
            input_ids: (Q, L).
            attention_mask: (Q, L).
            visual_index: (Q,), index of the media item of each text.
            clip_positions: (B, N), for models that use clip positions.

        Returns:
            The pooled logits (Q, K) and the clip logits (Q, N, K).
        """
        num_visuals, num_clips, num_frames = frames.shape[:3]
        grid = self.model.visual(frames.flatten(0, 2))
        grid = grid.unflatten(0, (num_visuals, num_clips, num_frames)).mean(dim=2)
        grid = grid.index_select(0, visual_index).flatten(0, 1)
        sequence, pooled = self.model.bert(
            grid,
            _for_each_clip(input_ids, num_clips),
            _for_each_clip(attention_mask, num_clips),
            None if clip_positions is None else clip_positions.index_select(0, visual_index).flatten(),
        )
        rows = (input_ids.shape[0], num_clips)
        fusion = FusionOutput(sequence.unflatten(0, rows), pooled.unflatten(0, rows))
        output = self.model.head(fusion, num_text_tokens=input_ids.shape[1])
        logits = output.matching_logits if isinstance(output, PretrainingOutput) else output
        return aggregate_clips(logits, self.clip_aggregation), logits


def _for_each_clip(rows: Tensor, num_clips: int) -> Tensor:
    """Repeat rows for each clip: (Q, L) -> (Q * N, L), with the clips of a row next to each other."""
    return rows[:, None].expand(-1, num_clips, -1).flatten(0, 1)

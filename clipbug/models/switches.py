"""Reduce memory or time of training; weights and their names are unchanged."""

from functools import partial

from torch.utils.checkpoint import checkpoint

from clipbug.models.clipbert import ClipBert


def apply_training_switches(
    model: ClipBert, *, frames_per_call: int | None, recompute: bool, compiled: bool
) -> None:
    """Configure, once, how `model` computes during training.

    Args:
        model: Model to configure.
        frames_per_call: Frames per call of the backbone; None for the whole batch.
        recompute: Keep no activations inside backbone calls and encoder layers; the backward pass recomputes
            them. With a small `frames_per_call` the backbone's memory no longer grows with the batch.
        compiled: Compile backbone and encoder with `torch.compile` at their first call.
    """
    model.visual.frames_per_call = frames_per_call
    model.visual.recompute = recompute
    if recompute:
        for layer in model.bert.encoder.layer:
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
    if compiled:
        model.visual.compile()
        model.bert.compile()

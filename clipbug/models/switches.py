"""Ways to train the same model in less memory or time; weights and their names stay as they are."""

from functools import partial

from torch.utils.checkpoint import checkpoint

from clipbug.models.clipbert import ClipBert


def apply_training_switches(
    model: ClipBert, *, frames_per_call: int | None, recompute: bool, compiled: bool
) -> None:
    """Set, once, how `model` computes while it is trained.

    Args:
        frames_per_call: frames that pass the backbone in one call; None: all of a batch.
        recompute: keep no activations inside the backbone's calls and the encoder's layers; the backward pass
            computes them anew. With a small `frames_per_call` the backbone's memory no longer grows with the
            batch.
        compiled: translate backbone and encoder with `torch.compile`, at their first call.
    """
    model.visual.frames_per_call = frames_per_call
    model.visual.recompute = recompute
    if recompute:
        for layer in model.bert.encoder.layer:
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)
    if compiled:
        model.visual.compile()
        model.bert.compile()

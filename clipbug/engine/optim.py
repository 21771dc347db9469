"""AdamW with named groups: visual part and transformer, each with and without weight decay."""

from torch import nn
from torch.optim import AdamW, Optimizer

from clipbug.config.train import GroupConfig, OptimConfig

_BACKBONE_PREFIX = "model.visual."
_KINDS = ("decay", "no_decay")


def build_optimizer(task: nn.Module, config: OptimConfig) -> AdamW:
    """Groups `backbone/decay`, `backbone/no_decay`, `transformer/decay` and `transformer/no_decay`.

    Everything under `model.visual.` is backbone. Biases and norms (fewer than two dimensions) do not decay.
    Parameters without gradient are in no group, and empty groups are left out.
    """
    parts: dict[str, GroupConfig] = {"backbone": config.backbone, "transformer": config.transformer}
    parameters: dict[str, list[nn.Parameter]] = {f"{part}/{kind}": [] for part in parts for kind in _KINDS}
    for name, parameter in task.named_parameters():
        if parameter.requires_grad:
            part = "backbone" if name.startswith(_BACKBONE_PREFIX) else "transformer"
            kind = "decay" if parameter.ndim > 1 else "no_decay"
            parameters[f"{part}/{kind}"].append(parameter)
    groups = [
        {
            "name": name,
            "params": members,
            "lr": parts[name.split("/")[0]].learning_rate,
            "peak_learning_rate": parts[name.split("/")[0]].learning_rate,
            "weight_decay": parts[name.split("/")[0]].weight_decay if name.endswith("/decay") else 0.0,
        }
        for name, members in parameters.items()
        if members
    ]
    # fused: one pass over memory, 3 to 6 times the speed of the other ways, on CPUs too
    return AdamW(groups, betas=config.betas, eps=config.epsilon, fused=True)


def set_learning_rates(optimizer: Optimizer, factor: float) -> None:
    """Set each group's rate to its peak times `factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak_learning_rate"] * factor


def learning_rates(optimizer: Optimizer) -> dict[str, float]:
    """Present rate of each part ("backbone", "transformer")."""
    return {group["name"].split("/")[0]: group["lr"] for group in optimizer.param_groups}

"""Code that `finetune` and `pretrain` share."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clipbug.cli.options import ResumeChoice
from clipbug.cli.reporting import Outcome
from clipbug.cli.views.generic import report_view

if TYPE_CHECKING:  # pydantic takes a third of the time that `clipbug --help` may take
    from clipbug.config import RunConfig


def texts(paths: Sequence[Path] | None) -> list[str] | None:
    """Return the paths of a flag as config values, or None if the flag was not given."""
    return [str(path) for path in paths] if paths else None


def config_outcome(config: "RunConfig") -> Outcome:
    """Return the resolved config as the outcome of `--print-config`."""
    from clipbug.config.loading import dump_config

    return Outcome(config.model_dump(mode="json"), dump_config(config).rstrip("\n"))


def run_training(
    config: "RunConfig",
    *,
    dry_run: bool,
    storage: Path,
    output: Path | None,
    resume: ResumeChoice,
    init: Path | None,
    accept_changes: bool,
    stop_after: float | None,
) -> Outcome:
    """Train, or with `dry_run` only return the plan."""
    if dry_run:
        from clipbug.recipes.dry_run import plan_run

        plan = plan_run(config, storage=storage).to_json()
        return Outcome(plan, report_view("plan", plan))
    from clipbug.recipes.train import train

    result = train(
        config,
        storage=storage,
        output=output,
        resume=resume,
        init=init,
        accept_changes=accept_changes,
        stop_after=stop_after,
    ).to_json()
    exit_code = 3 if result.get("bad_items") else 0
    return Outcome(result, report_view("training", result), exit_code=exit_code)

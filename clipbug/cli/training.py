"""What `finetune` and `pretrain` have in common."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clipbug.cli.options import ResumeChoice
from clipbug.cli.reporting import Outcome
from clipbug.cli.views.generic import report_view

if TYPE_CHECKING:  # pydantic takes a third of the time that `clipbug --help` may take
    from clipbug.config import RunConfig


def texts(paths: Sequence[Path] | None) -> list[str] | None:
    """Paths of a flag as config values; None if the flag was not given."""
    return [str(path) for path in paths] if paths else None


def config_outcome(config: "RunConfig") -> Outcome:
    """`--print-config`: the resolved config."""
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
    """Train, or with `dry_run` only report what would be done."""
    if dry_run:
        from clipbug.recipes.dry_run import plan_run

        plan = plan_run(config, storage=storage).to_json()
        return Outcome(plan, report_view("plan", plan))
    from clipbug.recipes.train import train

    report = train(
        config,
        storage=storage,
        output=output,
        resume=resume,
        init=init,
        accept_changes=accept_changes,
        stop_after=stop_after,
    ).to_json()
    exit_code = 3 if report.get("bad_items") else 0
    return Outcome(report, report_view("training", report), exit_code=exit_code)

"""`clipbug doctor`."""

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, start_logging


def doctor(
    storage: options.StorageRoot = options.DEFAULT_STORAGE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Check Python, device, codecs, disk, memory and storage, and suggest a fix for each problem.

    Exits with code 1 if clipbug cannot run in this environment.
    """
    start_logging(quiet=quiet, verbose=verbose)
    from clipbug.cli.views.doctor import health_table
    from clipbug.recipes.doctor import examine

    result = examine(storage=storage)
    return Outcome(result.to_json(), health_table(result.to_json()), exit_code=0 if result.is_usable else 1)

"""`clipbug infer`: answer questions or rank recordings with a trained run."""

from pathlib import Path

from clipbug.config.inference import InferenceSettings
from clipbug.errors import ConfigError
from clipbug.inference.answers import answer_questions
from clipbug.inference.inputs import find_inputs
from clipbug.inference.rankings import rank_recordings
from clipbug.inference.report import InferenceReport
from clipbug.runtime.files import WriteError, can_write, safe_name
from clipbug.workspace.storage import Storage


def infer(
    settings: InferenceSettings,
    *,
    storage: Path,
    output: Path | None = None,
    scores: Path | None = None,
) -> InferenceReport:
    """Answer or rank every row of the data with the weights of a run, and write predictions.jsonl.

    A media item that cannot be read is named in the report, and its rows stay without an answer. Killed
    at any time, the same call resumes.

    Args:
        settings: which run, data and media, and how they are read.
        storage: storage root.
        output: folder of predictions.jsonl; default: predictions/<data>-<step> in the run folder.
        scores: also write raw scores to this npz file.

    Raises:
        ClipbugError: no such run, step, data or media.
    """
    inputs = find_inputs(Storage(storage), settings)
    name = safe_name(f"{'+'.join(Path(file).stem for file in inputs.files)}-{settings.step}")
    folder = output or inputs.folder.path / "predictions" / name
    _check_targets(folder, scores)
    compute = rank_recordings if inputs.ask_for_rankings else answer_questions
    return compute(inputs, folder=folder, scores=scores)


def _check_targets(folder: Path, scores: Path | None) -> None:
    """Raise ConfigError or WriteError where results cannot be written, before a model is loaded."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, not a folder", "Name a folder: --output DIR")
    if scores is not None and scores.is_dir():
        raise ConfigError(f"{scores} is a folder, not a file", "Name a file: --scores FILE.npz")
    if not can_write(folder):
        raise WriteError(f"cannot write predictions to {folder}", "Name another folder: --output DIR.")

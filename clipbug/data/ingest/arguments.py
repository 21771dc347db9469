"""Tell the files from the questions among the words of a command line."""

from collections.abc import Sequence
from pathlib import Path

from clipbug.data.ingest.find_files import EXTENSIONS
from clipbug.errors import DataError
from clipbug.runtime.files import existing_path

_MEDIA_ENDINGS = tuple(f".{name}" for name in EXTENSIONS["auto"])


def files_and_questions(words: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Split words into files, which exist, and questions.

    Raises:
        DataError: a word ends like a recording and does not exist; a folder; no file at all.
    """
    files, questions = [], []
    for word in words:
        path = existing_path(word)  # a pipe too: it is named like a file that cannot be read
        if path is not None and path.is_dir():
            raise DataError(f"{word} is a folder", f"Name files: clipbug ask {word}/*.mp4 'QUESTION'")
        if path is not None:
            files.append(path)
        elif word.lower().endswith(_MEDIA_ENDINGS):
            raise DataError(
                f"there is no file {word}",
                "Check the name. If it is a question: --question TEXT",
            )
        else:
            questions.append(word)
    if not files:
        raise DataError(
            "no file is given" + (f"; {questions[0]!r} is not a file" if questions else ""),
            "clipbug ask recording.mp4 'what is tapped first?'",
        )
    return files, questions

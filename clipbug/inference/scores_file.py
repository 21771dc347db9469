"""The raw scores of an inference as an npz file, written row by row: memory does not grow with them."""

import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbug.inference.result_log import Result
from clipbug.runtime.files import atomic_file


def write_scores(path: Path, answers: Callable[[], Iterable[Result]]) -> None:
    """question_ids, media_ids (Q,), pooled_logits (Q, K) and clip_logits (Q, N, K), in the answers' order.

    Rows with fewer classes or clips than others (multiple choice, images among recordings) end in NaN.

    Args:
        path: of the npz file.
        answers: begins the answers anew, at each call; they hold logits.

    Raises:
        ClipbugError: the file cannot be written.
    """
    ids = [(answer.content["question_id"], answer.content["media_id"]) for answer in answers()]
    shapes = [answer.arrays["clip_logits"].shape for answer in answers()]
    largest = tuple(max((shape[axis] for shape in shapes), default=0) for axis in (0, 1))
    with atomic_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, column in (("question_ids", 0), ("media_ids", 1)):
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.array([pair[column] for pair in ids], dtype=np.str_))
        pooled = (answer.arrays["pooled_logits"] for answer in answers())
        _write_rows(archive, "pooled_logits", pooled, (len(ids), largest[1]))
        clips = (answer.arrays["clip_logits"] for answer in answers())
        _write_rows(archive, "clip_logits", clips, (len(ids), *largest))


def _write_rows(
    archive: zipfile.ZipFile, name: str, rows: Iterator[NDArray[np.float32]], shape: tuple[int, ...]
) -> None:
    header: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for row in rows:
            missing = [(0, most - here) for most, here in zip(shape[1:], row.shape, strict=True)]
            member.write(np.pad(row, missing, constant_values=np.nan).astype("<f4").tobytes())

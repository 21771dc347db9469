"""Rows of annotation files for tests."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

IMAGE_ROW = {"image_id": 3, "question": "What screen is this", "question_id": 31, "labels": {"Home": 1}}
VIDEO_ROW = {"video_id": "video2", "question": "what is tapped?", "answer": "delete", "answer_type": "what"}


def write_lines(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path

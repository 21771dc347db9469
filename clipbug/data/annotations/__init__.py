"""Read annotation files of every family into typed records."""

from clipbug.data.annotations.media_check import MediaMatch, load_aliases, match_media, refuse_missing
from clipbug.data.annotations.read import (
    AnnotationFile,
    detect_family,
    read_annotations,
    scan_annotations,
)

__all__ = [
    "AnnotationFile",
    "MediaMatch",
    "detect_family",
    "load_aliases",
    "match_media",
    "read_annotations",
    "refuse_missing",
    "scan_annotations",
]

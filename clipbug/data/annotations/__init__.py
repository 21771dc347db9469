"""Annotation files of every family to typed records."""

from clipbug.data.annotations.families import Family
from clipbug.data.annotations.media_check import check_media
from clipbug.data.annotations.read import detect_family, read_annotations

__all__ = ["Family", "check_media", "detect_family", "read_annotations"]

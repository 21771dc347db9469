"""Endings of the files that may hold images and recordings, in lower case and without dot."""

IMAGE_ENDINGS = ("avif", "bmp", "gif", "jpeg", "jpg", "png", "tif", "tiff", "webp")
VIDEO_ENDINGS = ("3gp", "avi", "flv", "gif", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ts", "webm", "wmv")

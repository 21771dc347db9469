"""`clipbug serve`: serve a small web page on this machine."""

import ipaddress
import logging
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipbug.errors import ClipbugError
from clipbug.inference.loaded_model import load_model
from clipbug.inference.model_fit import ModelChoice
from clipbug.inference.web_page import PageModels, build_page, import_gradio
from clipbug.workspace.storage import Storage

logger = logging.getLogger(__name__)
DEFAULT_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ServeReport:
    """What was served, after serving has ended."""

    address: str
    model: str
    kept: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return asdict(self)


def serve(
    *,
    storage: Path,
    model: Path | None = None,
    host: str = DEFAULT_HOST,
    port: int | None = None,
    num_clips: int | None = None,
    max_megabytes: int = 200,
    keep: Path | None = None,
    open_browser: bool = False,
) -> ServeReport:
    """Serve the page until the process is interrupted.

    Args:
        storage: storage root, for the newest runs.
        model: run or model folder; default: for each upload the newest run that fits it.
        host: address to listen on; a warning is logged if other machines can reach it.
        port: default: the first free one from 7860.
        num_clips: clips of a recording; default: as the run validated.
        max_megabytes: largest upload that is accepted.
        keep: folder to keep uploads in; default: uploads are deleted as soon as they are decoded.
        open_browser: also open the page in the system's browser.

    Raises:
        ClipbugError: gradio is not installed; no run; the port is taken.
    """
    choice = ModelChoice(Storage(storage), model)
    kinds = choice.kinds() or ("video",)  # without a run, the choice raises
    folders = {kind: choice.folder(kind, file="an upload") for kind in kinds}
    _refuse_taken(host, port)
    with _uploads(keep) as uploads:
        gradio = import_gradio(uploads)
        loaded = {folder.path: load_model(folder.path) for folder in folders.values()}
        models = PageModels(choice, {kind: loaded[folder.path] for kind, folder in folders.items()})
        page = build_page(gradio, models, num_clips=num_clips, keep=keep is not None)
        address = _launch(page, host=host, port=port, max_megabytes=max_megabytes, open_browser=open_browser)
        if not _is_own_machine(host):
            logger.warning("%s can be reached from other machines, and anyone there can use it", address)
        logger.info("open %s (Ctrl-C ends)", address)
        try:
            page.block_thread()
        finally:
            page.close(verbose=False)
    return ServeReport(address, ", ".join(map(str, loaded)), None if keep is None else str(keep))


def _refuse_taken(host: str, port: int | None) -> None:
    """Raise ClipbugError if the address is in use, before models are loaded."""
    if port is None:
        return
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise _cannot_listen(host, error) from error


def _cannot_listen(host: str, error: OSError) -> ClipbugError:
    return ClipbugError(f"cannot listen on {host}: {error}", "Choose another port: --port 8080")


def _launch(page: Any, *, host: str, port: int | None, max_megabytes: int, open_browser: bool) -> str:
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            share=False,
            inbrowser=open_browser,
            max_file_size=max_megabytes * 1024**2,
            prevent_thread_lock=True,
            quiet=True,
            show_error=True,
            footer_links=[],
            run_history=False,
            ssr_mode=False,
            theme=page.theme,
        )
    except OSError as error:
        raise _cannot_listen(host, error) from error
    return str(address)


@contextmanager
def _uploads(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        try:
            keep.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ClipbugError(
                f"uploads cannot be kept in {keep}: {error.strerror}", "Name another folder: --keep DIR"
            ) from error
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="clipbug-serve-") as folder:
        yield Path(folder)


def _is_own_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""The page of `clipbug serve`: drop a recording, see its frames, ask, see the evidence."""

import html
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.data.ingest.find_files import EXTENSIONS
from clipbug.data.media import MediaKind
from clipbug.data.store.in_memory import kind_of_file
from clipbug.errors import ClipbugError
from clipbug.inference.answer_cards import card_of, card_with_evidence, filmstrip_of
from clipbug.inference.loaded_model import EncodedMedia, LoadedModel
from clipbug.inference.model_fit import ModelChoice
from clipbug.report.contents import Card
from clipbug.report.page import render_answers

# Before gradio is imported: it reports its use, and looks for newer versions, unless told not to.
_QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
_FONTS = ["system-ui", "sans-serif"]
_MAX_WAITING = 20
_KEEP_ENCODED_SECONDS = 900
_MAX_QUESTION_LETTERS = 500
_FRAME = (
    '<iframe title="{title}" sandbox srcdoc="{page}" style="width:100%;height:{height}px;border:0"></iframe>'
)


def import_gradio(uploads: Path) -> Any:
    """Import gradio, configured to report nothing and to keep uploads in a folder.

    Raises:
        ClipbugError: it is not installed.
    """
    os.environ.update(_QUIET)
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    try:
        import gradio
    except ImportError as error:
        raise ClipbugError(
            f"the web page needs gradio, which cannot be imported: {error}", 'pip install "clipbug[serve]"'
        ) from error
    return gradio


@dataclass(frozen=True, slots=True)
class PageModels:
    """The models that a page uses.

    Attributes:
        choice: explains why no model fits.
        by_kind: for images and for recordings; the same model if it is for both.
    """

    choice: ModelChoice
    by_kind: Mapping[MediaKind, LoadedModel]

    def model_for(self, kind: MediaKind, *, file: str) -> LoadedModel:
        """Return the model for a file. Raises CheckpointError if there is none."""
        if kind not in self.by_kind:
            self.choice.folder(kind, file=file)
        return self.by_kind[kind]


def build_page(gradio: Any, models: PageModels, *, num_clips: int | None, keep: bool) -> Any:
    """Build the page as gradio Blocks; requests are processed one at a time.

    Args:
        gradio: of `import_gradio`.
        models: to ask.
        num_clips: clips of a recording; default: as the run validated.
        keep: keep uploads; else each is deleted as soon as it is decoded.
    """
    endings = [f".{name}" for name in sorted(set(EXTENSIONS["auto"]))]
    theme = gradio.themes.Soft(primary_hue="slate", font=_FONTS, font_mono=["ui-monospace", "monospace"])
    with gradio.Blocks(title="clipbug", analytics_enabled=False) as page:
        gradio.Markdown("# clipbug\nDrop a recording or a screenshot, then ask. Nothing leaves this machine.")
        encoded = gradio.State(None, time_to_live=_KEEP_ENCODED_SECONDS)
        with gradio.Row():
            with gradio.Column(scale=1, min_width=280):
                file = gradio.File(label="Recording, GIF or image", file_types=endings, elem_id="file")
                question = gradio.Textbox(
                    label="Question",
                    placeholder="what is tapped first?",
                    max_length=_MAX_QUESTION_LETTERS,
                    elem_id="question",
                )
                evidence = gradio.Checkbox(value=True, label="Show the evidence for the answer")
                button = gradio.Button("Ask", variant="primary", elem_id="ask")
            with gradio.Column(scale=3):
                answer = gradio.HTML(elem_id="answer")
        on_upload, on_ask = _handlers(gradio, models, num_clips, keep)
        private = {"api_visibility": "private", "concurrency_id": "model", "concurrency_limit": 1}
        file.upload(on_upload, [file], [encoded, answer], **private)
        file.clear(lambda: (None, ""), None, [encoded, answer], api_visibility="private")
        for event in (button.click, question.submit):
            event(on_ask, [encoded, question, evidence], [answer], **private)
    page.theme = theme
    page.queue(max_size=_MAX_WAITING)
    return page


def _handlers(
    gradio: Any, models: PageModels, num_clips: int | None, keep: bool
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def on_upload(path: str) -> tuple[EncodedMedia, str]:
        try:
            kind = kind_of_file(Path(path))
            visual = models.model_for(kind, file=Path(path).name).encode(path, num_clips=num_clips)
        except ClipbugError as error:
            raise gradio.Error(_words(error)) from error
        finally:
            if not keep:
                Path(path).unlink(missing_ok=True)
        strip = filmstrip_of(visual)
        picture = f'<img src="{strip.uri}" alt="frames of {html.escape(visual.name)}" style="max-width:100%">'
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in visual.notes)
        return visual, f"<p>{html.escape(visual.name)}: frames that the model sees</p>{notes}{picture}"

    def on_ask(visual: EncodedMedia | None, question: str, wants_evidence: bool) -> str:
        if visual is None:
            raise gradio.Error("Drop a recording or a screenshot first.")
        if not question.strip():
            raise gradio.Error("Write a question first.")
        try:
            model = models.model_for(visual.kind, file=visual.name)
            return _answer(model, visual, question.strip(), wants_evidence)
        except ClipbugError as error:
            raise gradio.Error(_words(error)) from error

    return on_upload, on_ask


def _answer(model: LoadedModel, visual: EncodedMedia, question: str, wants_evidence: bool) -> str:
    [prediction] = model.answer(visual, [question])
    path = Path(visual.name)
    card: Card = (
        card_with_evidence(model, path, visual, prediction) if wants_evidence else card_of(path, prediction)
    )
    page = render_answers([card], {str(path): filmstrip_of(visual)}).decode("utf-8")
    return _FRAME.format(title="Answer", page=html.escape(page), height=760)


def _words(error: ClipbugError) -> str:
    """Return message and hint, escaped: gradio shows messages as HTML."""
    return html.escape(f"{error.message}. {error.hint}" if error.hint else error.message)

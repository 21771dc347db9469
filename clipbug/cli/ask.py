"""`clipbug ask` and `clipbug explain`."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from clipbug.cli import options
from clipbug.cli.reporting import Outcome, rich_console, start_logging
from clipbug.cli.startup import heavy_imports
from clipbug.cli.views.generic import report_view
from clipbug.config.inference import InferenceSettings

Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="DIR",
        help="Run or model folder. Default: for each file the newest run that fits what it holds.",
        autocompletion=options.complete_run,
    ),
]
NumClips = Annotated[
    int | None,
    typer.Option("--n-clips", min=1, metavar="N", help="Clips per recording. Default: the model's."),
]


def ask(
    words: Annotated[
        list[str],
        typer.Argument(metavar="FILE... [QUESTION...]", help="Recordings, GIFs and images, then questions."),
    ],
    questions: Annotated[
        list[str] | None, typer.Option("--question", metavar="TEXT", help="A question. Repeatable.")
    ] = None,
    model: Model = None,
    num_clips: NumClips = None,
    top_k: Annotated[int, typer.Option("--top-k", min=1, metavar="N", help="Answers to list.")] = 5,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report", metavar="FILE.html", help="Also write an HTML page with frames and evidence."
        ),
    ] = None,
    overrides: options.RunSettings = None,
    storage: options.StorageRoot = options.DEFAULT_STORAGE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Ask about recordings, GIFs and images. Without a question, questions are read from standard input.

    The exit code is 3 if some of the files cannot be read; each is named with the reason.
    """
    start_logging(quiet=quiet, verbose=verbose)
    with heavy_imports():
        from clipbug.data.ingest.arguments import files_and_questions
        from clipbug.recipes.ask import ask as run_ask

    files, asked = files_and_questions(words)
    done = run_ask(
        files,
        [*asked, *(questions or ())] or _typed_questions(),
        InferenceSettings(run=model, num_clips=num_clips, overrides=tuple(overrides or ())),
        storage=storage,
        top_k=top_k,
        page=report,
        answered=None if as_json else _print_answer,
    ).to_json()
    rest = {key: done[key] for key in ("bad", "report") if done[key]}
    return Outcome(done, report_view("", rest) if rest else None, exit_code=3 if done["bad"] else 0)


def explain(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Recording, GIF or image.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="Question about the file.")],
    answer: Annotated[
        str | None,
        typer.Option("--answer", metavar="TEXT", help="Answer to explain. Default: the model's own."),
    ] = None,
    model: Model = None,
    num_clips: NumClips = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE.png",
            help="Picture. Default: ./NAME.evidence.png.",
        ),
    ] = None,
    overrides: options.RunSettings = None,
    storage: options.StorageRoot = options.DEFAULT_STORAGE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> Outcome:
    """Show the evidence for an answer: which clips and which areas of the screen it depends on.

    Cells of the screen are covered at random and the question is asked again; no gradients are needed.
    """
    start_logging(quiet=quiet, verbose=verbose)
    with heavy_imports():
        from clipbug.recipes.explain import explain as run_explain

    settings = InferenceSettings(run=model, num_clips=num_clips, overrides=tuple(overrides or ()))
    done = run_explain(file, question, settings, storage=storage, answer=answer, output=output).to_json()
    return Outcome(done, report_view("evidence", {key: done[key] for key in done if key != "grid"}))


def _typed_questions() -> Iterator[str]:
    """Yield lines of standard input, with a prompt on a terminal."""
    while True:
        if sys.stdin.isatty():
            print("question> ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()


def _print_answer(answer: Mapping[str, Any], frames: Any) -> None:
    from clipbug.cli.views.answer import answer_view

    console = rich_console(sys.stdout)
    console.print(answer_view(answer, frames, console))

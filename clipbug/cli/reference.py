"""Writes the page of all commands: `python -m clipbug.cli.reference > docs/cli.md`."""

import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.main import get_command

from clipbug.cli.main import build_app

_INTRODUCTION = """\
# The command line

Made from the commands by `python -m clipbug.cli.reference`; a test keeps it fresh.

- Options that take several values accept `--ext mp4 avi` and `--ext mp4 --ext avi`, extensions also
  `--ext mp4,avi`.
- Results go to standard output, everything else to standard error. With `--json`, standard output holds
  exactly one JSON object; an error is `{"error": {"type": ..., "message": ..., "hint": ...}}`.
- `--storage` is the folder that holds stores (`vis_db/`), annotation files (`txt_db/`) and runs
  (`pretrained/`, `finetune/`). What you do not name is looked for there.
- Shell completion: `clipbug --install-completion`.
- Several processes: `torchrun --nproc-per-node 2 -m clipbug finetune --task vqa`; only the first one prints.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | an error; the message says what to do |
| 2 | the command line is wrong |
| 3 | done, but some of your items were found bad; each is named |
| 4 | out of memory; the message names the settings to lower |
| 130 | interrupted; the state of a running training is saved |
| 143 | ended by SIGTERM, tidied up as after Ctrl-C (a training that has saved its state ends with 0) |

## Files and objects

`predictions.jsonl`, written by `infer`, has one object per question:

| key | meaning |
|---|---|
| `id` | the row of the annotation file |
| `question_id`, `media_id`, `question` | as the annotation file has them |
| `answer`, `probability` | the best answer over all clips |
| `top` | the best answers, best first, each `[answer, probability]` |
| `clips` | for each clip `start_seconds`, `end_seconds`, `frame_seconds`, its own `answer`, `probability` |

`infer --scores FILE.npz` writes the arrays `question_ids`, `media_ids`, `pooled_logits` (questions, answers)
and `clip_logits` (questions, clips, answers), rows in the order of the data file.

`evaluate --json` prints one object:

| key | meaning |
|---|---|
| `task`, `metric`, `score` | `vqa_score` (soft labels) or `accuracy`, in [0, 1] |
| `count`, `answered`, `missing` | questions with an answer to score against; a missing prediction is wrong |
| `missing_ids` | ids of the questions without prediction, for instance because their media is in no store |
| `unmatched`, `unlabelled` | predictions without a question, questions without an answer; neither is scored |
| `interval` | 95 % bootstrap over recordings |
| `ceiling`, `oov_share` | the best score the vocabulary allows; the share of rows of which it has no answer |
| `baselines` | `majority` and `question_only`: what answers without looking would score |
| `by_type`, `by_app` | score and count of each group |
| `predictions`, `data` | the files that were compared |
"""


def cli_page() -> str:
    """The whole page as Markdown."""
    return "\n".join([_INTRODUCTION, *_sections("clipbug", get_command(build_app()))])


def _sections(path: str, command: Any) -> Iterator[str]:
    for name, inner in getattr(command, "commands", {}).items():
        if hasattr(inner, "commands"):
            yield from _sections(f"{path} {name}", inner)
        else:
            yield from _section(f"{path} {name}", inner)


def _section(path: str, command: Any) -> Iterator[str]:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    usage = " ".join([path, *(param.metavar for param in arguments)])
    example = command.epilog.rpartition("\n")[2]
    yield f"## `{usage}`\n"
    yield f"{command.help}\n"
    yield f"```sh\n{example}\n```\n"
    yield "| option | meaning |\n|---|---|"
    command.get_params(typer.Context(command))  # fills in metavars
    yield "\n".join(_row(param) for param in command.params) + "\n"


def _row(param: Any) -> str:
    names = ", ".join(f"`{name}`" for name in param.opts if name.startswith("-"))
    metavar = f"`{param.metavar}`" if param.metavar else ""
    has_default = param.default is not None and param.default is not False
    default = f" Default: `{param.default}`." if has_default else ""
    variable = f" Environment: `{param.envvar}`." if param.envvar else ""
    cells = (f"{names} {metavar}".strip(), f"{param.help}{default}{variable}")
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.stdout.write(cli_page())

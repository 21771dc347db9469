"""Model folders with random weights, for tests of what is done with a trained model."""

from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from clipbug.builders.task_model import TextParts, build_task_model, model_of
from clipbug.config import RunConfig
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.loading.tokenization import save_tokenizer
from clipbug.runtime.tensors import save_tensors
from clipbug.workspace.run_folder import RunFolder


def save_model(
    folder: Path, config: RunConfig, tokenizer: PreTrainedTokenizerBase, answers: AnswerVocabulary | None
) -> Path:
    """A model folder of this config; the same weights each time."""
    torch.manual_seed(0)
    task = build_task_model(config, TextParts(tokenizer, answers))
    RunFolder(folder).write_start(config, model=config.model, answers=answers, statistics=None)
    save_tokenizer(tokenizer, folder / "tokenizer")
    save_tensors(folder / "model.safetensors", model_of(task).state_dict())
    return folder

"""Evidence is found where it is: a model is trained to say which third of the screen holds a box."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from clipbug.builders.task_model import TextParts, build_task_model
from clipbug.config import RunConfig
from clipbug.config.inference import InferenceSettings
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.loading.batch import Batch
from clipbug.data.records import QuestionRecord
from clipbug.errors import ConfigError
from clipbug.inference.answer_cards import evidence_pictures, strongest_clip
from clipbug.inference.load import InferenceModel
from clipbug.inference.loaded_model import LoadedModel
from clipbug.inference.occlusion import find_evidence, random_masks
from clipbug.recipes.explain import explain
from clipbug.report.overlay import spotlight
from clipbug.tasks.base import Task
from tests.helpers.rounding import TERMS_OF_A_TINY_MODEL, assert_close
from tests.inference.test_loaded_model import save_model

COLOURS = {"red": (250, 20, 20), "green": (20, 230, 20), "blue": (30, 30, 250)}
QUESTION = "which screen is this"
HEIGHT, WIDTH, BOX = 32, 96, 10
STEPS = 60


def screen(colour: int, generator: torch.Generator, place: tuple[int, int] | None = None) -> Tensor:
    """(3, H, W) uint8: noise, three white boxes anywhere, and one box of a colour at a place or anywhere."""
    picture = torch.randint(90, 160, (3, HEIGHT, WIDTH), generator=generator, dtype=torch.uint8)
    anywhere = torch.rand(4, 2, generator=generator) * torch.tensor([HEIGHT - BOX, WIDTH - BOX])
    for top, left in anywhere[:3].long().tolist():
        picture[:, top : top + BOX, left : left + BOX] = 230
    top, left = place or anywhere[3].long().tolist()
    paint = torch.tensor(list(COLOURS.values())[colour], dtype=torch.uint8)
    picture[:, top : top + BOX, left : left + BOX] = paint[:, None, None]
    return picture


def batch_of(frames: Tensor, labels: Tensor, tokenizer: PreTrainedTokenizerBase) -> Batch:
    ids = torch.tensor(tokenizer(QUESTION)["input_ids"]).expand(len(labels), -1)
    count = len(labels)
    return Batch(
        media_ids=tuple(map(str, range(count))),
        records=tuple(QuestionRecord(str(n), str(n), str(n), QUESTION) for n in range(count)),
        frames=frames[:, None, None],
        frame_seconds=torch.zeros(count, 1, 1, dtype=torch.float64),
        clip_spans=torch.zeros(count, 1, 2, dtype=torch.float64),
        clip_positions=torch.zeros(count, 1),
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        visual_index=torch.arange(count),
        targets={"labels": labels},
    )


def config() -> RunConfig:
    """A model of 4 x 12 cells for screens of 32 x 96."""
    return RunConfig.model_validate(
        {
            "task": {"name": "video_qa"},
            "precision": "fp32",
            "max_frame_size": WIDTH,
            "num_frames_per_clip": 1,
            "fps": 1.0,
            "model": {
                "backbone": {"name": "small", "widths": [16, 32, 32]},
                "encoder": {"hidden_size": 64, "num_layers": 1, "num_heads": 2, "intermediate_size": 64,
                            "dropout": 0},
                "head_dropout": 0,
                "grid_pool": 1,
            },
            "train": {"num_clips": 1},
            "eval": {"num_clips": 3},
        }
    )  # fmt: skip


def loaded(task: Task, text: TextParts) -> LoadedModel:
    return LoadedModel(InferenceModel(config(), task.eval(), text, torch.device("cpu"), "fp32"))


@pytest.fixture(scope="module")
def model(tiny_tokenizer: PreTrainedTokenizerBase) -> LoadedModel:
    """With random weights: what evidence means does not depend on them."""
    torch.manual_seed(0)
    text = TextParts(tiny_tokenizer, AnswerVocabulary(tuple(COLOURS)))
    return loaded(build_task_model(config(), text), text)


@pytest.fixture(scope="module")
def trained(tiny_tokenizer: PreTrainedTokenizerBase) -> LoadedModel:
    """Taught to say which colour a box has, wherever it is."""
    torch.manual_seed(0)
    text = TextParts(tiny_tokenizer, AnswerVocabulary(tuple(COLOURS)))
    task = build_task_model(config(), text)
    optimizer = torch.optim.AdamW(task.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(1)
    for _ in range(STEPS):
        labels = torch.randint(0, 3, (24,), generator=generator)
        frames = torch.stack([screen(int(label), generator) for label in labels])
        [loss] = task.training_step(batch_of(frames, labels, tiny_tokenizer)).sums.values()
        optimizer.zero_grad()
        torch.autograd.backward(loss / len(labels))
        optimizer.step()
    return loaded(task, text)


def recording(*places: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Frames of noise at 1 per second, each with a red box at a place, or with none."""
    generator = torch.Generator().manual_seed(5)
    noise = torch.randint(90, 160, (3, HEIGHT, WIDTH), generator=generator, dtype=torch.uint8)
    frames = [noise if place is None else screen(0, generator, place) for place in places]
    return torch.stack(frames).permute(0, 2, 3, 1).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("place", [(4, 4), (16, 40), (8, 80), (20, 10)])
@pytest.mark.parametrize("colour", range(3))
def test_the_box_is_the_evidence(trained: LoadedModel, colour: int, place: tuple[int, int]) -> None:
    picture = screen(colour, torch.Generator().manual_seed(9), place).permute(1, 2, 0).numpy()
    evidence = find_evidence(trained, trained.encode(picture), QUESTION)
    assert evidence.answer == list(COLOURS)[colour]
    if evidence.without_picture > 0.5:
        return  # one colour is what the model says when it sees none, so no place can be its evidence
    cell = HEIGHT // evidence.cell_drop.shape[1]
    found = np.unravel_index(evidence.cell_drop[0].argmax(), evidence.cell_drop.shape[1:])
    # the box, and one cell more on each side: the neighbours' features have seen it
    for number, start in zip(found, place, strict=True):
        assert start - cell <= number * cell + cell / 2 <= start + BOX + cell


@pytest.mark.slow
def test_at_most_one_colour_is_said_without_a_picture(trained: LoadedModel) -> None:
    """So the test above looks at two colours at least."""
    encoded = trained.encode(recording((8, 40)))
    shares = [find_evidence(trained, encoded, QUESTION, answer=name).without_picture for name in COLOURS]
    assert sum(share > 0.5 for share in shares) <= 1
    assert sum(shares) == pytest.approx(1.0, abs=1e-5)  # float32 softmax


@pytest.mark.slow
def test_the_clip_with_the_box_carries_the_answer(trained: LoadedModel) -> None:
    """Frames without a box lie before and after the one that has it."""
    encoded = trained.encode(recording(None, (8, 40), None), fps=1.0, num_clips=3)
    shares = {name: find_evidence(trained, encoded, QUESTION, answer=name) for name in COLOURS}
    evidence = shares["red"]
    assert strongest_clip(evidence) == 1
    assert evidence.clip_drop[1] > 0


def test_covering_is_what_it_says(model: LoadedModel) -> None:
    """Against the definition: cover cells by hand, ask once for each mask, compare the two means."""
    encoded = model.encode(recording((4, 4), (16, 40), (8, 80)), fps=1.0, num_clips=3)
    num_masks = 24
    evidence = find_evidence(model, encoded, QUESTION, answer="green", num_masks=num_masks)
    masks = random_masks(*encoded.grid.shape[1:3], num_masks)
    logs = []
    for mask in masks:
        covered = encoded.grid.clone()
        covered[:, mask == 0] = encoded.grid.mean(dim=(1, 2))[:, None]
        logits = model.answer(replace(encoded, grid=covered), [QUESTION])[0].clip_logits
        logs.append(log_softmax(logits)[:, 1])
    for row, column in ((0, 0), (2, 5), (3, 11)):
        visible = [log for log, mask in zip(logs, masks, strict=True) if mask[row, column]]
        hidden = [log for log, mask in zip(logs, masks, strict=True) if not mask[row, column]]
        naive = np.mean(visible, axis=0) - np.mean(hidden, axis=0)
        drop = evidence.cell_drop[:, row, column]
        assert_close(drop, naive, terms=TERMS_OF_A_TINY_MODEL, size=np.abs(logs).max())


def test_leaving_a_clip_out_is_what_it_says(model: LoadedModel) -> None:
    encoded = model.encode(recording((4, 4), (16, 40), (8, 80)), fps=1.0, num_clips=3)
    evidence = find_evidence(model, encoded, QUESTION, num_masks=2)
    rest = replace(
        encoded,
        grid=encoded.grid[[0, 2]],
        frame_seconds=encoded.frame_seconds[[0, 2]],
        clip_spans=encoded.clip_spans[[0, 2]],
        clip_positions=encoded.clip_positions[[0, 2]],
    )
    without = dict(model.answer(rest, [QUESTION])[0].top)[evidence.answer]
    drop, size = np.log(evidence.probability / without), max(1.0, abs(np.log(without)))
    assert_close(evidence.clip_drop[1], drop, terms=TERMS_OF_A_TINY_MODEL, size=size)


def test_half_of_the_cells_are_covered_everywhere() -> None:
    masks = random_masks(7, 12, 2000)
    assert masks.shape == (2000, 7, 12)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    # 2000 draws: the standard error of a share is 0.011
    np.testing.assert_allclose(masks.mean(dim=0), 0.5, atol=0.06)
    assert torch.equal(masks[:5], random_masks(7, 12, 2000)[:5])


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


@pytest.mark.slow
def test_the_light_falls_on_the_box(trained: LoadedModel) -> None:
    encoded = trained.encode(recording((8, 80)))
    evidence = find_evidence(trained, encoded, QUESTION, answer="red")
    [picture] = evidence_pictures(evidence, encoded)
    assert picture.shape[0] / picture.shape[1] == HEIGHT / WIDTH
    thirds = np.split(picture.mean(axis=2), 3, axis=1)
    if evidence.without_picture < 0.5:
        assert thirds[2].mean() > 1.1 * max(thirds[0].mean(), thirds[1].mean())


def test_no_light_where_nothing_matters() -> None:
    picture = np.full((20, 30, 3), 200, np.uint8)
    lit = spotlight(picture, np.zeros((2, 3)), padded_size=(24, 32), largest=0.0)
    assert len(np.unique(lit)) == 1
    assert lit[0, 0, 0] < 100  # 200 made dark


def test_the_command_writes_a_picture(
    model: LoadedModel, tmp_path: Path, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    folder = save_model(tmp_path / "model", model.config, tiny_tokenizer, AnswerVocabulary(tuple(COLOURS)))
    (folder / "data.json").write_text('{"kinds": ["image"]}')  # trained on pictures
    cv2.imwrite(str(tmp_path / "screen.png"), recording((8, 8))[0][..., ::-1])
    target = tmp_path / "why.png"
    found = explain(
        tmp_path / "screen.png",
        QUESTION,
        InferenceSettings(run=folder),
        storage=tmp_path,
        answer="green",
        output=target,
    )
    assert found.answer == "green"
    assert np.array(found.grid["importance"]).shape == (1, found.grid["rows"], found.grid["columns"])
    sheet = cv2.imread(str(target))
    assert sheet is not None
    assert sheet.std() > 5
    with pytest.raises(ConfigError, match="upside down"):
        explain(
            tmp_path / "screen.png",
            QUESTION,
            InferenceSettings(run=folder),
            storage=tmp_path,
            answer="upside down",
        )


def test_one_clip_has_nothing_to_be_left_out(model: LoadedModel) -> None:
    evidence = find_evidence(model, model.encode(recording((8, 8))), QUESTION, num_masks=2)
    assert evidence.clip_drop.tolist() == [0.0]

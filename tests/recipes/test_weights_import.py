"""Importing and exporting weights through the command line, but for ClipBERT's own (golden/)."""

import argparse
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor
from torchvision.models import resnet18
from transformers import BertConfig, BertForPreTraining

from clipbug.builders.task_model import model_of
from clipbug.cli.main import main
from clipbug.inference.loaded_model import load_model
from clipbug.interop import onnx as onnx_export
from clipbug.runtime.tensors import load_tensors
from tests.helpers.golden_checkpoint import original_checkpoint, write_run, write_tokenizer
from tests.helpers.rounding import assert_close
from tests.helpers.video_factory import make_video

Call = Callable[..., tuple[int, dict[str, Any]]]
GLUE = ("--allow-missing", "visual.grid_encoder.*", "bert.visual_embeddings.*")
HEADS = ("--set", "model.encoder.num_heads=6")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*words: str | Path) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main([*map(str, words), "--json", "-q"])
        return int(end.value.code or 0), json.loads(capsys.readouterr().out)

    return run


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT in several shapes, a ResNet-18, a tokenizer, a vocabulary."""
    folder = tmp_path_factory.mktemp("sources")
    torch.manual_seed(0)
    sizes = BertConfig(
        vocab_size=512, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
    )
    bert = BertForPreTraining(sizes)
    bert.save_pretrained(folder / "bert")
    write_tokenizer(folder / "bert")
    state = {name: tensor.clone() for name, tensor in bert.state_dict().items()}
    write_tokenizer(folder / "old")
    torch.save(with_old_names(state), folder / "old" / "pytorch_model.bin")
    (folder / "old" / "config.json").write_text(sizes.to_json_string())
    bare = {n.removeprefix("bert."): t for n, t in state.items() if n.startswith("bert.")}
    torch.save(bare, folder / "bare.bin")
    torch.save(resnet18().state_dict(), folder / "resnet18.pth")
    answers = {f"answer {number}": number for number in range(5)}
    (folder / "answers.json").write_text(json.dumps(answers))
    return folder


def with_old_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """LayerNorm.gamma and .beta, as BERT's first conversions have them."""
    changes = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    renamed = {}
    for name, tensor in state.items():
        for new, old in changes.items():
            name = name.replace(new, old)
        renamed[name] = tensor
    return renamed


@pytest.mark.parametrize("name", ["bert", "bert/model.safetensors", "old", "old/pytorch_model.bin"])
def test_bert_and_resnet_together(sources: Path, tmp_path: Path, call: Call, name: str) -> None:
    code, report = call(
        *("weights", "import", sources / name, sources / "resnet18.pth", "--task", "video-qa"),
        *("--answers", sources / "answers.json", "--output", tmp_path / "model", *GLUE),
    )
    assert code == 0, report
    assert report["kinds"] == ["bert", "torchvision"]
    assert {key.split(".")[0] for key in report["missing"]} == {"visual", "bert", "head"}
    assert not any(key.startswith(("bert.encoder", "visual.backbone")) for key in report["missing"])
    assert all(key.startswith("cls.") for key in report["unexpected"])
    config = yaml.safe_load((tmp_path / "model" / "config.yaml").read_text())
    assert config["model"]["backbone"]["architecture"] == "resnet18"
    assert config["model"]["encoder"]["num_heads"] == 4
    weights = load_tensors(tmp_path / "model" / "model.safetensors")
    bert = BertForPreTraining.from_pretrained(str(sources / "bert")).state_dict()
    layer = "encoder.layer.1.output.LayerNorm.weight"
    assert torch.equal(weights[f"bert.{layer}"], bert[f"bert.{layer}"])
    resnet = torch.load(sources / "resnet18.pth", weights_only=True)
    assert torch.equal(
        weights["visual.backbone.layer4.1.bn2.running_var"], resnet["layer4.1.bn2.running_var"]
    )


def test_pretraining_takes_bert_s_own_head(sources: Path, tmp_path: Path, call: Call) -> None:
    code, report = call(
        *("weights", "import", sources / "bert", sources / "resnet18.pth", "--task", "pretraining"),
        *("--output", tmp_path / "model", *GLUE),
    )
    assert code == 0, report
    assert not any(key.startswith("head.") for key in report["missing"])
    assert report["unexpected"] == []


def test_what_is_missing_is_named_and_can_be_allowed_by_either_name(
    sources: Path, tmp_path: Path, call: Call
) -> None:
    words = (
        *("weights", "import", sources / "bert", sources / "resnet18.pth", "--task", "pretraining"),
        *("--output", tmp_path / "model"),
    )
    code, report = call(*words)
    assert code == 1
    assert "6 outside the task head would be initialized randomly" in report["error"]["message"]
    assert "visual.grid_encoder.conv.weight" in report["error"]["message"]
    assert "--allow-missing 'visual.grid_encoder.*'" in report["error"]["hint"]
    assert not (tmp_path / "model").exists()
    code, _ = call(*words, "--allow-missing", "cnn.grid_encoder.*", "transformer.bert.visual_embeddings.*")
    assert code == 0
    code, report = call(*words)
    assert code == 1
    assert "already exists" in report["error"]["message"]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (("bert",), "visual.backbone"),
        (("resnet18.pth",), "tokenizer"),
        (("bert", "bare.bin"), "two of the files contain bert."),
        (("answers.json",), "answers.json"),
        (("nothing.pt",), "no weights file"),
    ],
)
def test_what_cannot_be_imported_says_why(
    sources: Path, tmp_path: Path, call: Call, files: tuple[str, ...], says: str
) -> None:
    code, report = call(
        *("weights", "import", *(sources / file for file in files), "--task", "pretraining"),
        *("--output", tmp_path / "model"),
    )
    assert code == 1
    assert says in report["error"]["message"]
    assert report["error"]["hint"]


def test_a_bert_of_another_make_is_refused(sources: Path, tmp_path: Path, call: Call) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "pytorch_model.bin").write_bytes((sources / "bare.bin").read_bytes())
    (folder / "config.json").write_text(json.dumps({"hidden_act": "relu", "layer_norm_eps": 1e-5}))
    code, report = call("weights", "import", folder, "--task", "pretraining", "--output", tmp_path / "model")
    assert code == 1
    assert "relu" in report["error"]["message"]


@pytest.mark.parametrize(
    ("task", "classes", "loss"),
    [
        ("retrieval", 2, "ce"),
        pytest.param("retrieval", 1, "rank", marks=pytest.mark.slow),
        pytest.param("multiple-choice", 1, None, marks=pytest.mark.slow),
        pytest.param("count", 1, None, marks=pytest.mark.slow),
    ],
)
def test_clipbert_heads_of_other_tasks(
    tmp_path: Path, call: Call, task: str, classes: int, loss: str | None
) -> None:
    state = original_checkpoint(num_classes=classes)
    torch.save(
        {"model_state_dict": {f"module.{key}": value.half() for key, value in state.items()}},
        tmp_path / "restore.pt",
    )
    code, report = call(
        *("weights", "import", tmp_path / "restore.pt", "--task", task, *HEADS),
        *("--tokenizer", write_tokenizer(tmp_path / "tokenizer"), "--output", tmp_path / "model"),
    )
    assert code == 0, report
    assert (report["classes"], report["missing"], report["unexpected"]) == (classes, [], [])
    config = yaml.safe_load((tmp_path / "model" / "config.yaml").read_text())
    assert config["task"].get("loss") == loss
    assert config["sampling"]["single_clip"] == ("middle" if task == "retrieval" else "start")
    model = model_of(load_model(tmp_path / "model").task)
    key = "transformer.classifier.2.weight"
    assert torch.equal(model.state_dict()["head.classifier.2.weight"], state[key].half().float())
    code, _ = call(
        *("weights", "export", tmp_path / "model", "--format", "clipbert"),
        *("--output", tmp_path / "back.pt"),
    )
    assert code == 0
    back = torch.load(tmp_path / "back.pt", weights_only=True)
    assert all(torch.equal(back[name], tensor.half()) for name, tensor in state.items())
    assert back.keys() == state.keys()


@pytest.mark.slow
def test_a_run_folder_by_step(tmp_path: Path, call: Call) -> None:
    early, late = original_checkpoint(num_classes=2), original_checkpoint(num_classes=2)
    late["transformer.classifier.2.bias"] += 1
    args = {
        **{"itm_neg_size": 1, "loss_type": "ce", "score_agg_func": "max", "max_txt_len": 40, "fps": 3},
        **{"num_frm": 4, "max_img_size": 96, "tokenizer_dir": str(write_tokenizer(tmp_path / "tokenizer"))},
    }
    write_run(tmp_path / "run", args, {100: early, 250: late})
    for step, bias in (((), late), (("--step", "100"), early)):
        target = tmp_path / f"model{len(step)}"
        code, report = call("weights", "import", tmp_path / "run", *step, "--output", target)
        assert code == 0, report
        assert report["task"] == "retrieval"
        stored = load_tensors(target / "model.safetensors")["head.classifier.2.bias"]
        assert torch.equal(stored, bias["transformer.classifier.2.bias"])
        config = yaml.safe_load((target / "config.yaml").read_text())
        assert (config["num_frames_per_clip"], config["fps"], config["clip_aggregation"]) == (4, 3.0, "max")
        assert config["data"]["max_text_tokens"] == 40
    code, report = call("weights", "import", tmp_path / "run", "--step", "7", "--output", tmp_path / "no")
    assert code == 1
    assert "available steps: 100, 250" in report["error"]["hint"]


def test_vocabularies_that_do_not_fit(tmp_path: Path, call: Call) -> None:
    torch.save(original_checkpoint(num_classes=3), tmp_path / "model_step_5.pt")
    words = (
        *("weights", "import", tmp_path / "model_step_5.pt", "--task", "vqa"),
        *("--tokenizer", write_tokenizer(tmp_path / "tokenizer"), "--output", tmp_path / "model"),
    )
    code, report = call(*words, *HEADS)
    assert code == 1
    assert "--answers" in report["error"]["hint"]
    answers = tmp_path / "answers.json"
    answers.write_text(json.dumps({"yes": 0, "no": 3}))
    code, report = call(*words, *HEADS, "--answers", answers)
    assert code == 1
    assert "'no' has index 3, but the head has 3 classes" in report["error"]["message"]
    answers.write_text(json.dumps({"yes": 0, "no": 2}))
    code, report = call(*words, "--answers", answers)
    assert code == 1
    assert report["error"]["hint"] == "give it: --set model.encoder.num_heads=N"
    code, report = call(*words, *HEADS, "--answers", answers)
    assert (code, report["classes"], report["unnamed_classes"]) == (0, 3, 1)
    stored = json.loads((tmp_path / "model" / "answers.json").read_text())
    assert stored == {"yes": 0, "[class 1 has no answer]": 1, "no": 2}


@pytest.mark.slow
def test_a_training_starts_from_imported_weights(sources: Path, tmp_path: Path, call: Call) -> None:
    """Another task and other answers: a new head, everything else as it was imported."""
    code, report = call(
        *("weights", "import", sources / "bert", sources / "resnet18.pth", "--task", "pretraining"),
        *("--output", tmp_path / "model", *GLUE),
    )
    assert code == 0, report
    (tmp_path / "videos").mkdir()
    rows = []
    for name, answer in (("one", "yes"), ("two", "no")):
        make_video(tmp_path / "videos" / f"{name}.mp4", num_frames=12)
        rows.append({"video_id": name, "question": "what is red ?", "answer": answer, "answer_type": "what"})
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert call("ingest", tmp_path / "videos", "--ext", "mp4", "--out", tmp_path / "store")[0] == 0
    code, report = call(
        *("finetune", "--task", "video-qa", "--config", "tiny/video_qa", "--init", tmp_path / "model"),
        *("--train", tmp_path / "train.jsonl", "--media", tmp_path / "store", "--max-steps", "1"),
        *("--set", "train.batch_size=2", "--output", tmp_path / "run"),
    )
    assert code == 0, report
    trained = load_tensors(tmp_path / "run" / "checkpoints" / "last" / "model.safetensors")
    imported = load_tensors(tmp_path / "model" / "model.safetensors")
    assert trained["head.classifier.2.bias"].shape == (2,)
    assert not any(name.startswith("head.predictions") for name in trained)
    shared = [name for name in imported if not name.startswith("head.")]
    assert set(shared) == {name for name in trained if not name.startswith("head.")}
    for name in shared:  # one step of the preset's rate, 1e-3, and its decay
        torch.testing.assert_close(trained[name], imported[name], atol=2e-3, rtol=1e-5, msg=name)
    vocabulary = (tmp_path / "run" / "tokenizer" / "tokenizer.json").read_bytes()
    assert vocabulary == (tmp_path / "model" / "tokenizer" / "tokenizer.json").read_bytes()


@pytest.fixture(scope="module")
def small_model(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "model"
    with pytest.raises(SystemExit) as end:
        main(
            [
                *("weights", "import", str(sources / "bert"), str(sources / "resnet18.pth"), "-q"),
                *("--task", "video-qa", "--answers", str(sources / "answers.json"), "--output", str(folder)),
                *GLUE,
            ]
        )
    assert end.value.code == 0
    return folder


def test_hugging_face_folder(small_model: Path, tmp_path: Path, call: Call) -> None:
    code, report = call(
        "weights", "export", small_model, "--format", "huggingface", "--output", tmp_path / "hub"
    )
    assert code == 0, report
    config = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert (config["model_type"], config["hidden_size"], config["id2label"]["4"]) == (
        "clipbert",
        32,
        "answer 4",
    )
    card = (tmp_path / "hub" / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: clipbug\n")
    assert yaml.safe_load(card.split("---")[1])["pipeline_tag"] == "video-text-to-text"
    for text in ("resnet18.pth", "answer 0, answer 1", "clipbug infer --run ."):
        assert text in card
    first, second = load_model(small_model), load_model(tmp_path / "hub")
    frames = np.random.default_rng(0).integers(0, 256, (4, 64, 48, 3), dtype=np.uint8)
    answers = [model.answer(frames, ["what is red ?"], fps=4.0)[0] for model in (first, second)]
    assert np.array_equal(answers[0].clip_logits, answers[1].clip_logits)


def test_the_original_s_format_has_no_place_for_other_backbones(
    small_model: Path, tmp_path: Path, call: Call
) -> None:
    code, report = call(
        "weights", "export", small_model, "--format", "clipbert", "--output", tmp_path / "x.pt"
    )
    assert code == 1
    assert "resnet" in report["error"]["message"]
    assert not (tmp_path / "x.pt").exists()


@pytest.mark.slow
def test_onnx_file_gives_the_model_s_scores(small_model: Path, tmp_path: Path, call: Call) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    code, report = call("weights", "export", small_model, "--format", "onnx", "--output", tmp_path / "m.onnx")
    assert code == 0, report
    assert report["notes"][0].startswith("outputs in onnxruntime differ from the model's by at most ")
    session = runtime.InferenceSession(str(tmp_path / "m.onnx"))
    generator = torch.Generator().manual_seed(0)
    inputs = {
        "frames": torch.rand(1, 5, 1, 3, 96, 160, generator=generator) * 255,
        "input_ids": torch.randint(0, 512, (2, 9), generator=generator),
        "attention_mask": torch.ones(2, 9, dtype=torch.int64),
        "visual_index": torch.zeros(2, dtype=torch.int64),
    }
    pooled, clips = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
    model = model_of(load_model(small_model).task)
    terms = 12_000  # of a ResNet-18; layers that are joined for inference cannot be counted
    with torch.inference_mode():
        expected = model(*inputs.values())
    assert_close(clips, expected, terms=terms)
    assert_close(pooled, expected.logsumexp(dim=1), terms=terms)


def write_something_else(graph: Any, inputs: Mapping[str, Tensor], path: Path) -> int:
    """An ONNX file of the same inputs and outputs whose outputs are the mean of the pixels."""
    from onnx import TensorProto, helper, save

    kinds = {name: TensorProto.FLOAT if name == "frames" else TensorProto.INT64 for name in inputs}
    given = [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()]
    nodes = [helper.make_node("ReduceMean", ["frames"], [name], keepdims=0) for name in graph.outputs]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in graph.outputs]
    made = helper.make_graph(nodes, "something else", given, results)
    save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)]), str(path))
    return 0


def test_a_wrong_onnx_file_is_not_kept(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call
) -> None:
    for package in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(package)
    monkeypatch.setattr(onnx_export, "_write", write_something_else)
    code, report = call("weights", "export", small_model, "--format", "onnx", "--output", tmp_path / "m.onnx")
    assert code == 1
    assert "differ from the model's by" in report["error"]["message"]
    assert list(tmp_path.iterdir()) == []


WRAPPED: dict[str, tuple[Callable[[dict[str, Tensor]], Any], list[str]]] = {
    "compiled in DDP": (
        lambda state: {f"module._orig_mod.{n}": t for n, t in state.items()},
        ["module._orig_mod."],
    ),
    "Lightning": (
        lambda state: {"state_dict": {f"model.{n}": t for n, t in state.items()}, "epoch": 3},
        ["state_dict", "model."],
    ),
    "DeepSpeed": (
        lambda state: {
            "module": {f"_forward_module.{n}": t for n, t in state.items()},
            "args": argparse.Namespace(output=Path("runs")),
            "global_steps": 5,
        },
        ["module", "_forward_module."],
    ),
}


@pytest.mark.parametrize("kind", list(WRAPPED))
def test_wrapped_checkpoints_are_read_as_plain_ones_are(
    sources: Path, tmp_path: Path, call: Call, kind: str
) -> None:
    wrap, removed = WRAPPED[kind]
    shutil.copytree(sources / "old", tmp_path / "wrapped")
    file = tmp_path / "wrapped" / "pytorch_model.bin"
    state = torch.load(file, weights_only=True)
    torch.save(wrap(state), file)
    rest = ("--task", "pretraining", *GLUE, "--allow-missing", "visual.*", "--output")
    code, plain = call("weights", "import", sources / "old", *rest, tmp_path / "plain")
    assert code == 0, plain
    assert plain["removed"] == []
    code, report = call("weights", "import", tmp_path / "wrapped", *rest, tmp_path / "model")
    assert code == 0, report
    assert (report["counts"], report["loaded"]) == (plain["counts"], plain["loaded"])
    assert report["removed"] == removed


def test_weights_that_cannot_be_used_are_named_and_nothing_is_written(
    sources: Path, tmp_path: Path, call: Call
) -> None:
    shutil.copytree(sources / "old", tmp_path / "bert")
    file = tmp_path / "bert" / "pytorch_model.bin"
    state = torch.load(file, weights_only=True)
    name = "bert.encoder.layer.1.output.dense.weight"
    rest = ("--task", "pretraining", *GLUE, "--allow-missing", "visual.*", "--output", tmp_path / "model")
    for change, says in (
        (lambda tensor: tensor.fill_(float("nan")), "values are NaN"),
        (lambda tensor: tensor.double() + 1e200, "beyond the float32 limit"),
        (lambda tensor: tensor.to(torch.int8), "it is of type int8"),
    ):
        torch.save(state | {name: change(state[name].clone())}, file)
        code, report = call("weights", "import", tmp_path / "bert", *rest)
        assert code == 1
        assert f"{name}: " in report["error"]["message"]
        assert says in report["error"]["message"]
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "config.json", "vocab.txt"])
def test_a_pointer_in_the_place_of_a_file_is_named(
    sources: Path, tmp_path: Path, call: Call, name: str
) -> None:
    shutil.copytree(sources / "old", tmp_path / "bert")
    for old in (tmp_path / "bert").glob("tokenizer*"):
        old.unlink()
    (tmp_path / "bert" / name).write_text("version https://git-lfs.github.com/spec/v1\nsize 77\n")
    rest = ("--task", "pretraining", *GLUE, "--allow-missing", "visual.*", "--output", tmp_path / "model")
    code, report = call("weights", "import", tmp_path / "bert", *rest)
    assert code == 1
    assert f"{name} is a Git LFS pointer to a file of 77 bytes" in report["error"]["message"]
    assert "git lfs pull" in report["error"]["hint"]


@pytest.mark.parametrize("name", ["config.yaml", "model.json", "answers.json", "model.safetensors"])
def test_a_web_page_in_a_model_folder_is_named(
    sources: Path, small_model: Path, tmp_path: Path, call: Call, name: str
) -> None:
    shutil.copytree(small_model, tmp_path / "model")
    (tmp_path / "model" / name).write_text("<!DOCTYPE html><html><title>404</title></html>")
    code, report = call(
        "weights", "export", tmp_path / "model", "--format", "huggingface", "--output", tmp_path / "hub"
    )
    assert code == 1
    assert f"{name} is a web page ('404')" in report["error"]["message"]
    assert not (tmp_path / "hub").exists()

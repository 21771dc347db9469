"""The commands of docs/worked-example.md run one after the other, on a few recordings and steps."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.helpers.fake_recipes import exit_code_of

DOCUMENT = Path(__file__).parents[1] / "docs/worked-example.md"
FEWER = ("--max-steps", "3", "--set", "max_frame_size=64", "train.batch_size=2")


def commands() -> list[list[str]]:
    lines = re.findall(r"^    (clipbug .*)$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line)[1:] for line in lines]


@pytest.mark.slow
def test_the_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from clipbug.synthetic.dataset import make_dataset

    data = make_dataset(
        tmp_path / "drawn", num_train=12, num_heldout=2, num_train_images=1, num_heldout_images=1, seed=0
    )
    shutil.copytree(data.train.recordings, tmp_path / "recordings")
    lines = data.train.video_qa.read_text().splitlines()
    (tmp_path / "questions.jsonl").write_text("\n".join(lines))
    first = sorted((tmp_path / "recordings").iterdir())[0]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLIPBUG_STORAGE", raising=False)
    assert len(commands()) >= 10
    for words in commands():
        named = [str(first) if word.startswith("recordings/video") else word for word in words]
        fewer = FEWER if words[0] == "finetune" else ()
        # 3: done, and something about the data was found
        assert exit_code_of(*named, *fewer, "-q") in ((0, 3) if words[:2] == ["data", "check"] else (0,)), (
            words
        )
    assert list(tmp_path.glob("storage/finetune/*/predictions/*/report.html"))

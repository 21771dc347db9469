"""The data sets of ClipBERT's pre-training keep their media and ratios."""

from clipbug.config.loading import config_from_values
from clipbug.interop.clipbert_config import import_legacy


def test_data_sets_of_pretraining() -> None:
    coco = {"name": "coco_cap", "txt": "/txt/coco.jsonl", "img": "/img/coco_vg", "ratio": 2}
    vg = {"name": "vg_cap", "txt": ["/txt/vg1.jsonl", "/txt/vg2.jsonl"], "img": "/img/coco_vg"}
    args = {
        "use_mlm": 1,
        "use_itm": 1,
        "train_datasets": [{**coco, "vis_format": "image"}, vg],
        "val_datasets": [{key: coco[key] for key in ("name", "txt", "img")}],
    }
    legacy = import_legacy(args, task="pretraining")
    data = config_from_values(legacy.values, shown_as="pretrain.json").data
    assert [(one.id, one.files, one.media, one.ratio) for one in data.train_datasets] == [
        ("coco_cap", ("/txt/coco.jsonl",), ("/img/coco_vg",), 2),
        ("vg_cap", ("/txt/vg1.jsonl", "/txt/vg2.jsonl"), ("/img/coco_vg",), 1),
    ]
    assert [one.id for one in data.val_datasets] == ["coco_cap"]
    assert {flag.key for flag in legacy.flags if flag.flag.endswith("datasets")} == {
        "data.train_datasets",
        "data.val_datasets",
    }

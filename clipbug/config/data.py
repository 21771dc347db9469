"""Settings of the data: files, clips, frames."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from clipbug.config.base import StrictModel


class RegularSampling(StrictModel):
    """Clips at equal distances whose first and last reach the ends of the recording, by real timestamps."""

    name: Literal["regular"] = "regular"


class RandomSampling(StrictModel):
    """Clips at random times."""

    name: Literal["random"] = "random"


class ClipBertSampling(StrictModel):
    """Frame for frame what the original samples, its known defects excepted (docs/design-notes.md)."""

    name: Literal["clipbert"] = "clipbert"
    single_clip: Literal["start", "middle", "end", "uniform"] = Field(
        "start",
        description="where a clip alone lies: at the start as in the original's video QA, or with a third"
        " (middle, as in its retrieval) or two thirds (end) of what it leaves free before it;"
        " uniform: its frames spread over the whole recording",
    )


class ScreenChangesSampling(StrictModel):
    """Clips centred where the screen changes, so that a short burst in a long still recording is seen."""

    name: Literal["screen_changes"] = "screen_changes"


SamplingConfig = Annotated[
    RegularSampling | RandomSampling | ClipBertSampling | ScreenChangesSampling, Field(discriminator="name")
]


Resize = Literal["antialiased", "clipbert"]
DataFormat = Literal["auto", "vqa", "video_qa", "multiple_choice", "captions"]


class ValDataset(StrictModel):
    """One of several data sets for pre-training: its files with its own media."""

    id: str = Field(description="stands in front of the ids of its media and rows", pattern=r"^[\w.-]+$")
    files: tuple[str, ...] = Field(description="annotation files", min_length=1)
    media: tuple[str, ...] = Field((), description="its stores; empty: those of data.media")


class TrainDataset(ValDataset):
    """A data set to train on, with its share of the micro-batches."""

    ratio: PositiveInt = Field(1, description="micro-batches of this set, of the sum of all ratios")
    batch_size: PositiveInt | None = Field(
        None, description="visuals per micro-batch and process; null: train.batch_size"
    )


class DataConfig(StrictModel):
    """Which files, and how they are read."""

    train: tuple[str, ...] = Field(
        (), description="annotation files to train on; empty: found under the storage"
    )
    val: tuple[str, ...] = Field(
        (), description="annotation files to validate on; empty: found under the storage"
    )
    media: tuple[str, ...] = Field(
        (), description="stores made by `clipbug ingest`; empty: all under the storage"
    )
    format: DataFormat = Field(
        "auto", description="family of the annotation files (docs/your-own-data.md); auto: the task's own"
    )
    aliases: str | None = Field(
        None, description="JSON file {id in annotations: id in the stores}, for media stored by another name"
    )
    allow_missing: bool = Field(
        False, description="leave out rows whose media is in no store; they count as wrong in evaluation"
    )
    answers: str | None = Field(
        None, description="answer vocabulary file {answer: index}; null: made from the training files"
    )
    min_answer_count: PositiveInt = Field(
        1, description="answers seen less often are left out of the vocabulary"
    )
    texts_per_visual: PositiveInt = Field(
        2, description="most text rows that share one visual in a training sample"
    )
    max_text_tokens: PositiveInt = Field(30, description="longer texts are cut, [CLS] and [SEP] included")
    num_workers: int = Field(0, ge=0, description="loader processes")
    max_bad_items: int = Field(
        0, ge=0, description="undecodable images and recordings that training leaves out (and lists)"
    )
    train_datasets: tuple[TrainDataset, ...] = Field(
        (), description="instead of train: several data sets for pre-training, mixed by their ratios"
    )
    val_datasets: tuple[ValDataset, ...] = Field(
        (), description="instead of val, where there are train_datasets"
    )

    @model_validator(mode="after")
    def _one_way_to_name_files(self) -> "DataConfig":
        for kind, datasets in (("train", self.train_datasets), ("val", self.val_datasets)):
            ids = [dataset.id for dataset in datasets]
            if len(set(ids)) < len(ids):
                raise ValueError(f"{kind}_datasets need different ids, got {', '.join(ids)}")
            if datasets and getattr(self, kind):
                raise ValueError(f"give {kind} or {kind}_datasets, not both")
        if self.val_datasets and not self.train_datasets:
            raise ValueError("val_datasets need train_datasets; else name the files in val")
        return self

    @property
    def train_files(self) -> tuple[str, ...]:
        """All annotation files to train on."""
        return self.train or tuple(file for dataset in self.train_datasets for file in dataset.files)

    @property
    def val_files(self) -> tuple[str, ...]:
        """All annotation files to validate on."""
        return self.val or tuple(file for dataset in self.val_datasets for file in dataset.files)

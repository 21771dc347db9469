"""Data settings: files, clips, frames."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from clipbug.config.base import StrictModel


class RegularSampling(StrictModel):
    """Clips at equal distances; the first and last reach the ends of the recording, by real timestamps."""

    name: Literal["regular"] = "regular"


class RandomSampling(StrictModel):
    """Clips at random times."""

    name: Literal["random"] = "random"


class ClipBertSampling(StrictModel):
    """The frames that ClipBERT samples, except for its known bugs (docs/design-notes.md)."""

    name: Literal["clipbert"] = "clipbert"
    single_clip: Literal["start", "middle", "end", "uniform"] = Field(
        "start",
        description="position of a single clip: at the start as in ClipBERT's video QA, or after one third"
        " (middle, as in its retrieval) or two thirds (end) of the remaining time;"
        " uniform: frames spread over the whole recording",
    )


class ScreenChangesSampling(StrictModel):
    """Clips centred on screen changes, so that a short burst in a long static recording is seen."""

    name: Literal["screen_changes"] = "screen_changes"


SamplingConfig = Annotated[
    RegularSampling | RandomSampling | ClipBertSampling | ScreenChangesSampling, Field(discriminator="name")
]


Family = Literal["vqa", "video_qa", "multiple_choice", "captions"]  # of annotation files
DataFormat = Literal["auto", Family]
Resize = Literal["antialiased", "clipbert"]


class ValDataset(StrictModel):
    """One of several data sets for pre-training: files with their own media items."""

    id: str = Field(description="prefix of its media ids and record ids", pattern=r"^[\w.-]+$")
    files: tuple[str, ...] = Field(description="annotation files", min_length=1)
    media: tuple[str, ...] = Field((), description="stores of this data set; empty: data.media")


class TrainDataset(ValDataset):
    """A data set to train on, with its share of the micro-batches."""

    ratio: PositiveInt = Field(1, description="share of micro-batches, relative to the sum of all ratios")
    batch_size: PositiveInt | None = Field(
        None, description="media items per micro-batch and process; null: train.batch_size"
    )


class DataConfig(StrictModel):
    """Which files to read, and how."""

    train: tuple[str, ...] = Field(
        (), description="annotation files to train on; empty: those under the storage"
    )
    val: tuple[str, ...] = Field(
        (), description="annotation files to validate on; empty: those under the storage"
    )
    media: tuple[str, ...] = Field(
        (), description="stores written by `clipbug ingest`; empty: all under the storage"
    )
    format: DataFormat = Field(
        "auto", description="format of the annotation files (docs/your-own-data.md); auto: the task's default"
    )
    aliases: str | None = Field(
        None, description="JSON file {id in annotations: id in the stores}, for renamed media items"
    )
    allow_missing: bool = Field(
        False,
        description="skip annotations whose media item is in no store; they count as wrong in evaluation",
    )
    answers: str | None = Field(
        None, description="answer vocabulary file {answer: index}; null: built from the training files"
    )
    min_answer_count: PositiveInt = Field(1, description="drop less frequent answers from the vocabulary")
    texts_per_visual: PositiveInt = Field(
        2, description="maximum number of texts per media item in a training sample"
    )
    max_text_tokens: PositiveInt = Field(
        30, description="maximum number of text tokens, including [CLS] and [SEP]; longer texts are cut"
    )
    num_workers: int = Field(0, ge=0, description="number of loader processes; 0: load in the main process")
    max_bad_items: int = Field(
        0, ge=0, description="maximum number of undecodable media items that training skips (and lists)"
    )
    train_datasets: tuple[TrainDataset, ...] = Field(
        (), description="instead of train: several data sets for pre-training, mixed by ratio"
    )
    val_datasets: tuple[ValDataset, ...] = Field(
        (), description="instead of val, together with train_datasets"
    )

    @model_validator(mode="after")
    def _check_data_sets(self) -> "DataConfig":
        for kind, datasets in (("train", self.train_datasets), ("val", self.val_datasets)):
            ids = [dataset.id for dataset in datasets]
            if len(set(ids)) < len(ids):
                raise ValueError(f"{kind}_datasets must have distinct ids, got {', '.join(ids)}")
            if datasets and getattr(self, kind):
                raise ValueError(f"give {kind} or {kind}_datasets, not both")
        if self.val_datasets and not self.train_datasets:
            raise ValueError("val_datasets require train_datasets; otherwise list the files in val")
        return self

    @property
    def train_files(self) -> tuple[str, ...]:
        """Return all annotation files to train on."""
        return self.train or tuple(file for dataset in self.train_datasets for file in dataset.files)

    @property
    def val_files(self) -> tuple[str, ...]:
        """Return all annotation files to validate on."""
        return self.val or tuple(file for dataset in self.val_datasets for file in dataset.files)

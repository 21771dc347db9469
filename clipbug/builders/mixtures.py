"""Read several data sets for pre-training: their rows and media, and the settings of each."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from clipbug.builders.records import open_media, records_with_media
from clipbug.config import RunConfig
from clipbug.config.data import TrainDataset, ValDataset
from clipbug.data.loading.mixing import MediaOfSets, id_in_set, set_of_id
from clipbug.data.media import MediaSource
from clipbug.data.records import Record
from clipbug.errors import ConfigError
from clipbug.workspace.storage import Storage


def read_mixture(config: RunConfig, storage: Storage) -> tuple[MediaOfSets, list[Record], list[Record]]:
    """Return media, training rows and validation rows of all data sets; ids start with that of their set.

    Raises:
        ConfigError: the task is not pre-training, or two sets of one id have different media.
        DataError: a file, row or media id that cannot be used.
    """
    if config.task.command != "pretrain":
        raise ConfigError(
            f"data.train_datasets are for pre-training, not for task {config.task.name}",
            "name the files of one data set in data.train; several files are one data set",
        )
    sources: dict[str, MediaSource] = {}
    stores: dict[str, tuple[str, ...]] = {}
    for dataset in (*config.data.train_datasets, *config.data.val_datasets):
        paths = dataset.media or config.data.media
        if stores.setdefault(dataset.id, paths) != paths:
            raise ConfigError(
                f"data set {dataset.id} has other media in val_datasets than in train_datasets",
                "give the validation set another id",
            )
        if dataset.id not in sources:
            sources[dataset.id] = open_media(paths, storage)
    train, val = (
        [row for dataset in datasets for row in _rows(dataset, config, sources[dataset.id])]
        for datasets in (config.data.train_datasets, config.data.val_datasets)
    )
    return MediaOfSets(sources), train, val


def records_of_set(name: str, records: Sequence[Record]) -> list[Record]:
    """Return the rows of one data set."""
    return [record for record in records if set_of_id(record.media_id) == name]


def configs_of_sets(config: RunConfig) -> Iterator[tuple[TrainDataset, RunConfig]]:
    """Yield each training set with the settings of its micro-batches; sets draw different random numbers."""
    for number, dataset in enumerate(config.data.train_datasets):
        batch_size = dataset.batch_size or config.train.batch_size
        train = config.train.model_copy(update={"batch_size": batch_size})
        yield dataset, config.model_copy(update={"train": train, "seed": config.seed + number})


def _rows(dataset: ValDataset, config: RunConfig, media: MediaSource) -> list[Record]:
    return [
        replace(
            record,
            media_id=id_in_set(dataset.id, record.media_id),
            record_id=id_in_set(dataset.id, record.record_id),
        )
        for record in records_with_media(dataset.files, config, media)
    ]

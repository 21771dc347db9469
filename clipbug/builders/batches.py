"""Build the batches of a run: for training, validation and inference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from clipbug.builders.mixtures import configs_of_sets, records_of_set
from clipbug.builders.task_model import TextParts, build_dataset, build_inference_dataset, model_of
from clipbug.config import RunConfig
from clipbug.data.loading.bad_items import BadItems
from clipbug.data.loading.batch import Batch, Sample
from clipbug.data.loading.collate import collate
from clipbug.data.loading.datasets import group_records
from clipbug.data.loading.inference_batches import InferenceBatches
from clipbug.data.loading.loaders import EvaluationBatches, TrainBatches
from clipbug.data.loading.mixing import ChainedBatches, MixedBatches
from clipbug.data.media import MediaSource
from clipbug.data.records import Record
from clipbug.runtime.distributed import Distributed
from clipbug.tasks.base import Task


@dataclass(frozen=True, slots=True)
class BatchBuilder:
    """Builder of this process's share of batches, of any rows.

    Attributes:
        config: decides how rows are sampled and the size of a batch.
        media: holds the images and recordings.
        text: tokenizer and answers.
        task: has the model that the frames must fit.
        processes: share the rows.
        bad_items: records what cannot be decoded, and how much of it may be left out; None: nothing may.
    """

    config: RunConfig
    media: MediaSource
    text: TextParts
    task: Task
    processes: Distributed
    bad_items: BadItems | None = None

    def training(self, records: Sequence[Record]) -> TrainBatches | MixedBatches:
        """Return the endless stream of training micro-batches."""
        sets = self.config.data.train_datasets
        if not sets:
            return self._training(records)
        streams = [
            replace(self, config=of_set)._training(records_of_set(dataset.id, records))
            for dataset, of_set in configs_of_sets(self.config)
        ]
        return MixedBatches(
            streams, [dataset.ratio for dataset in sets], batch_size=self.config.train.batch_size
        )

    def _training(self, records: Sequence[Record]) -> TrainBatches:
        config = self.config
        return TrainBatches(
            build_dataset(config, records, self.media, self.text, training=True),
            batch_size=config.train.batch_size,
            seed=config.seed,
            rank=self.processes.rank,
            world_size=self.processes.world_size,
            num_workers=config.data.num_workers,
            collate=collate_for(self.config, self.task, self.text),
            bad_items=self.bad_items,
        )

    def evaluation(self, records: Sequence[Record]) -> EvaluationBatches | ChainedBatches:
        """Iterate over each row once over all processes."""
        sets = self.config.data.val_datasets
        if not sets:
            return self._evaluation(records)
        return ChainedBatches([self._evaluation(records_of_set(dataset.id, records)) for dataset in sets])

    def _evaluation(self, records: Sequence[Record]) -> EvaluationBatches:
        config = self.config
        return EvaluationBatches(
            build_dataset(config, records, self.media, self.text, training=False),
            batch_size=config.eval.batch_size,
            rank=self.processes.rank,
            world_size=self.processes.world_size,
            num_workers=config.data.num_workers,
            collate=collate_for(self.config, self.task, self.text),
            bad_items=self.bad_items,
        )

    def inference(self, records: Sequence[Record]) -> InferenceBatches:
        """Iterate over each row once over all processes, with read-ahead; bad media are named, not raised."""
        config = self.config
        return InferenceBatches(
            build_inference_dataset(
                config, group_records(records, texts_per_visual=None), self.media, self.text
            ),
            batch_size=config.eval.batch_size,
            rank=self.processes.rank,
            world_size=self.processes.world_size,
            num_threads=max(1, config.data.num_workers),
            collate=collate_for(self.config, self.task, self.text),
        )


def collate_for(config: RunConfig, task: Task, text: TextParts) -> Callable[[Sequence[Sample]], Batch]:
    """Return the function that pads samples to a batch for the model of a task."""
    return partial(
        collate,
        padding=config.padding,
        max_frame_size=config.max_frame_size,
        frame_multiple=model_of(task).frame_multiple,
        pad_token_id=text.tokenizer.pad_token_id,
    )

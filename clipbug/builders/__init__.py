"""Build what a run needs from its config and files: records, batches, task, model, trainer."""

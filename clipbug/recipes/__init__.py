"""One plain function per command: the only place that joins config, data, model, task and engine."""

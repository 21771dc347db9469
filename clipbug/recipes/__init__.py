"""One function per command; only recipes combine config, data, model, task and engine."""

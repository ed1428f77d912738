"""The SQL prompt: `headrace sql URL`, which starts `python -m headrace.shell URL`."""

"""The Python side of the engine's function host: describing a project's functions, and the processes that run them.

The engine starts `python -m headrace.worker serve` once. That process loads nothing of the user's; it forks one worker per function
and request (parent.py), so that a worker is there in milliseconds and never inherits the engine's threads or descriptors.
"""

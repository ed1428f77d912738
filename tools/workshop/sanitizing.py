"""A build with sanitizers beside the usual one, and suites run with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from workshop.place import ROOT, environment


@dataclass(frozen=True)
class Kind:
    """A way to watch a program run."""

    sanitizers: str
    """As -fsanitize= takes them."""
    options: dict[str, str] = field(default_factory=dict)
    """Variables that the runtimes read."""


KINDS = {
    "address": Kind(
        "address,undefined",
        {
            "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        },
    ),
    # DuckDB's library is not instrumented: TSan sees what it does through libc (a memcpy into a vector, say), but not the atomics
    # that order it. Before a fork its allocator takes all of its locks, more than TSan's search for deadlocks can follow.
    "thread": Kind("thread", {"TSAN_OPTIONS": "ignore_noninstrumented_modules=1:detect_deadlocks=0"}),
}


def run(kind: str, filters: Sequence[str]) -> int:
    """Builds into build-KIND and runs suites with it. Python workers are plain processes there, too: see CMakeLists.txt."""
    wanted, build = KINDS[kind], f"build-{kind}"
    place = {**environment(), **wanted.options, "HEADRACE_BUILD": build}
    # -O1: less to compile than -O2, and stacks that can be read; -O0 lacks the immediates that codec's SIMD needs.
    flags = ["-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1 -g1"]
    for command in (
        ["cmake", "-S", ".", "-B", build, "-G", "Ninja", f"-DHEADRACE_SANITIZE={wanted.sanitizers}", *flags],
        ["nice", "-n", "19", "ninja", "-C", build, "-j", str(os.cpu_count() or 1)],
        [sys.executable, "-m", "workshop", "test", *filters],
    ):
        if code := subprocess.run(command, cwd=ROOT, env=place, check=False).returncode:
            return code
    return 0

"""The fuzzers of tests/fuzz, run with libFuzzer for a while; what they found and learnt stays in build-fuzz."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from workshop.place import ROOT, SHARED, environment

BUILD = ROOT / "build-fuzz"
CORPORA = ROOT / "tests" / "fuzz" / "corpus"
CDC = SHARED / "data" / "cdc"
INPUT_BYTES_MAX = 16 << 10


def fuzzers() -> list[str]:
    """Lists the fuzzers by the names of their files."""
    return sorted(path.name.removesuffix("_fuzz.cc") for path in (ROOT / "tests" / "fuzz").glob("*_fuzz.cc"))


def golden_blocks() -> Iterator[tuple[str, str]]:
    """Gives the directive and the body of every block of the golden texts."""
    for path in sorted((ROOT / "tests" / "slt").rglob("*.slt")):
        for block in path.read_text().split("\n\n"):
            directive, _, body = block.strip().partition("\n")
            yield directive, body


def statements() -> Iterator[str]:
    """Gives the SQL of the golden texts and of the examples."""
    for directive, body in golden_blocks():
        if directive.startswith(("statement", "query")):
            yield body.partition("\n----")[0]
    for path in sorted((ROOT / "examples").rglob("*.sql")):
        yield path.read_text()


def selects() -> Iterator[str]:
    """Gives what is rewritten of them: what follows AS, and the queries."""
    for text in statements():
        head, found, select = text.partition(" AS\n")
        yield select if found and head.upper().startswith("CREATE") else text


def change_records() -> Iterator[str]:
    """Gives other people's records of changes that lie beside the clone; none where it has no such neighbour."""
    for path in sorted(CDC.glob("*.*")):
        yield from path.read_text(errors="replace").splitlines()[:200]


SEEDS: dict[str, Callable[[], Iterator[str]]] = {
    "statement": statements,
    "rewrite": selects,
    "ndjson": change_records,
    "changelog": change_records,
}
"""Beside what lies in tests/fuzz/corpus."""


def plant(fuzzer: str) -> Path:
    """Makes the folder of inputs that a fuzzer begins with. What it learnt before is in it already."""
    corpus = BUILD / "corpus" / fuzzer
    corpus.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(SEEDS[fuzzer]() if fuzzer in SEEDS else ()):
        (corpus / f"seed-{number}").write_text(text)
    return corpus


def run_one(fuzzer: str, seconds: int) -> bool:
    """Runs one fuzzer and prints what it did. Gives whether it found nothing."""
    corpus, found = plant(fuzzer), BUILD / "findings" / fuzzer
    found.mkdir(parents=True, exist_ok=True)
    before = set(found.iterdir())
    scratch = Path("/dev/shm") if Path("/dev/shm").is_dir() else BUILD  # Fuzzers of files write one per input.
    command = [
        *("nice", "-n", "19", str(BUILD / "tests" / f"{fuzzer}_fuzz"), str(corpus), str(CORPORA / fuzzer)),
        *(f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}", "-timeout=10", "-rss_limit_mb=2048", "-malloc_limit_mb=1024"),
        *(f"-artifact_prefix={found}/", "-use_value_profile=1", "-print_final_stats=1", "-verbosity=1"),
    ]
    log = BUILD / f"{fuzzer}.log"
    with log.open("w") as out:
        code = subprocess.run(
            command, env={**environment(), "TMPDIR": str(scratch)}, stdout=out, stderr=subprocess.STDOUT, check=False
        ).returncode
    said = log.read_text(errors="replace")
    executions = re.findall(r"^stat::number_of_executed_units: (\d+)", said, re.MULTILINE) or re.findall(r"^#(\d+)", said, re.MULTILINE)
    took = re.findall(r"^Done \d+ runs in (\d+) second", said, re.MULTILINE)
    findings = sorted(str(path.relative_to(ROOT)) for path in set(found.iterdir()) - before)
    print(
        f"{fuzzer}: {executions[-1] if executions else 0} executions in {took[-1] if took else '?'} s, "
        f"{len(list(corpus.iterdir()))} inputs kept, {len(findings)} findings",
        flush=True,
    )
    for finding in findings:
        print(f"  {finding}: keep it in {CORPORA.relative_to(ROOT)}/{fuzzer} once it is mended; the report is in {log.relative_to(ROOT)}")
    return code == 0 and not findings


def run(fuzzer: str | None, seconds: int) -> int:
    """Builds the fuzzers and runs them, one after the other. Gives the exit code: 1 when one found something.

    Raises:
        LookupError: there is no such fuzzer, or no clang to build it with.
    """
    names = fuzzers()
    if fuzzer and fuzzer not in names:
        raise LookupError(f"no fuzzer is called '{fuzzer}'; there are {', '.join(names)}")
    clang = next(filter(None, (shutil.which(name) for name in ("clang++", "clang++-14"))), None)
    if not clang:
        raise LookupError("libFuzzer needs clang: install the Debian packages clang-14 and libclang-rt-14-dev")
    wanted = [fuzzer] if fuzzer else names
    for command in (
        ["cmake", "-S", ".", "-B", str(BUILD), "-G", "Ninja", "-DHEADRACE_FUZZ=ON", f"-DCMAKE_CXX_COMPILER={clang}"],
        ["nice", "-n", "19", "ninja", "-C", str(BUILD), "-j", str(os.cpu_count() or 1), *(f"{name}_fuzz" for name in wanted)],
    ):
        if code := subprocess.run(command, cwd=ROOT, env=environment(), stdout=sys.stderr, check=False).returncode:
            return code
    sound = [run_one(name, seconds) for name in wanted]
    return 0 if all(sound) else 1

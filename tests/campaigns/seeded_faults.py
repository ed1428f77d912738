"""Puts small faults into the engine, one after the other, and runs the tests until they catch it: each must be caught.

    python tests/campaigns/seeded_faults.py [null-key-joins ...] [--pipelines 100] [--seed 1] [--order state,golden]
                                              [--scratch DIR] [--lock FILE]

The faults stand in tests/differential/faults.py. Each is put into a scratch clone of HEAD and built; then random pipelines of the
differential test run on it, then the golden texts, then the test of state that must go; or what --order names, in its order. Caught means
that a test fails with the fault and passes without it. Printed is the table of docs/reference/seeded-faults.md. Exit status 1: a fault
was not caught.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "differential"))

from faults import FAULTS, Fault  # noqa: E402

PRODUCTS = ("headrace", "libheadrace_worker.so")
TEST_LIMIT_S = 600


@dataclass(frozen=True)
class Clone:
    """A copy of the repository in which the faults are built."""

    folder: Path
    lock: Path | None
    """Held while something is built."""

    @classmethod
    def make(cls, scratch: Path, lock: Path | None) -> Clone:
        """Clones HEAD anew; the build folder of an earlier clone is kept."""
        clone = cls(scratch / "clone", lock)
        build, kept = clone.folder / "build", scratch / "build"
        if build.exists():
            build.rename(kept)
        shutil.rmtree(clone.folder, ignore_errors=True)
        run(["git", "clone", "--quiet", "--shared", str(ROOT), str(clone.folder)])
        if kept.exists():
            kept.rename(build)
        return clone

    def build(self, into: Path) -> Path:
        """Builds the engine and copies it; gives the copy.

        Raises:
            subprocess.CalledProcessError: it does not compile.
        """
        environment = {**os.environ, "CCACHE_BASEDIR": str(self.folder), "CCACHE_NOHASHDIR": "1"}
        build = self.folder / "build"
        with self.locked():
            if not (build / "build.ninja").exists():
                run(["cmake", "-S", str(self.folder), "-B", str(build), "-G", "Ninja", "-DHEADRACE_TESTS=OFF"], environment)
            run(["nice", "ninja", "-C", str(build), *PRODUCTS], environment)
        into.mkdir(parents=True, exist_ok=True)
        for product in PRODUCTS:
            shutil.copy2(build / product, into / product)
        return into / PRODUCTS[0]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One build on the machine at a time."""
        if self.lock is None:
            yield
            return
        with self.lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def run(command: Sequence[str], environment: dict[str, str] | None = None) -> None:
    """Runs a command that has to end well; shows what it said when it does not."""
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout[-4000:])
        done.check_returncode()


def fails(command: Sequence[str], binary: Path) -> bool:
    """Runs a test on an engine; a test that does not end has failed."""
    environment = {"HEADRACE_PYTHON": sys.executable, **os.environ, "HEADRACE_BIN": str(binary), "HEADRACE_SHARE": str(ROOT)}
    environment["PYTHONPATH"] = str(ROOT / "python")
    try:
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=TEST_LIMIT_S, check=False).returncode != 0
    except subprocess.TimeoutExpired:
        return True


def tests(binary: Path, options: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """Gives the tests in the order in which they are run: what each is called, and its command."""
    for kind in options.order.split(","):
        if kind == "differential":
            for number in range(1, options.pipelines + 1):
                command = [sys.executable, "tests/campaigns/differential.py", "--whole", "--only", f"{options.seed}-{number}"]
                yield f"differential test, {number} pipelines", command
        elif kind == "golden":
            for file in sorted((ROOT / "tests" / "slt").glob("*.slt")):
                yield f"`tests/slt/{file.name}`", [str(binary), "test", str(file.relative_to(ROOT))]
        else:
            state = "tests/python/test_state_goes.py"
            yield f"`{state}`", [sys.executable, "-m", "pytest", "--quiet", state]


def caught_by(faulty: Path, clean: Path, options: argparse.Namespace) -> str:
    """Gives the first test that fails with the fault and passes without it; "" = none does."""
    for (name, with_fault), (_, without) in zip(tests(faulty, options), tests(clean, options), strict=True):
        if fails(with_fault, faulty) and not fails(without, clean):
            return name
    return ""


def chosen(names: Sequence[str]) -> list[Fault]:
    """Gives the faults of these names, or all."""
    known = {fault.name: fault for fault in FAULTS}
    if unknown := set(names) - set(known):
        sys.exit(f"no fault is called {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [known[name] for name in names] or list(FAULTS)


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faults", nargs="*", help="such as null-key-joins (default: all)")
    parser.add_argument("--pipelines", type=int, default=100, help="of the differential test, at most (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes other pipelines (default: 1)")
    parser.add_argument("--order", default="differential,golden,state", help="what runs, in which order (default: %(default)s)")
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/headrace-faults"))
    parser.add_argument("--lock", type=Path, help="a file to lock while building")
    options = parser.parse_args()
    options.scratch.mkdir(parents=True, exist_ok=True)
    faults = chosen(options.faults)
    clone = Clone.make(options.scratch, options.lock)
    clean = clone.build(options.scratch / "clean")
    missed = []
    print("| fault | what is wrong | file | caught by |\n|---|---|---|---|", flush=True)
    for fault in faults:
        fault.put_into(clone.folder)
        faulty = clone.build(options.scratch / "faulty")
        caught = caught_by(faulty, clean, options)
        if not caught:
            missed.append(fault.name)
        print(f"| {fault.name} | {fault.what} | `{fault.file}` | {caught or '**nothing**'} |", flush=True)
        run(["git", "-C", str(clone.folder), "checkout", "--quiet", "--", fault.file])
    print(f"{len(faults) - len(missed)} passed, {len(missed)} failed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The commands of tools/dev, and ./test."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from workshop import fuzzing, reference, running, sanitizing, suites
from workshop.place import BUILD, PYTHON, ROOT, environment


def run(*command: str, cwd: str = ".") -> int:
    """Runs a command in this clone and gives its exit code."""
    return subprocess.run(command, cwd=ROOT / cwd, env=environment(), check=False).returncode


def test(options: argparse.Namespace) -> int:
    """Runs the checks, then the tests; or the suites that filters name."""
    try:
        wanted = [suites.chosen(wish) for wish in options.filters]
    except LookupError as error:
        sys.exit(f"test: {error}")
    return running.run_all(wanted or [*suites.checks(), *suites.tests(fast=options.fast, everything=options.all)])


def check(options: argparse.Namespace) -> int:
    """Runs format, lint, types, structure and the C++ unit tests."""
    return running.run_all(suites.checks())


def format_all(options: argparse.Namespace) -> int:
    """Formats C++, Python and the console."""
    worst = run("clang-format", "-i", *suites.cpp_files())
    worst |= run(str(PYTHON.parent / "ruff"), "check", "--fix-only", "--quiet", *suites.python_roots())
    worst |= run(str(PYTHON.parent / "ruff"), "format", *suites.python_roots())
    if "format" in suites.console_scripts():
        worst |= run("npm", "run", "--silent", "format", cwd="web")
    return worst


def build(options: argparse.Namespace) -> int:
    """Builds one target."""
    return run("ninja", "-C", str(BUILD), "-j", str(os.cpu_count() or 1), *([options.target] if options.target else []))


def tidy(options: argparse.Namespace) -> int:
    """Runs clang-tidy on the files given, or on those changed since main."""
    files = options.files
    if not files:
        changed = subprocess.run(
            ["git", "diff", "--name-only", "--diff-filter=d", "main", "--", "*.cc"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        files = changed.stdout.split()
    return run("clang-tidy", "-p", str(BUILD), "--quiet", *files) if files else 0


def sanitize(options: argparse.Namespace) -> int:
    """Builds with sanitizers and runs suites so: unit and slt, or those that filters name."""
    return sanitizing.run(options.kind, options.filters or ["unit", "slt"])


def fuzz(options: argparse.Namespace) -> int:
    """Builds the fuzzers and runs all, or one, each for so many seconds."""
    try:
        return fuzzing.run(options.fuzzer, options.seconds)
    except LookupError as error:
        sys.exit(f"fuzz: {error}")


def check_includes(options: argparse.Namespace) -> int:
    """Checks the directions of includes only."""
    return running.run_all([suites.pytest_suite("structure", "structure/test_includes.py")])


def docs(options: argparse.Namespace) -> int:
    """Makes the generated pages of docs/reference anew; --check only says whether they are current."""
    return reference.make(only_check=options.check)


def lock(options: argparse.Namespace) -> int:
    """Makes tools/requirements from the lists in pyproject.toml."""
    common = [
        str(PYTHON.parent / "uv"),
        "pip",
        "compile",
        "--quiet",
        "--python-version",
        "3.11",
        "--generate-hashes",
        "--no-emit-index-url",
        "--custom-compile-command",
        "tools/dev lock",
        "pyproject.toml",
        "--extra",
        "pandas",
    ]
    return run(*common, "--output-file", "tools/requirements/runtime.txt") or run(
        *common, "--extra", "dev", "--constraints", "tools/requirements/runtime.txt", "--output-file", "tools/requirements/dev.txt"
    )


def main(arguments: Sequence[str]) -> int:
    """Reads the command line and runs one command."""
    parser = argparse.ArgumentParser(prog="tools/dev")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run_it: object, help_text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help_text, description=help_text)
        made.set_defaults(run=run_it)
        return made

    command("check", check, "format, lint, types, structure, C++ unit tests: before every push")
    command("format", format_all, "format C++, Python and the console")
    command("build", build, "build everything, or one target").add_argument("target", nargs="?")
    command("tidy", tidy, "clang-tidy on the files given, or on what changed since main").add_argument("files", nargs="*")
    command("check-includes", check_includes, "the directions of includes only")
    sanitized = command("sanitize", sanitize, "build with sanitizers into build-KIND and run unit and slt, or the suites named, so")
    sanitized.add_argument("kind", choices=list(sanitizing.KINDS))
    sanitized.add_argument("filters", nargs="*", metavar="SUITE[:TEXT] | PATH")
    fuzzed = command("fuzz", fuzz, "build the fuzzers with clang into build-fuzz and run all, or one")
    fuzzed.add_argument("fuzzer", nargs="?")
    fuzzed.add_argument("--seconds", type=int, default=600, help="for each; default 600")
    command("docs", docs, "make docs/reference anew").add_argument("--check", action="store_true", help="only say whether it is current")
    command("lock", lock, "make tools/requirements from pyproject.toml")
    tests = command("test", test, "the same as ./test")
    tests.add_argument("--fast", action="store_true", help="without examples, browser and campaigns")
    tests.add_argument("--all", action="store_true", help="the heavy suites, too")
    tests.add_argument("filters", nargs="*", metavar="SUITE[:TEXT] | PATH")
    options = parser.parse_args(arguments)
    code: int = options.run(options)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

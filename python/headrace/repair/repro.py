"""`python -m headrace.repair.repro`, which is `headrace repro`: a failed call of the quarantine as a pytest folder."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import pathlib
import shutil
import subprocess
import sys
import textwrap
from typing import Any

from headrace.door import Door
from headrace.errors import BadConfig
from headrace.repair.options import add_engine, run
from headrace.repair.records import Record, record
from headrace.snapshot import FOLDER

TEST = '''"""A call of {function} that failed in the pipeline. Mend {file} here or in the project; the test passes when the call does.

    pip install --requirement requirements.txt && pytest {folder}

{reason}
"""

import pathlib

from headrace.repair.call import call_again


def test_call() -> None:
    call_again(pathlib.Path(__file__).resolve().parent)  # inline=True: in this process, for a debugger.
'''


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="headrace repro", description="Writes a pytest folder that makes a failed call again.")
    parser.add_argument("id", type=int, help="of a record in the quarantine")
    parser.add_argument("--project", type=pathlib.Path, default=pathlib.Path("."), help="the project's folder (default: here)")
    parser.add_argument("--out", type=pathlib.Path, help="folder to write (default: repro-ID)")
    add_engine(parser)
    options = parser.parse_args(words)
    found = record(Door(options.url, token=options.token), options.id)
    folder = options.out or pathlib.Path(f"repro-{found.id}")
    for warning in write(found, options.project, folder):
        print(warning, file=sys.stderr)
    print(f"Made {folder}. Next:\n  pytest {folder}")
    return 0


def write(found: Record, project: pathlib.Path, folder: pathlib.Path) -> list[str]:
    """Writes the folder: the call, the function files, the versions of what is installed, a test. Gives what the user should know.

    Raises:
        BadConfig: no function refused the record, its call was too large to be kept, the folder is there already, or the project has no
            such function (code 1001).
    """
    if found.detail is None:
        raise BadConfig(
            f"record {found.id} was refused by {found.source}, not by a Python function", remedy="`headrace quarantine show` it"
        )
    if found.detail["arguments"] is None:
        raise BadConfig(
            f"the arguments of this call of {found.function} were larger than 1 MiB and were not kept",
            remedy="feed the rows to the pipeline in a test (`headrace_run`)",
        )
    if folder.exists():
        raise BadConfig(f"{folder} is there already", remedy="name a new folder with --out")
    described = _described(project.resolve(), found)
    shutil.copytree(project / FOLDER, folder / FOLDER, ignore=shutil.ignore_patterns("__pycache__"))
    call = {**found.detail, "error": {"code": found.code, "name": found.name, "reason": found.reason}, "row": found.content}
    for path in map(pathlib.Path, described["beside"]):  # Models, lock files.
        if path.is_relative_to(project.resolve()):
            copy = folder / path.relative_to(project.resolve())
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    (folder / "call.json").write_text(json.dumps(call, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "requirements.txt").write_text(installed(), encoding="utf-8")
    reason = textwrap.indent(found.reason.replace("\\", "\\\\").replace('"""', "'''"), "    ")
    text = TEST.format(function=found.function, file=found.detail["file"], folder=folder.name, reason=reason)
    (folder / "test_repro.py").write_text(text, encoding="utf-8")
    if described["hash"] != found.detail["hash"]:
        return [f"{found.detail['file']} has changed since the call failed: the code in {folder} is today's"]
    return []


def _described(project: pathlib.Path, found: Record) -> dict[str, Any]:
    """The function as the project has it today; its files are loaded by another process, in their environments."""
    command = [sys.executable, "-m", "headrace.worker", "describe", "--project", str(project)]
    functions = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout)["functions"]
    for function in functions:
        if (function["name"], function["file"]) == (found.function, found.detail and found.detail["file"]):
            return dict(function)
    raise BadConfig(f"{project} has no function {found.function} that loads", remedy="name the project's folder with --project")


def installed() -> str:
    """The packages of this environment with their versions, as a requirements file."""
    found = {(package.metadata["Name"], package.version) for package in importlib.metadata.distributions()}
    return "".join(f"{name}=={version}\n" for name, version in sorted(found, key=lambda entry: str(entry[0]).lower()) if name != "headrace")


if __name__ == "__main__":
    sys.exit(run(main))

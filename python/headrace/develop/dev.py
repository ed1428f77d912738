"""`python -m headrace.develop.dev`, which is `headrace dev`: runs a pipeline, and takes up what is saved."""

from __future__ import annotations

import argparse
import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import time

from headrace.develop import apply
from headrace.door import Door
from headrace.errors import HeadraceError, StateMismatch
from headrace.testing import program

LOOK_EVERY_S = 0.2
PLANNED = ("sql/", "functions/", "contracts/")  # What stands there is taken over by the running engine.
WATCHED = ("sql/*.sql", "functions/*.py", "contracts/*", "dashboards/*.toml", "headrace.toml", "*.lock")


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="headrace dev", description=__doc__, epilog="Further options are those of `headrace run`.")
    parser.add_argument("directory", nargs="?", default=".", type=pathlib.Path, help="the project's folder (default: here)")
    parser.add_argument("--listen", default="127.0.0.1:8480", help="HOST:PORT of the console and the API (default %(default)s)")
    parser.add_argument("--token", default=os.environ.get("HEADRACE_TOKEN"), help="an admin's token, where the project has tokens")
    options, rest = parser.parse_known_args(words)
    return Development(options.directory.resolve(), options.listen, options.token, rest).run()


class Development:
    """A supervised `headrace run` over a project that changes."""

    def __init__(self, project: pathlib.Path, listen: str, token: str | None, rest: list[str]) -> None:
        self._project = project
        self._command = [program(), "run", str(project), "--listen", listen, *rest]
        self._door = Door(f"http://{listen}", token=token, timeout_ms=120_000)
        self._engine: subprocess.Popen[bytes] | None = None
        self._seen = self._contents()

    def run(self) -> int:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        self._start()
        try:
            while True:
                time.sleep(LOOK_EVERY_S)
                self._look()
        except KeyboardInterrupt:
            return 130
        finally:
            self._stop()

    def _look(self) -> None:
        now = self._contents()
        changed = sorted(name for name in now.keys() | self._seen.keys() if now.get(name) != self._seen.get(name))
        self._seen = now
        if not changed:
            return
        running = self._engine is not None and self._engine.poll() is None
        if running and all(name.startswith("functions/") for name in changed):
            self._reload(changed)
        elif running and all(name.startswith(PLANNED) for name in changed):
            self._change(changed)
        else:
            self._restart(changed, "the configuration is another one" if running else "the engine had ended")

    def _reload(self, changed: list[str]) -> None:
        started = time.monotonic()
        try:
            names = self._door.request("POST", "/v1/functions/reload", b"").json()["functions"]
        except StateMismatch:  # Other functions, or other types: that is another plan.
            self._change(changed)
            return
        except HeadraceError as failure:
            self._say(f"{', '.join(changed)}: the old code goes on running\n{failure}")
            return
        except ConnectionError as failure:
            self._restart(changed, str(failure))
            return
        took_ms = (time.monotonic() - started) * 1000
        self._say(
            f"took up {', '.join(names)} after {took_ms:.0f} ms; state is kept" if names else f"{', '.join(changed)}: no code changed"
        )

    def _change(self, changed: list[str]) -> None:
        """Lets the engine go over to the project as it is now, with the state of what did not change."""
        if not self._is_right(changed):
            return
        try:
            outcome = apply.go_over(self._door, allow_loss=False)
        except HeadraceError as failure:
            self._say(f"{', '.join(changed)}: the old pipeline goes on running\n{failure}")
        except ConnectionError as failure:
            self._restart(changed, str(failure))
        else:
            went = outcome["state"] != "failed"
            self._say(f"{', '.join(changed)}: {'went over' if went else 'the old pipeline goes on running'}")
            print(outcome["text" if went else "error"], file=sys.stderr, flush=True)

    def _is_right(self, changed: list[str]) -> bool:
        """Says what is wrong with the project, if anything is."""
        done = subprocess.run([program(), "check", str(self._project)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self._say(
                f"{', '.join(changed)}: {'the old pipeline goes on running' if self._running() else 'not started'}\n{done.stderr.strip()}"
            )
        return done.returncode == 0

    def _restart(self, changed: list[str], reason: str) -> None:
        if not self._is_right(changed):
            return
        self._say(f"{', '.join(changed)}: starting anew ({reason})")
        self._stop()
        self._start()

    def _running(self) -> bool:
        return self._engine is not None and self._engine.poll() is None

    def _start(self) -> None:
        self._engine = subprocess.Popen(self._command)

    def _stop(self) -> None:
        if self._engine is not None and self._engine.poll() is None:
            self._engine.send_signal(signal.SIGTERM)
            self._engine.wait()

    def _contents(self) -> dict[str, str]:
        """The digest of every watched file. Contents, not times: an editor may save without a change."""
        found = {}
        for pattern in WATCHED:
            for path in self._project.glob(pattern):
                try:
                    found[str(path.relative_to(self._project))] = hashlib.sha256(path.read_bytes()).hexdigest()
                except OSError:
                    continue  # Just now removed, or a folder.
        return found

    def _say(self, text: str) -> None:
        print(f"dev: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    from headrace.repair.options import run

    sys.exit(run(main))

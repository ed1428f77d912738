"""Calls functions that do their worst, and looks whether anybody else is hurt: the engine must live, each healthy row must be answered
once and rightly, each bad row must be answered or lie in the quarantine (never both), with the function, its hash and its arguments;
and after the functions have been mended, a replay brings every row of the quarantine to its answer, once.

    python tests/campaigns/hostile_functions.py [--short] [--calls 10000] [--only CLASS ...] [--jobs 4] [--table FILE]

Each class is a function of its own, and a tenth of its rows are hostile. Most of the time goes by in waiting for time limits: `--jobs`
shortens it. `--table` writes the outcome as a Markdown page.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import textwrap
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "python"))
sys.path.insert(0, str(ROOT / "python"))

from headrace.door import Door  # noqa: E402
from headrace.repair import records as repair  # noqa: E402
from headrace.worker import sandbox  # noqa: E402
from running_engine import RunningEngine  # noqa: E402

HOSTILE_EVERY = 10  # A row n is hostile when n % 10 == 3.
ROWS_PER_REQUEST = 500
LIMIT_S = 900


@dataclass(frozen=True)
class Hostile:
    """A way to misbehave.

    Attributes:
        act: what a hostile call does; sees `n` (or, vectorized, the arrays `a` and `bad`).
        refused: a hostile row must end in the quarantine. False: it harms nobody, and may be answered.
        needs_sandbox: without one it hurts the engine, as any process of the same user can.
    """

    name: str
    act: str
    refused: bool = True
    vectorized: bool = False
    options: str = 'timeout="5 s"'
    result: str = ""
    needs_sandbox: bool = False


def scalar(name: str, act: str, **options: Any) -> Hostile:
    return Hostile(name, act, **options)


def columns(name: str, act: str, **options: Any) -> Hostile:
    return Hostile(name, act, vectorized=True, **options)


HANGS = 'timeout="300 ms"'
SMALL = 'timeout="5 s", memory="96 MB"'

CLASSES = [
    scalar("raise", "raise ValueError(f'not {n}')"),
    scalar("raise_base_exception", "raise type('Odd', (BaseException,), {})('odd')"),
    scalar("raise_keyboard_interrupt", "raise KeyboardInterrupt"),
    scalar("raise_huge_message", "raise ValueError('x' * 50_000_000)"),
    scalar("raise_str_raises", "raise type('Mute', (Exception,), {'__str__': lambda self: 1 / 0})()"),
    scalar("raise_no_utf8", "raise ValueError('\\udcff \\x00 \\ud800')"),
    scalar("raise_chain", "chain(1000)"),
    scalar("raise_sometimes", "if random.random() < 0.5: raise ValueError('bad luck')", refused=False, options="deterministic=False"),
    scalar("recursion", "recurse(0)"),
    scalar("recursion_no_limit", "sys.setrecursionlimit(2**30); recurse(0)", options=HANGS),
    scalar("import_fails", "import no_such_module"),
    scalar("sys_exit", "sys.exit(3)"),
    scalar("os_exit", "os._exit(0)"),
    scalar("abort", "os.abort()"),
    scalar("segfault", "ctypes.string_at(0)"),
    scalar("kill_self", "os.kill(os.getpid(), signal.SIGKILL)"),
    scalar("stop_self", "os.kill(os.getpid(), signal.SIGSTOP)", options=HANGS),
    scalar("alarm", "signal.setitimer(signal.ITIMER_REAL, 0.01); time.sleep(5)", options=HANGS),
    scalar("exit_with_atexit", "atexit.register(time.sleep, 100); sys.exit(0)"),
    scalar("exit_in_thread", "in_thread(sys.exit)", refused=False),
    scalar("os_exit_in_thread", "in_thread(os._exit, 0); time.sleep(3600)"),
    scalar("infinite_loop", "while True: pass", options=HANGS),
    scalar("sleep", "time.sleep(3600)", options=HANGS),
    scalar("deadlock", "lock = threading.Lock(); lock.acquire(); lock.acquire()", options=HANGS),
    scalar("regex_backtracks", "re.match('(a+)+$', 'a' * 40 + 'b')", options=HANGS),
    scalar("leak", "kept.append(bytearray(b'x') * (10 << 20))", refused=False, options=SMALL),
    scalar("huge_allocation", "bytearray(1 << 40)", options=SMALL),
    scalar("allocates_without_end", "grow()", options=SMALL),
    scalar("raise_its_limits", "resource.setrlimit(resource.RLIMIT_DATA, (-1, -1)); bytearray(1 << 30)", options=SMALL, needs_sandbox=True),
    scalar("wrong_type", "return 'seven'"),
    scalar("nan_for_int", "return float('nan')"),
    scalar("overflow", "return 2**70"),
    scalar("generator", "return (x for x in range(3))"),
    columns("wrong_length", "return a.slice(1)"),
    columns("none", "return None"),
    columns("other_dtype", "return a.cast(pa.float64())"),
    columns("fails_with_many_rows", "if len(a) > 1: raise ValueError('too many')", refused=False),
    columns("invalid_utf8", "return texts(a, b'\\xff\\xfe')", result="pa.StringArray"),
    columns("offsets_backwards", "return backwards(a)", result="pa.StringArray"),
    columns("alias_of_input", "return double_in_place(a)", refused=False),
    columns("result_changes_later", "return changing(a)", refused=False),
    scalar("fork", "os.fork()"),
    scalar("fork_bomb", "while True: os.fork()", needs_sandbox=True),
    scalar("subprocess", "subprocess.run(['sleep', '60'])", needs_sandbox=True),
    scalar("exec", "os.execv('/bin/true', ['true'])"),
    scalar("threads_that_go_on", "[in_thread(spin, 0.2) for _ in range(8)]", refused=False),
    scalar("threads_without_end", "while True: in_thread(time.sleep, 60)", options=SMALL),
    scalar("flood_stdout", "print(('x' * 1000 + '\\n') * 3000)", refused=False),
    scalar("flood_stderr", "os.write(2, b'x' * 3_000_000)", refused=False),
    scalar("no_line_ends", "sys.stdout.write('y' * 3_000_000)", refused=False),
    scalar("close_output", "os.close(1); os.close(2)", refused=False),
    scalar("close_all_files", "os.closerange(0, 4096)", refused=False),
    scalar("scribble", "scribble(0.002)", refused=False, options=HANGS),
    scalar("scribble_in_thread", "in_thread(scribble, 0.02)", refused=False, options=HANGS),
    scalar("truncate_memory", "truncate_all()", refused=False),
    scalar("delete_files", "os.unlink(__file__)", needs_sandbox=True),
    scalar("delete_project", "shutil.rmtree(os.path.dirname(os.path.dirname(__file__)))", needs_sandbox=True),
    scalar("write_file", "open('/tmp/headrace_hostile', 'w')", needs_sandbox=True),
    scalar("write_project", "open(__file__, 'a')", needs_sandbox=True),
    scalar("chmod", "os.chmod(__file__, 0o600)", needs_sandbox=True),
    scalar("chdir", "os.chdir('/')", refused=False),
    scalar("connect", "socket.create_connection(('127.0.0.1', 9))"),
    scalar("listen", "socket.socket().listen()", needs_sandbox=True),
    scalar("kill_parent", "os.kill(os.getppid(), signal.SIGKILL)", needs_sandbox=True),
    scalar("kill_engine", "os.kill(grandparent(), signal.SIGKILL)", needs_sandbox=True),
    scalar("write_engine_memory", "open(f'/proc/{grandparent()}/mem', 'r+b')", needs_sandbox=True),
    scalar("signal_handlers", "[ignore(number) for number in range(1, 32)]", refused=False),
    scalar("gc_disable", "gc.disable(); kept.append([]); kept[-1].append(kept)", refused=False),
    scalar("monkeypatch_answer", "segment.Segment.finish = lambda *_: None", refused=False),
    scalar("monkeypatch_builtins", "builtins.len = builtins.iter = None", refused=False),
    scalar("environment", "os.environ.clear(); sys.path.clear(); sys.modules.clear()", refused=False),
]

HEAD = """
import atexit, builtins, ctypes, gc, os, random, re, resource, shutil, signal, socket, subprocess, sys, threading, time
import headrace as hr
import pyarrow as pa
import pyarrow.compute as pc
from headrace.worker import segment

HOSTILE = True
kept = []

def chain(depth):
    try:
        if depth: chain(depth - 1)
        else: raise ValueError("innermost")
    except Exception as failure:
        raise RuntimeError(str(depth)) from failure

def recurse(depth):
    return recurse(depth + 1) + 1

def grow():
    while True: kept.append(bytearray(b"x") * (1 << 20))

def in_thread(work, *arguments):
    thread = threading.Thread(target=work, args=arguments, daemon=True)
    thread.start()

def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end: pass

def texts(a, bad):
    return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer((0).to_bytes(4, "little") + len(bad).to_bytes(4, "little")),
                                                  pa.py_buffer(bad)]) if len(a) == 1 else pa.array(["x"] * (len(a) - 1))

def backwards(a):
    ends = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in [0, 6, 2, *[2] * len(a)][: len(a) + 1][::-1]))
    return pa.Array.from_buffers(pa.string(), len(a), [None, ends, pa.py_buffer(b"abcdef")])

def double_in_place(a):
    doubled = pc.multiply(a, 2)
    ctypes.memmove(a.buffers()[1].address, doubled.buffers()[1].address, 8 * len(a))
    return a

def shared_memory():
    for line in open("/proc/self/maps"):
        if "memfd:headrace-worker" in line:
            return int(line.split("-")[0], 16)

def changing(a):
    content = bytearray(pc.multiply(a, 2).buffers()[1].to_pybytes())
    state = ctypes.c_uint32.from_address(shared_memory() + 64)
    def change():
        while state.value == segment.STATE_RUNNING: time.sleep(0.0001)
        content[:8] = b"\\xff" * 8
    in_thread(change)
    return pa.Array.from_buffers(pa.int64(), len(a), [None, pa.py_buffer(content)])

def scribble(seconds):
    start = shared_memory()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        place = random.choice([64, 128, 192, 256, 320, 384, 4096, 12288])
        ctypes.memmove(start + place + random.randrange(48), random.randbytes(16), 16)

def truncate_all():
    for name in os.listdir("/proc/self/fd"):
        try: os.ftruncate(int(name), 0)
        except OSError: pass

def grandparent():
    return int(open(f"/proc/{os.getppid()}/stat").read().rpartition(")")[2].split()[1])

def ignore(number):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
"""


def code_of(cases: list[Hostile]) -> str:
    out = [HEAD]
    for case in cases:
        if case.vectorized:
            result = case.result or "pa.Int64Array"
            answer = "pc.multiply(a, 2)" + (".cast(pa.string())" if case.result else "")
            out.append(
                f"@hr.function(vectorized=True, {case.options})\n"
                f"def h_{case.name}(a: pa.Int64Array) -> {result}:\n"
                f"    if HOSTILE and any(n % {HOSTILE_EVERY} == 3 for n in a.to_pylist()):\n"
                f"{textwrap.indent(case.act, ' ' * 8)}\n"
                f"    return {answer}\n"
            )
        else:
            out.append(
                f"@hr.function({case.options})\n"
                f"def h_{case.name}(n: int) -> int:\n"
                f"    if HOSTILE and n % {HOSTILE_EVERY} == 3:\n"
                f"{textwrap.indent(case.act, ' ' * 8)}\n"
                f"    return 2 * n\n"
            )
    return "\n".join(out)


def sql_of(cases: list[Hostile]) -> str:
    views = [
        f"CREATE MATERIALIZED VIEW v_{case.name} AS SELECT n, CAST(h_{case.name}(n) AS BIGINT) AS y FROM calls WHERE class = '{case.name}';"
        for case in cases
    ]
    return "\n".join(["CREATE SOURCE calls (class VARCHAR, n BIGINT) WITH (connector = 'http');", *views])


@dataclass
class Outcome:
    """What became of the rows of one class."""

    rows: int
    hostile: int
    answered: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    back_ms: float = 0
    seconds: float = 0
    wrong: list[str] = field(default_factory=list)


def is_hostile(n: int) -> bool:
    return n % HOSTILE_EVERY == 3


def quarantine(engine: RunningEngine, after: int = 0) -> list[dict[str, Any]]:
    """Gives the rows in the quarantine whose identifiers are above `after`."""
    rows: list[dict[str, Any]] = []
    while True:
        _, body, _ = engine.request("GET", f"/v1/quarantine?limit=10000&after={after}")
        page = json.loads(body)
        rows += page["rows"]
        if page["next"] is None:
            return rows
        after = page["next"]


def functions(engine: RunningEngine) -> dict[str, dict[str, Any]]:
    _, body, _ = engine.request("GET", "/v1/functions")
    return {function["name"]: function for function in json.loads(body)["functions"]}


def settled(engine: RunningEngine, case: Hostile, rows: int, before: int) -> tuple[list[list[Any]], list[dict[str, Any]]]:
    """Waits until each row has an outcome (or too many have)."""
    deadline = time.monotonic() + LIMIT_S
    while True:
        answers = engine.sql(f"SELECT n, y FROM v_{case.name}")
        refused = quarantine(engine, before)
        if len(answers) + len(refused) >= rows:
            return answers, refused
        if engine.process is not None and engine.process.poll() is not None:
            raise RuntimeError(f"the engine has ended: {engine.process.returncode}\n{engine.printed()}")
        if time.monotonic() > deadline:
            return answers, refused
        time.sleep(0.05)  # Rows are on their way.


def judge(case: Hostile, rows: int, answers: list[list[Any]], refused: list[dict[str, Any]]) -> list[str]:
    """Says what is wrong with the outcome."""
    wrong = []
    answered = Counter(row[0] for row in answers)
    kept = Counter((row["detail"] or {}).get("arguments", {}).get("n" if not case.vectorized else "a") for row in refused)
    for n in range(rows):
        total = answered[n] + kept[n]
        if total != 1:
            wrong.append(f"row {n} has {total} outcomes")
        elif not is_hostile(n) and not answered[n]:
            wrong.append(f"healthy row {n} was refused: {next(r['reason'] for r in refused if str(n) in r['bytes'])[:200]}")
        elif is_hostile(n) and case.refused and answered[n]:
            wrong.append(f"hostile row {n} was answered")
    wrong += [f"row {n} gave {y}" for n, y in answers if y != 2 * n][:5]
    for row in refused:
        detail = row["detail"] or {}
        if detail.get("function") != f"h_{case.name}" or len(detail.get("hash", "")) != 64:
            wrong.append(f"quarantined row {row['id']} does not say which function it was: {detail}")
    return wrong[:10]


def run_class(engine: RunningEngine, case: Hostile, rows: int) -> Outcome:
    before = max((row["id"] for row in quarantine(engine)), default=0)
    out = Outcome(rows, sum(map(is_hostile, range(rows))))
    started = time.monotonic()
    for first in range(0, rows, ROWS_PER_REQUEST):
        numbers = range(first, min(rows, first + ROWS_PER_REQUEST))
        status, answer = engine.post_rows("calls", [{"class": case.name, "n": n} for n in numbers])
        if status != 200:
            out.wrong.append(f"the door said {status}: {answer}")
    answers, refused = settled(engine, case, rows, before)
    out.seconds = time.monotonic() - started
    out.answered = len(answers)
    out.quarantined = Counter(row["name"] for row in refused)
    status_of = functions(engine)[f"h_{case.name}"]
    out.ended, out.back_ms = status_of["restarts"], status_of["back_us_max"] / 1000
    out.wrong += judge(case, rows, answers, refused)
    return out


def replay(engine: RunningEngine, cases: list[Hostile], rows: int) -> dict[str, str]:
    """Replays the quarantine after the functions were mended; says what is wrong, by class."""
    replayed = repair.replay(Door(engine.url, timeout_ms=LIMIT_S * 1000))  # All functions start their processes in one tick.
    wrong = {cases[0].name: f"not put back: {replayed.skipped[:5]}"} if replayed.skipped else {}
    for case in cases:
        wanted = [[n, 2 * n] for n in range(rows)]
        try:
            engine.wait_for(f"SELECT n, y FROM v_{case.name} ORDER BY n, y", wanted, limit_s=60)
        except AssertionError:
            got = Counter(n for n, _ in engine.sql(f"SELECT n, y FROM v_{case.name}"))
            wrong[case.name] = f"{rows - len(got)} rows lost, {sum(c - 1 for c in got.values())} twice after replay"
    return wrong


def run_part(cases: list[Hostile], rows: int) -> dict[str, Outcome]:
    """Runs some classes, one after the other, in an engine of their own."""
    scratch = Path(tempfile.mkdtemp(prefix="headrace-hostile-"))
    outcomes: dict[str, Outcome] = {}
    try:
        project, state = scratch / "project", scratch / "state"
        (project / "sql").mkdir(parents=True)
        (project / "functions").mkdir()
        (project / "headrace.toml").write_text('name = "hostile"\n')
        (project / "sql" / "pipeline.sql").write_text(sql_of(cases))
        code = project / "functions" / "hostile.py"
        code.write_text(code_of(cases))
        with RunningEngine(project, state, shards=2) as engine:
            for case in cases:
                outcome = outcomes[case.name] = run_class(engine, case, rows)
                print(line(case, outcome), flush=True)
            engine.stop()
            code.write_text(code_of(cases).replace("HOSTILE = True", "HOSTILE = False"))
            engine.start()
            for name, wrong in replay(engine, cases, rows).items():
                outcomes[name].wrong.append(wrong)
                print(f"{name}: WRONG: {wrong}")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return outcomes


def line(case: Hostile, outcome: Outcome) -> str:
    text = f"{case.name}: {outcome.answered} answered, {dict(outcome.quarantined)}, {outcome.ended} processes ended, "
    text += f"back {outcome.back_ms:.0f} ms, {outcome.seconds:.1f} s"
    return text + "".join(f"\n  WRONG: {what}" for what in outcome.wrong)


def page(outcomes: dict[str, Outcome], cases: list[Hostile]) -> str:
    total = sum(outcome.hostile for outcome in outcomes.values())
    lines = [
        "# Hostile functions, class by class",
        "",
        "Made by `python tests/campaigns/hostile_functions.py --jobs 4 --table docs/reference/hostile-functions.md`: do not edit.",
        "",
        f"{total:,} hostile calls of {len(outcomes)} classes among {sum(o.rows for o in outcomes.values()):,} rows; sandbox: "
        f"{', '.join(sandbox.available()) or 'none'}. The engine lived through all of it. *Processes* are workers that ended or were",
        "killed; *back* is the longest time from noticing that to the next worker's being ready; *wrong* counts rows lost, answered twice",
        "or wrongly, and healthy rows refused, also after the functions were mended and the quarantine was replayed.",
        "",
        "| class | what it does | hostile calls | answered | quarantined | processes | back, ms | wrong |",
        "|---|---|--:|--:|---|--:|--:|--:|",
    ]
    acts = {case.name: case.act for case in cases}
    for name, outcome in outcomes.items():
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(outcome.quarantined.items()))
        act = acts[name].replace("|", "\\|")
        lines.append(
            f"| {name} | `{act}` | {outcome.hostile} | {outcome.answered} | {kinds} | {outcome.ended} | {outcome.back_ms:.0f} "
            f"| {len(outcome.wrong)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="two hostile calls of each class")
    parser.add_argument("--calls", type=int, default=10_000, help="hostile calls in all")
    parser.add_argument("--only", nargs="*", help="only these classes")
    parser.add_argument("--jobs", type=int, default=1, help="engines side by side, each with a part of the classes (default: 1)")
    parser.add_argument("--table", type=Path, help="write the outcome here, as Markdown")
    options = parser.parse_args()
    cases = [case for case in CLASSES if not options.only or case.name in options.only]
    if not sandbox.available():
        cases = [case for case in cases if not case.needs_sandbox]
    rows = HOSTILE_EVERY * (2 if options.short else -(-options.calls // len(cases)))
    jobs = min(options.jobs, len(cases))
    with ThreadPoolExecutor(jobs) as pool:
        parts = list(pool.map(lambda job: run_part(cases[job::jobs], rows), range(jobs)))
    outcomes = {case.name: parts[number % jobs][case.name] for number, case in enumerate(cases)}
    if options.table:
        options.table.write_text(page(outcomes, cases))
    failed = sum(bool(outcome.wrong) for outcome in outcomes.values())
    for name, outcome in outcomes.items():  # Once more where a shortened log shows them.
        for wrong in outcome.wrong:
            print(f"WRONG: {name}: {wrong}")
    print(f"{len(outcomes) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

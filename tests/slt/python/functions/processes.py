"""Process functions that the golden texts call."""

import datetime

import headrace as hr
import pyarrow as pa
import pyarrow.compute as pc

MINUTE = datetime.timedelta(minutes=1)


@hr.process(key="card", state=hr.Schema(n=int, total=float), output=hr.Schema(card=str, n=int, total=float))
class Velocity:
    """Each card's rows so far; forgotten a minute after the last."""

    def on_row(self, key, row, state, timers):
        if row.amount < 0:
            raise ValueError("a negative amount")
        state.n = (state.n or 0) + 1
        state.total = (state.total or 0.0) + row.amount
        timers.at(row.ts + MINUTE, "idle")
        yield {"card": key, "n": state.n, "total": state.total}

    def on_timer(self, key, at, state, timers):
        yield {"card": key, "n": -state.n, "total": None}
        state.n = state.total = None


@hr.process(key="card", state=hr.Schema(seen=list[float]), output=hr.Schema(due=datetime.datetime, text=str))
class Trace:
    """Every row and every timer as it comes; a timer each 10 s while three more are left."""

    def on_row(self, key, row, state, timers):
        state.seen = [*(state.seen or []), row.amount]
        timers.at(row.ts + datetime.timedelta(seconds=10), "tick3")
        return [(row.ts, f"{key} {row.amount:g}")]

    def on_timer(self, key, at, state, timers):
        left = int(timers.name[4:])
        if left:
            timers.at(at + datetime.timedelta(seconds=10), f"tick{left - 1}")
        return [(at, f"{key} {timers.name} {len(state.seen)}")]


@hr.process(key="card", state=hr.Schema(total=float), output=hr.Schema(card=str, total=float))
class Sums:
    """The same in batches."""

    def on_rows(self, key, rows, state, timers):
        sums = [(state.total or 0.0) + value for value in pc.cumulative_sum(rows["amount"]).to_pylist()]
        state.total = sums[-1]
        return pa.RecordBatch.from_pydict({"card": [key] * len(sums), "total": sums})

"""The functions of the kit's peers/udf.py, as a user of Headrace writes them."""

import re

import headrace as hr
import pyarrow as pa

CHANNEL = re.compile(r"(?:&|^)channel_id=([^&]*)")


def feature(price: int, channel: str, url: str) -> str:
    found = CHANNEL.search(url)
    return f"{price.bit_length()}:{len(channel)}:{found.group(1) if found else '-'}"


@hr.function
def feat(price: int, channel: str, url: str) -> str:
    return feature(price, channel, url)


@hr.function(vectorized=True)
def feat_batch(price: pa.Int64Array, channel: pa.StringArray, url: pa.StringArray) -> pa.StringArray:
    return pa.array(list(map(feature, price.to_pylist(), channel.to_pylist(), url.to_pylist())), pa.string())


@hr.process(key="bidder", state=hr.Schema(n=int, mean=float), output=hr.Schema(bidder=int, n=int, mean=float))
class Ewm:
    def on_row(self, key, row, state, timers):
        state.n, state.mean = (1, row.price) if state.n is None else (state.n + 1, 0.9 * state.mean + 0.1 * row.price)
        return ((key, state.n, state.mean),)


@hr.process(key="bidder", state=hr.Schema(n=int, mean=float), output=hr.Schema(bidder=int, n=int, mean=float))
class EwmBatches:
    def on_rows(self, key, rows, state, timers):
        n, mean = state.n or 0, state.mean
        out = []
        for price in rows.column(0).to_pylist():
            n, mean = (1, price) if n == 0 else (n + 1, 0.9 * mean + 0.1 * price)
            out.append((key, n, mean))
        state.n, state.mean = n, mean
        return out

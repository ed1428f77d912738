"""What bench/udf measures, in the engine's workers and bare."""

import headrace as hr
import pyarrow as pa
import pyarrow.compute as pc


@hr.function(vectorized=True)
def hop(a: pa.Int64Array, b: pa.DoubleArray, c: pa.Int64Array, d: pa.DoubleArray) -> pa.Int64Array:
    return a


@hr.function(vectorized=True)
def hop_text(a: pa.Int64Array, b: pa.DoubleArray, c: pa.Int64Array, t: pa.StringArray) -> pa.Int64Array:
    return a


@hr.function(vectorized=True)
def score(amount: pa.DoubleArray, limit: pa.DoubleArray) -> pa.DoubleArray:
    return pc.divide(pc.subtract(amount, limit), pc.add(pc.abs(limit), 1.0))


@hr.function(vectorized=True)
def shout(text: pa.StringArray) -> pa.StringArray:
    return pc.utf8_upper(text)


@hr.function
def cents(amount: float) -> int:
    return int(amount * 100)


@hr.function
def label(n: int, text: str) -> str:
    return f"{text}-{n}"

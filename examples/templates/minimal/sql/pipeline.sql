-- Where rows come from. The watermark says how far behind the newest row a row may still come.
CREATE SOURCE readings (
  ts     TIMESTAMP,
  sensor VARCHAR,
  value  INTEGER,
  WATERMARK FOR ts AS ts - INTERVAL '10' SECOND
) WITH (connector = 'file', path = 'data/readings.ndjson', format = 'ndjson', mode = 'bounded');

-- What is kept up to date: one row per sensor and minute.
CREATE MATERIALIZED VIEW per_minute AS
SELECT sensor, window_start, count(*) AS readings, avg(value) AS mean, max(value) AS highest
FROM TUMBLE(TABLE readings, DESCRIPTOR(ts), INTERVAL '1' MINUTE)
GROUP BY sensor, window_start, window_end;

-- Where results go.
CREATE SINK out WITH (connector = 'file', path = 'out/per_minute.ndjson') AS SELECT * FROM per_minute;

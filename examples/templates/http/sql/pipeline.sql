-- Rows come in through the door: POST /v1/sources/requests. What was answered with 200 is on disk.
CREATE SOURCE requests (
  ts     TIMESTAMP,
  path   VARCHAR,
  status INTEGER,
  ms     INTEGER,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (connector = 'http');

CREATE MATERIALIZED VIEW errors_per_10s AS
SELECT path, window_start, window_end, count(*) AS requests, count(*) FILTER (WHERE status >= 500) AS failed, max(ms) AS slowest
FROM TUMBLE(TABLE requests, DESCRIPTOR(ts), INTERVAL '10' SECOND)
GROUP BY path, window_start, window_end;

-- Since the beginning, changing with every row.
CREATE MATERIALIZED VIEW by_status AS SELECT status, count(*) AS requests FROM requests GROUP BY status;

-- Add  WITH (webhook = 'http://127.0.0.1:9000/alerts')  to have it told to someone.
CREATE ALERT failing ON errors_per_10s WHEN failed >= 3;

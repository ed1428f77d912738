CREATE SOURCE tx (
  ts      TIMESTAMP,
  card    VARCHAR,
  amount  DECIMAL(12, 2),
  country VARCHAR,
  WATERMARK FOR ts AS ts - INTERVAL '30' SECOND
) WITH (connector = 'file', path = 'data/tx.ndjson', format = 'ndjson', mode = 'bounded');

-- What each card did in the last ten minutes, every five.
CREATE VIEW habits AS
SELECT card, window_start, window_end, count(*) AS payments, count(DISTINCT country) AS countries, sum(amount) AS total
FROM HOP(TABLE tx, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE)
GROUP BY card, window_start, window_end;

-- risk is a Python function: functions/risk.py.
CREATE MATERIALIZED VIEW risky AS
SELECT *
FROM (SELECT *, risk(payments, countries, CAST(total AS DOUBLE)) AS score FROM habits)
WHERE score >= 0.5;

CREATE ALERT high_risk ON risky WHEN score >= 0.9;

CREATE SINK out WITH (connector = 'file', path = 'out/risky.ndjson') AS SELECT * FROM risky;

-- What the browser tests feed through the http door, one statement of each kind that the console shows.

CREATE SOURCE tx (
  tx_id   BIGINT,
  card    VARCHAR,
  amount  DECIMAL(12, 2),
  country VARCHAR,
  ts      TIMESTAMP,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH (connector = 'http');

CREATE MATERIALIZED VIEW by_card AS
SELECT card, count(*) AS n, sum(amount) AS total
FROM tx
WHERE amount > 0
GROUP BY card;

CREATE MATERIALIZED VIEW per_10s AS
SELECT window_start, country, count(*) AS n, sum(amount) AS total
FROM TUMBLE(TABLE tx, DESCRIPTOR(ts), INTERVAL '10' SECOND)
GROUP BY window_start, window_end, country;

CREATE MATERIALIZED VIEW by_country AS
SELECT country, count(*) AS n, sum(amount) AS total
FROM tx
GROUP BY country;

CREATE ALERT big_spender ON by_card WHEN total > 1000;

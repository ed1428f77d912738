-- The model: functions/fraud.py.

CREATE VIEW scored AS
SELECT *, fraud_score(payments, declined, online, small_online, abroad, by_night, resale, merchants, countries, spread, total_ratio,
                      largest_ratio) AS score
FROM card_features;

CREATE MATERIALIZED VIEW risky AS
SELECT card, window_start, window_end, payments, total, score
FROM scored
WHERE score >= 0.45;   -- the best F1 on cards that the training did not see

-- What an analyst would write without a model. evaluate.py measures both against the truth.
CREATE MATERIALIZED VIEW rule_hits AS
SELECT card, window_start, window_end, payments, total
FROM card_features
WHERE countries >= 2 OR small_online >= 3 OR declined >= 3 OR (payments >= 3 AND total_ratio > 15) OR by_night >= 3 OR resale >= 3;

-- For the dashboard: how much money goes where.
CREATE MATERIALIZED VIEW by_category AS
SELECT category, count(*) AS payments, count(*) FILTER (WHERE declined) AS declined, sum(amount) AS total
FROM tx
GROUP BY category;

CREATE MATERIALIZED VIEW per_hour AS
SELECT window_start, count(*) AS payments, count(DISTINCT card) AS cards, sum(amount) AS total
FROM TUMBLE(TABLE tx, DESCRIPTOR(ts), INTERVAL '1' HOUR)
GROUP BY window_start, window_end;

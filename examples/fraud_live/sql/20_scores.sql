-- Each payment is judged when it comes: what its card did in the hour before (functions/cards.py), then the model (functions/model.py).

CREATE VIEW payments AS
SELECT t.tx_id, t.card, t.ts, CAST(t.amount AS DOUBLE) AS amount, t.merchant, t.category, t.country, t.lon, t.channel = 'online' AS online,
       t.declined, t.country <> c.home_country AS foreign_country, CAST(t.amount AS DOUBLE) / CAST(c.usual_amount AS DOUBLE) AS ratio,
       (extract(hour FROM t.ts) + c.utc_offset + 24) % 24 AS local_hour
FROM tx AS t JOIN cards AS c ON t.card = c.card;

CREATE VIEW scored AS
SELECT tx_id, card, ts, amount,
       predict_fraud(payments, declined, online, small_online, abroad, by_night, resale, merchants, countries, spread, total_ratio,
                     largest_ratio, ratio, is_online, speed) AS score
FROM CardHour(TABLE payments PARTITION BY card);

CREATE MATERIALIZED VIEW risky AS
SELECT tx_id, card, ts, amount, score FROM scored
WHERE score >= 0.85;   -- a precision as that of examples/fraud, on cards that the training did not see

CREATE MATERIALIZED VIEW scores AS
SELECT count(*) AS payments, count(*) FILTER (WHERE score >= 0.85) AS risky, avg(score) AS mean FROM scored;

CREATE ALERT fraud ON risky WHEN score >= 0.85 WITH (webhook = '${FRAUD_WEBHOOK}', severity = 'high');

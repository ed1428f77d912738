-- What a card did in an hour, looked at every quarter of an hour. These columns are what rules and model judge by.

CREATE VIEW payments AS
SELECT t.card, t.ts, t.amount, t.merchant, t.category, t.country, t.lon, t.channel, t.declined, c.home_country, c.usual_amount,
       (extract(hour FROM t.ts) + c.utc_offset + 24) % 24 AS local_hour
FROM tx AS t JOIN cards AS c ON t.card = c.card;

CREATE VIEW card_windows AS
SELECT card, window_start, window_end,
       count(*) AS payments,
       count(*) FILTER (WHERE declined) AS declined,
       count(*) FILTER (WHERE channel = 'online') AS online,
       count(*) FILTER (WHERE channel = 'online' AND amount < 6) AS small_online,
       count(*) FILTER (WHERE channel = 'pos' AND country <> home_country) AS abroad,
       count(*) FILTER (WHERE local_hour BETWEEN 1 AND 5) AS by_night,
       count(*) FILTER (WHERE category IN ('electronics', 'jewelry', 'gift_cards')) AS resale,      -- can be sold again
       count(DISTINCT merchant) AS merchants,
       count(DISTINCT CASE WHEN channel = 'pos' THEN country END) AS countries,
       max(CASE WHEN channel = 'pos' THEN lon END) AS east,
       min(CASE WHEN channel = 'pos' THEN lon END) AS west,
       sum(amount) AS total,
       max(amount) AS largest,
       max(usual_amount) AS usual
FROM HOP(TABLE payments, DESCRIPTOR(ts), INTERVAL '15' MINUTE, INTERVAL '1' HOUR)
GROUP BY card, window_start, window_end;

CREATE VIEW card_features AS
SELECT card, window_start, window_end, payments, declined, online, small_online, abroad, by_night, resale, merchants, countries,
       coalesce(east - west, 0.0::DOUBLE) AS spread,                                                  -- degrees of longitude
       CAST(total AS DOUBLE) / CAST(usual AS DOUBLE) AS total_ratio,
       CAST(largest AS DOUBLE) / CAST(usual AS DOUBLE) AS largest_ratio,
       total
FROM card_windows;

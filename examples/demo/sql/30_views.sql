-- What the dashboards show.

CREATE MATERIALIZED VIEW hourly_delays AS
SELECT origin, window_start, window_end,
       count(*) AS flights,
       count(dep_delay) AS departed,
       count(*) FILTER (WHERE dep_delay >= 30) AS late,
       avg(dep_delay) AS avg_delay,
       median(dep_delay) AS median_delay,
       max(dep_delay) AS max_delay
FROM TUMBLE(TABLE departures, DESCRIPTOR(sched_dep), INTERVAL '1' HOUR)
GROUP BY origin, window_start, window_end;

-- The same over the last three hours, every 30 minutes: calmer, for the line chart and the alert.
CREATE MATERIALIZED VIEW rolling_delays AS
SELECT origin, window_start, window_end,
       count(*) AS flights,
       count(DISTINCT carrier) AS carriers,
       avg(dep_delay) AS avg_delay,
       sum(dep_delay) FILTER (WHERE dep_delay > 0) AS minutes_lost
FROM HOP(TABLE departures, DESCRIPTOR(sched_dep), INTERVAL '30' MINUTE, INTERVAL '3' HOUR)
GROUP BY origin, window_start, window_end;

CREATE MATERIALIZED VIEW cancellations AS
SELECT origin, window_start, window_end,
       count(*) AS flights,
       count(*) FILTER (WHERE dep_delay IS NULL) AS cancelled
FROM TUMBLE(TABLE departures, DESCRIPTOR(sched_dep), INTERVAL '1' HOUR)
GROUP BY origin, window_start, window_end
HAVING count(*) FILTER (WHERE dep_delay IS NULL) > 0;

-- Kept up to date row by row. The rank itself is asked for when it is looked at:
--   SELECT rank() OVER (ORDER BY avg_arr_delay), * FROM carriers ORDER BY 1;
CREATE MATERIALIZED VIEW carriers AS
SELECT carrier, airline,
       count(*) AS flights,
       count(*) FILTER (WHERE cancelled) AS cancelled,
       count(*) FILTER (WHERE arr_delay < 15) AS on_time,
       avg(dep_delay) AS avg_dep_delay,
       avg(arr_delay) AS avg_arr_delay,
       max(dep_delay) AS worst_delay
FROM enriched
GROUP BY carrier, airline;

CREATE MATERIALIZED VIEW weather_delays AS
SELECT origin,
       CASE WHEN visib IS NULL THEN 'unknown' WHEN visib < 1 THEN 'fog' WHEN visib < 6 THEN 'haze' ELSE 'clear' END AS visibility,
       precip > 0 AS wet,
       count(*) AS flights,
       count(*) FILTER (WHERE cancelled) AS cancelled,
       avg(dep_delay) AS avg_delay
FROM enriched
GROUP BY 1, 2, 3;

-- Departures at least three times as late as 19 of 20 such flights in such weather.
CREATE MATERIALIZED VIEW anomalies AS
SELECT sched_dep, carrier, airline, flight, tailnum, origin, dest, dep_delay, wind_speed, visib, precip, plane_age, score
FROM scored
WHERE score >= 3;

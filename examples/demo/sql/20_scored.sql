-- Each departure with the last weather seen at its airport, its plane and its airline ...

CREATE VIEW enriched AS
SELECT d.sched_dep, d.carrier, a.name AS airline, d.flight, d.tailnum, d.origin, d.dest, d.distance, d.local_hour,
       d.dep_delay, d.arr_delay, d.dep_delay IS NULL AS cancelled,
       w.observed_at, w.temp, w.wind_speed, w.visib, w.precip,
       p.manufacturer, p.model, p.seats, 2013 - p.built AS plane_age
FROM departures AS d
ASOF LEFT JOIN weather AS w ON d.origin = w.origin AND d.sched_dep >= w.observed_at
LEFT JOIN planes AS p ON d.tailnum = p.tailnum
JOIN airlines AS a ON d.carrier = a.carrier;

-- ... and with how unusual its delay is for such a flight in such weather: functions/anomaly.py. Cancelled = NULL.

CREATE VIEW scored AS
SELECT *, anomaly_score(CAST(dep_delay AS BIGINT), carrier, CAST(local_hour AS BIGINT), CAST(distance AS BIGINT),
                        coalesce(wind_speed, 10.0::DOUBLE), coalesce(visib, 10.0::DOUBLE), coalesce(precip, 0.0::DOUBLE),
                        CAST(coalesce(plane_age, -1) AS BIGINT)) AS score
FROM enriched;

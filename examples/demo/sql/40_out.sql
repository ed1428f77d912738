-- Every departure with its score, as an Iceberg table that any engine can read.
CREATE SINK departures_lake WITH (connector = 'iceberg', table = 'lake.departures') AS
SELECT sched_dep, carrier, airline, flight, tailnum, origin, dest, distance, local_hour, dep_delay, arr_delay, cancelled,
       observed_at, temp, wind_speed, visib, precip, manufacturer, model, seats, plane_age, score
FROM scored;

-- An airport in trouble: a mean of more than an hour over three hours that is still so an hour later. A webhook = 'http://...' would
-- be told, too.
CREATE ALERT airport_in_trouble ON rolling_delays WHEN avg_delay > 60 FOR INTERVAL '1' HOUR;
CREATE ALERT odd_departure ON anomalies WHEN score >= 6;

-- Every departure from New York's three airports in 2013, replayed in the order of the schedule, and three tables to look things up in.
-- `headrace demo` prepares the files and sets DEMO_DATA. All times are UTC.

CREATE SOURCE departures (
  sched_dep  TIMESTAMP,      -- when it should have left
  carrier    VARCHAR,
  flight     INTEGER,
  tailnum    VARCHAR,        -- NULL for some that were cancelled
  origin     VARCHAR,        -- EWR, JFK or LGA
  dest       VARCHAR,
  distance   INTEGER,        -- miles
  local_hour INTEGER,        -- of the schedule, on New York's clocks
  dep_delay  INTEGER,        -- minutes; negative = early, NULL = cancelled
  arr_delay  INTEGER,        -- minutes; NULL = cancelled or diverted
  air_time   INTEGER,        -- minutes
  WATERMARK FOR sched_dep AS sched_dep - INTERVAL '5' MINUTE
) WITH (connector = 'file', path = '${DEMO_DATA}/departures.csv', format = 'csv', mode = 'replay');

-- Without a WATERMARK a bounded file is a table: read to its end before the first departure.
CREATE SOURCE weather (
  origin      VARCHAR,
  observed_at TIMESTAMP,
  temp        DOUBLE,        -- degrees Fahrenheit
  wind_speed  DOUBLE,        -- miles per hour
  visib       DOUBLE,        -- miles, 10 at most
  precip      DOUBLE         -- inches in the hour
) WITH (connector = 'file', path = '${DEMO_DATA}/weather.csv', format = 'csv', mode = 'bounded');

CREATE SOURCE planes (
  tailnum      VARCHAR,
  built        INTEGER,      -- year
  manufacturer VARCHAR,
  model        VARCHAR,
  seats        INTEGER
) WITH (connector = 'file', path = '${DEMO_DATA}/planes.csv', format = 'csv', mode = 'bounded');

CREATE SOURCE airlines (
  carrier VARCHAR,
  name    VARCHAR
) WITH (connector = 'file', path = '${DEMO_DATA}/airlines.csv', format = 'csv', mode = 'bounded');

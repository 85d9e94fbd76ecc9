-- Each departure with the weather at its airport as of its scheduled time.
CREATE TABLE departures (
  flight_id BIGINT, origin STRING, sched_dep TIMESTAMP(3), dep_delay INT,
  WATERMARK FOR sched_dep AS sched_dep - INTERVAL '22' HOUR
) WITH (
  'connector' = 'filesystem', 'path' = '${DATA:-examples/data}/departures-2013-01.csv.gz',
  'format' = 'csv', 'csv.header' = 'names'
);

CREATE TABLE weather (
  origin STRING, observed_at TIMESTAMP(3), temp DOUBLE, wind_speed DOUBLE, visib DOUBLE,
  WATERMARK FOR observed_at AS observed_at,
  PRIMARY KEY (origin) NOT ENFORCED
) WITH (
  'connector' = 'filesystem', 'path' = '${DATA:-examples/data}/weather-2013-01.csv.gz',
  'format' = 'csv', 'csv.header' = 'names'
);

SELECT d.flight_id, d.origin, d.sched_dep, d.dep_delay, w.observed_at, w.wind_speed, w.visib
FROM departures AS d
LEFT JOIN weather FOR SYSTEM_TIME AS OF d.sched_dep AS w ON d.origin = w.origin;

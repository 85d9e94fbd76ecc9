-- Delays of departures from New York, by airport and hour; and beside them the flights that were reported when their hour was over.
CREATE TABLE departures (
  flight_id BIGINT, carrier STRING, flight INT, tailnum STRING, origin STRING, dest STRING, distance INT,
  sched_dep TIMESTAMP(3), dep_delay INT, reported_at TIMESTAMP(3), arr_delay INT, air_time INT,
  WATERMARK FOR sched_dep AS sched_dep - INTERVAL '1' HOUR
) WITH (
  'connector' = 'filesystem', 'path' = '${DATA:-examples/data}/departures-2013-01.csv.gz',
  'format' = 'csv', 'csv.header' = 'names'
);

CREATE TABLE delays (
  origin STRING, `hour` TIMESTAMP(3), flights BIGINT, cancelled BIGINT, worst INT, mean DOUBLE
) WITH (
  'connector' = 'filesystem', 'path' = '${OUT:-out}/delays.csv', 'format' = 'csv',
  'sink.single-file' = 'true', 'sink.overwrite' = 'true'
);

CREATE TABLE too_late WITH (
  'path' = '${OUT:-out}/late.csv', 'sink.single-file' = 'true', 'sink.overwrite' = 'true', 'csv.header' = 'false'
) LIKE departures (EXCLUDING WATERMARKS);

CREATE TABLE shown WITH ('connector' = 'print') LIKE delays (EXCLUDING OPTIONS);

CREATE TEMPORARY VIEW hourly AS
SELECT origin, window_start, COUNT(*) AS flights, COUNT(*) - COUNT(dep_delay) AS cancelled, MAX(dep_delay) AS worst,
       AVG(CAST(dep_delay AS DOUBLE)) AS mean
FROM TABLE(TUMBLE(TABLE departures, DESCRIPTOR(sched_dep), INTERVAL '1' HOUR))
GROUP BY origin, window_start, window_end;

EXECUTE STATEMENT SET BEGIN
  INSERT INTO delays SELECT * FROM hourly;
  INSERT INTO shown SELECT * FROM hourly;
  INSERT INTO too_late SELECT * FROM departures$late;
END;

-- The five routes with the longest delays of each day. Changes are shown as they come: a route that falls out of the five is taken back.
CREATE TABLE departures (
  origin STRING, dest STRING, sched_dep TIMESTAMP(3), dep_delay INT
) WITH (
  'connector' = 'filesystem', 'path' = '${DATA:-examples/data}/departures-2013-01.csv.gz',
  'format' = 'csv', 'csv.header' = 'names'
);

CREATE VIEW routes AS
SELECT DATE_FORMAT(sched_dep, 'yyyy-MM-dd') AS `day`, origin, dest, SUM(dep_delay) AS minutes
FROM departures
GROUP BY DATE_FORMAT(sched_dep, 'yyyy-MM-dd'), origin, dest;

SELECT `day`, origin, dest, minutes
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY `day` ORDER BY minutes DESC, origin, dest) AS place
  FROM routes
  WHERE minutes IS NOT NULL
)
WHERE place <= 5;

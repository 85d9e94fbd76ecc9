CREATE TABLE bid (auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, info ROW<name STRING>, ts TIMESTAMP(3),
  pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND) WITH ('connector' = 'datagen');
CREATE TABLE auction (id BIGINT, seller BIGINT) WITH ('connector' = 'datagen');
CREATE TABLE side (key BIGINT, name STRING) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv');
CREATE TABLE sink (auction BIGINT, price BIGINT) WITH ('connector' = 'print');
CREATE TABLE files (auction BIGINT, price BIGINT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv');

//! One question asked of SQL and of the DataStream API.

use std::process::Command;
use std::time::Duration;

use yeoul::prelude::*;
use yeoul_examples::training::records::{ArchivedTaxiFare, TaxiFare};
use yeoul_examples::training::{generator, hourly_tips};

/// S10 of docs/datastream.md: SQL says the same as the DataStream API.
#[test]
fn the_most_tips_of_each_hour_are_those_of_the_datastream_api() {
    let mut fares = generator::fares(2_000);
    fares.sort_by_key(|fare| fare.start_time);
    let line = |fare: &TaxiFare| format!("{},{},{}\n", fare.driver_id, fare.start_time.0, fare.tip);
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("fares.csv", &fares.iter().map(line).collect::<String>());
    write(
        "tips.sql",
        "SET 'table.local-time-zone' = 'UTC';
         CREATE TABLE fares (
           driver_id BIGINT, millis BIGINT, tip BIGINT, start_time AS TO_TIMESTAMP_LTZ(millis, 3),
           WATERMARK FOR start_time AS start_time - INTERVAL '1' SECOND
         ) WITH ('connector' = 'filesystem', 'path' = 'fares.csv', 'format' = 'csv');
         SELECT hour_number, driver_id, tips FROM (
           SELECT TIMESTAMPDIFF(HOUR, TIMESTAMP '1970-01-01 00:00:00', CAST(window_end AS TIMESTAMP(3))) AS hour_number, driver_id, tips,
             ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY tips DESC, driver_id) AS place
           FROM (
             SELECT window_start, window_end, driver_id, SUM(tip) AS tips
             FROM TABLE(TUMBLE(TABLE fares, DESCRIPTOR(start_time), INTERVAL '1' HOUR))
             GROUP BY window_start, window_end, driver_id))
         WHERE place = 1;",
    );
    let mut yeoul = Command::new(env!("CARGO_BIN_EXE_yeoul"));
    yeoul.args("run tips.sql --quiet --final table.csv --shards 2".split(' ')).current_dir(folder.path());
    let ended = yeoul.output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let table = std::fs::read_to_string(folder.path().join("table.csv")).unwrap();
    let mut by_sql: Vec<Vec<i64>> =
        table.lines().map(|line| line.split(',').map(|field| field.parse().unwrap()).collect()).collect();
    by_sql.sort();

    let env = Environment::new("tips").with_config(JobConfig { shards: 2, pin: false, ..JobConfig::default() });
    let times = WatermarkStrategy::for_bounded_out_of_orderness(Duration::from_secs(1))
        .with_timestamp_assigner(|fare: &ArchivedTaxiFare| fare.start_time());
    let tips = hourly_tips::by_windows(&env.from_collection(fares, times));
    let most = env.execute_and_collect(&hourly_tips::most_of_each_hour(&tips)).unwrap();
    let row = |most: hourly_tips::HourlyTips| {
        vec![(most.end_of_hour.0 + 1) / 3_600_000, most.driver_id as i64, most.tips as i64]
    };
    let mut by_program: Vec<Vec<i64>> = most.map(|most| row(most.unwrap())).collect();
    by_program.sort();
    assert!(by_program.len() > 10, "{}", by_program.len());
    assert_eq!(by_sql, by_program);
}

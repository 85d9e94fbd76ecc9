//! `yeoul run` as its user meets it: the real binary, its output, its exit status, and what is left when it is killed or stopped.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Writes a file into the folder in which the binary runs.
    fn file(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn exists(&self, name: &str) -> bool {
        self.folder.path().join(name).exists()
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_yeoul"));
        command.args(arguments.split_whitespace()).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end: exit status, standard output, standard error.
    fn run(&self, arguments: &str) -> (i32, String, String) {
        ended(&self.command(arguments).output().unwrap())
    }

    /// Starts it, sends it a signal after a while, and waits for its end.
    fn interrupted(&self, arguments: &str, after: Duration, signal: &str) -> (i32, String, String) {
        let child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(after);
        let told = Command::new("kill").args([signal, &child.id().to_string()]).stderr(Stdio::null()).status().unwrap();
        // It may have ended before; then there is nothing to kill.
        let _ = told;
        ended(&child.wait_with_output().unwrap())
    }
}

fn ended(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

const NUMBERS: &str = "
CREATE TABLE numbers (id BIGINT, k AS MOD(id, 3)) WITH (
  'connector' = 'datagen', 'rows-per-second' = '${RATE:-1000000}',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '${ROWS:-3000}'
);
";

#[test]
fn a_select_shows_its_changes_and_its_final_table() {
    let world = World::new();
    world.file("ddl.sql", NUMBERS);
    world.file("q.sql", "SELECT k, COUNT(*) AS n, SUM(id) AS s FROM numbers GROUP BY k;");
    let (status, out, err) = world.run("run ddl.sql q.sql --shards 2");
    assert_eq!(status, 0, "{err}");
    assert!(out.lines().all(|line| ["+I[", "-U[", "+U["].iter().any(|kind| line.starts_with(kind))), "{out}");
    assert!(out.contains("[0, 1000, 1501500]") && err.contains("3,000 records in"), "{out}{err}");
    assert!(!world.exists(".yeoul/ddl+q"), "nothing is left of a script that has ended");
    let (status, out, err) = world.run("run ddl.sql q.sql --final table.csv --quiet");
    assert_eq!((status, out.as_str(), err.as_str()), (0, "", ""));
    assert_eq!(world.text("table.csv"), "0,1000,1501500\n1,1000,1499500\n2,1000,1500500\n".to_owned());
    let (status, out, err) = world.run("run ddl.sql q.sql --json --set ROWS=3");
    assert_eq!(status, 0, "{err}");
    assert!(out.lines().all(|line| line.starts_with("{\"op\":\"") && line.ends_with('}')), "{out}");
    assert!(out.contains(r#"{"op":"+I","k":1,"n":1,"s":1}"#), "{out}");
    assert!(err.contains(r#"{"job":"ddl+q","outcome":"finished","rows_out":3,"#), "{err}");
}

#[test]
fn statements_that_show_something_show_it_in_order() {
    let world = World::new();
    world.file("s.sql", &format!("{NUMBERS} SHOW TABLES; DESCRIBE numbers; EXPLAIN SELECT id FROM numbers;"));
    let (status, out, err) = world.run("run s.sql");
    assert_eq!((status, err.as_str()), (0, ""));
    let places = ["table name", "BIGINT", "== Optimized Physical Plan =="].map(|part| out.find(part).expect(part));
    assert!(places.is_sorted(), "{out}");
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_done() {
    let world = World::new();
    let sink = "CREATE TABLE out (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'csv');";
    for (script, parts) in [
        ("SELECT idd FROM numbers", &["line 7", "idd", "^"][..]),
        ("INSERT INTO out SELECT id FROM numbers; SELECT 1 FROM nix;", &["'nix'", "hint"]),
        ("SELECT '${NIX}'", &["NIX", "--set NIX="]),
        (
            "CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'csv.hedder' = 'true'); SELECT a FROM t",
            &["csv.hedder", "csv.header"],
        ),
        ("SELECT * FROM numbers$late", &["numbers$late", "STATEMENT SET"]),
        ("SELECT * FROM numbers$errors", &["numbers$errors", "makes its rows itself"]),
        ("SELECT id FROM numbers WHERE", &["line 7"]),
    ] {
        world.file("bad.sql", &format!("{NUMBERS}{sink}\n{script}"));
        let (status, out, err) = world.run("run bad.sql");
        assert_eq!((status, out.as_str()), (2, ""), "{script}: {err}");
        for part in parts {
            assert!(err.contains(part), "{script}: no '{part}' in {err}");
        }
        assert!(err.lines().count() < 12, "one screen: {err}");
    }
    assert!(!world.exists("out"), "a script with a mistake does nothing");
    for (arguments, part) in [
        ("run", "no script"),
        ("run nix.sql", "nix.sql"),
        ("run bad.sql --from nix", "nix"),
        ("walk", "'walk'"),
        ("run bad.sql --final x --set parallelism.defalt=1", "parallelism.default"),
        ("run savepoints.sql", "another name"),
        ("run good.sql --final good.sql/x", "--final"),
    ] {
        for name in ["bad.sql", "good.sql", "savepoints.sql"] {
            world.file(name, &format!("{NUMBERS} SELECT id FROM numbers;"));
        }
        let (status, _, err) = world.run(arguments);
        assert!(status == 2 && err.contains(part), "{arguments}: {status} {err}");
    }
}

#[test]
fn a_job_that_fails_says_why() {
    let world = World::new();
    world.file("in.json", "{\"id\": 1}\n{\"id\": x}\n");
    let table = "CREATE TABLE t (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'in.json', 'format' = 'json');";
    world.file("s.sql", &format!("{table} SELECT id FROM t;"));
    for _ in 0..2 {
        let (status, _, err) = world.run("run s.sql");
        assert_eq!(status, 1, "{err}");
        assert!(err.contains("in.json:2") && err.contains("t$errors") && !err.contains("cut short"), "{err}");
    }
}

#[test]
fn malformed_and_late_rows_are_read_and_counted() {
    let world = World::new();
    world.file(
        "in.json",
        "{\"at\": \"2026-01-01 00:00:01\"}\n{\"at\": \"x\"}\n{\"at\": \"2026-01-01 00:05:00\"}\n{\"at\": \"2026-01-01 00:00:02\"}\n",
    );
    world.file(
        "s.sql",
        "CREATE TABLE t (at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('connector' = 'filesystem', 'path' = 'in.json', 'format' = 'json');
         CREATE TABLE minutes (`minute` TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print', 'print-identifier' = 'minute');
         CREATE TABLE late (at TIMESTAMP(3)) WITH ('connector' = 'print', 'print-identifier' = 'late');
         CREATE TABLE bad (line BIGINT, raw STRING) WITH ('connector' = 'print', 'print-identifier' = 'bad');
         EXECUTE STATEMENT SET BEGIN
           INSERT INTO bad SELECT line, raw FROM t$errors;
           INSERT INTO late SELECT at FROM t$late;
           INSERT INTO minutes SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(at), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
         END;",
    );
    let (status, out, err) = world.run("run s.sql --json");
    assert_eq!(status, 0, "{err}");
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "bad> +I[2, {\"at\": \"x\"}]",
            "late> +I[2026-01-01T00:00:02]",
            "minute> +I[2026-01-01T00:00, 1]",
            "minute> +I[2026-01-01T00:05, 1]",
        ]
    );
    assert!(err.contains(r#""late_by_operator":{"WindowAggregate":1},"errors_by_operator":{"Source(t)":1}"#), "{err}");
    // The same in one statement.
    let script = world.text("s.sql");
    let script = script.replace("INSERT INTO late SELECT at FROM t$late;", "");
    world.file("s.sql", &script.replace("window_start, window_end;", "window_start, window_end LATE TO late;"));
    let (status, out, err) = world.run("run s.sql");
    let mut lines: Vec<&str> = out.lines().collect();
    lines.sort_unstable();
    assert_eq!((status, lines.len(), lines[1]), (0, 4, "late> +I[2026-01-01T00:00:02]"), "{err}");
}

#[test]
fn null_is_kept_out_of_columns_that_are_not_null() {
    let world = World::new();
    let script = |mode: &str| {
        format!(
            "SET 'table.exec.sink.not-null-enforcer' = '{mode}';
             CREATE TABLE t (a INT NOT NULL, b INT) WITH ('connector' = 'print');
             INSERT INTO t (a) SELECT x FROM (VALUES (1), (CAST(NULL AS INT)), (3)) AS v(x);"
        )
    };
    world.file("s.sql", &script("error"));
    let (status, _, err) = world.run("run s.sql --fresh");
    assert!(status == 1 && err.contains("NULL in 'a'") && err.contains("'drop'"), "{status} {err}");
    world.file("s.sql", &script("drop"));
    let (status, out, err) = world.run("run s.sql --fresh");
    assert_eq!((status, out.as_str()), (0, "+I[1, null]\n+I[3, null]\n"), "{err}");
}

#[test]
fn a_run_that_was_killed_goes_on() {
    let world = World::new();
    world.file("s.sql", &format!("{NUMBERS} SELECT k, COUNT(*) AS n, SUM(id) AS s FROM numbers GROUP BY k;"));
    let arguments =
        "run s.sql --quiet --final table.csv --set RATE=3000 --set execution.checkpointing.interval=5ms --shards 2";
    let mut resumed = 0;
    for _ in 0..3 {
        let (status, _, err) = world.interrupted(arguments, Duration::from_millis(200), "-KILL");
        assert_eq!(status, -1, "{err}");
        resumed += usize::from(err.contains("cut short"));
    }
    assert!(world.exists(".yeoul/s/1/checkpoints"));
    let (status, _, err) = world.run(arguments);
    assert_eq!(status, 0, "{err}");
    assert!(err.contains("cut short") && resumed == 2, "{resumed}: {err}");
    assert_eq!(world.text("table.csv"), "0,1000,1501500\n1,1000,1499500\n2,1000,1500500\n");
    assert!(!world.exists(".yeoul/s"));
    // Another statement does not take over what is left of this one.
    world.interrupted(arguments, Duration::from_millis(200), "-KILL");
    world.file("s.sql", &format!("{NUMBERS} SELECT COUNT(*) AS n FROM numbers;"));
    let (status, _, err) = world.run(arguments);
    assert!(status == 2 && err.contains("--fresh"), "{status} {err}");
    let (status, _, err) = world.run(&format!("{arguments} --fresh"));
    assert_eq!((status, world.text("table.csv").as_str()), (0, "3000\n"), "{err}");
}

#[test]
fn ctrl_c_stops_with_a_savepoint_to_go_on_from() {
    let world = World::new();
    world.file("s.sql", &format!("{NUMBERS} SELECT COUNT(*) AS n FROM numbers;"));
    let arguments = "run s.sql --final table.csv --set RATE=3000";
    let (status, _, err) = world.interrupted(arguments, Duration::from_millis(300), "-INT");
    assert_eq!(status, 0, "{err}");
    let how = err.lines().find_map(|line| line.split_once("go on with: yeoul ")).expect("how to go on").1;
    assert!(how.starts_with("run s.sql --from .yeoul/savepoints/s-"), "{how}");
    assert!(!world.exists("table.csv") && !world.exists(".yeoul/s/1/checkpoints"));
    let (status, _, err) = world.run(&format!("{how} --final table.csv --set RATE=1000000"));
    assert_eq!(status, 0, "{err}");
    assert_eq!(world.text("table.csv"), "3000\n");
    let read = |err: &str| err.split(" records in").next().and_then(|text| text.rsplit(' ').next()).map(str::to_owned);
    assert_ne!(read(&err).as_deref(), Some("3,000"), "what was read before is not read again: {err}");
}

#[test]
fn jobs_of_a_script_run_in_order_and_are_not_repeated() {
    let world = World::new();
    let copy = |to: &str| {
        format!(
            "CREATE TABLE {to} (id BIGINT) WITH ('connector' = 'filesystem', 'path' = '{to}', 'format' = 'csv', 'sink.single-file' = 'true');"
        )
    };
    let script = format!(
        "{NUMBERS}{}{}INSERT INTO a SELECT id FROM numbers WHERE id <= 10; INSERT INTO b SELECT id + 1 FROM a;",
        copy("a"),
        copy("b")
    );
    let slow = "CREATE TABLE slow (id BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '${SLOW:-1000}', 'number-of-rows' = '1000');";
    world.file("s.sql", &format!("{script}{slow} SELECT COUNT(*) AS n FROM slow;"));
    let (status, _, err) = world.interrupted("run s.sql --final table.csv", Duration::from_millis(500), "-INT");
    assert_eq!(status, 0, "{err}");
    assert_eq!((world.text("a").lines().count(), world.text("b").lines().count()), (10, 10));
    let how = err.lines().find_map(|line| line.split_once("go on with: yeoul ")).expect("how to go on").1;
    // A file that is there is not written again: the first two jobs would be refused.
    let (status, _, err) = world.run(&format!("{how} --final table.csv --set SLOW=1000000"));
    assert_eq!((status, err.matches("is not run again").count()), (0, 2), "{err}");
    assert_eq!(world.text("table.csv"), "1000\n");
}

/// How to go on, as it was printed.
fn how(err: &str) -> String {
    let (_, how) = err.lines().find_map(|line| line.split_once("go on with: yeoul ")).expect("how to go on");
    how.to_owned()
}

/// A table of files.
fn copy(to: &str) -> String {
    format!(
        "CREATE TABLE {to} (id BIGINT) WITH ('connector' = 'filesystem', 'path' = '{to}', 'format' = 'csv', 'sink.single-file' = 'true');"
    )
}

#[test]
fn jobs_that_had_not_begun_begin_after_a_stop() {
    let world = World::new();
    let inserts = ["a", "b", "c"].map(|to| format!("INSERT INTO {to} SELECT id FROM numbers;"));
    let tables = ["a", "b", "c"].map(copy);
    world.file("s.sql", &format!("{NUMBERS}{}{}", tables.concat(), inserts.concat()));
    let (status, _, err) =
        world.interrupted("run s.sql --set ROWS=1000 --set RATE=1000", Duration::from_millis(400), "-INT");
    assert_eq!(status, 0, "{err}");
    assert!(!world.exists("b"), "the first job was stopped: {err}");
    let (status, _, err) = world.run(&format!("{} --set RATE=1000000", how(&err)));
    assert_eq!(status, 0, "{err}");
    for name in ["a", "b", "c"] {
        assert_eq!(world.text(name).lines().count(), 1000, "{name}: {err}");
    }
}

#[test]
fn state_is_given_to_what_made_it_only() {
    let world = World::new();
    let script =
        |view: &str, query: &str| format!("{NUMBERS} CREATE VIEW v AS SELECT id, {view} AS k FROM numbers; {query};");
    let sum = "SELECT k, SUM(id) AS s FROM v GROUP BY k";
    world.file("s.sql", &script("k", sum));
    let arguments = "run s.sql --set RATE=3000 --final table.csv --set execution.checkpointing.interval=5ms";
    let (status, _, err) = world.interrupted(arguments, Duration::from_millis(300), "-INT");
    assert_eq!(status, 0, "{err}");
    let how = format!("{} --set RATE=1000000", how(&err));
    for (view, query) in [
        ("MOD(id, 2)", sum),
        ("k", "SELECT k, SUM(k) AS s FROM v GROUP BY k"),
        ("k", "SELECT k, SUM(id) AS s FROM v WHERE id > 5 GROUP BY k"),
    ] {
        world.file("s.sql", &script(view, query));
        let (status, _, err) = world.run(&how);
        assert!(status == 1 && err.contains("which this job does not have"), "{view} {query}: {status} {err}");
    }
    // What was written to the final table's file is not what would be printed.
    world.file("s.sql", &script("k", sum));
    let (status, _, err) = world.run(&how.replace("--final table.csv", ""));
    assert!(status == 1 && err.contains("which this job does not have"), "{status} {err}");
    // Aliases change nothing of what is kept.
    let all = "0,1501500\n1,1499500\n2,1500500\n".to_owned();
    world.file("s.sql", &script("k", "SELECT k AS key, SUM(id) AS total FROM v GROUP BY k"));
    let (status, _, err) = world.run(&how);
    assert_eq!((status, world.text("table.csv")), (0, all.clone()), "{err}");
    // After a crash a view that was changed is another job, under the same statement.
    world.file("s.sql", &script("k", sum));
    let (status, _, err) = world.interrupted(arguments, Duration::from_millis(300), "-KILL");
    assert_eq!(status, -1, "{err}");
    world.file("s.sql", &script("MOD(id, 2)", sum));
    let (status, _, err) = world.run(arguments);
    assert!(status == 2 && err.contains("--fresh"), "{status} {err}");
    // And one that is only written otherwise is the same.
    world.file("s.sql", &script("k", "SELECT k,   SUM(id) AS s\nFROM v GROUP BY k"));
    let (status, _, err) = world.run(&format!("{arguments} --set RATE=1000000"));
    assert_eq!((status, world.text("table.csv")), (0, all), "{err}");
    assert!(err.contains("cut short"), "{err}");
}

#[test]
fn one_run_at_a_time_has_the_folder_of_a_script() {
    let world = World::new();
    world.file("s.sql", &format!("{NUMBERS} SELECT COUNT(*) AS n FROM numbers;"));
    let mut first = world.command("run s.sql --quiet --final table.csv --set RATE=1000");
    let mut first = first.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !world.exists(".yeoul/s/1/checkpoints") {
        assert_eq!(first.try_wait().unwrap(), None, "it takes three seconds");
        std::thread::yield_now();
    }
    for arguments in ["run s.sql", "run s.sql --fresh"] {
        let (status, out, err) = world.run(arguments);
        assert!(status == 2 && err.contains("running already"), "{arguments}: {status} {out}{err}");
    }
    assert_eq!(ended(&first.wait_with_output().unwrap()), (0, String::new(), String::new()));
    assert_eq!(world.text("table.csv"), "3000\n");
    assert_eq!(world.run("run s.sql --quiet --final table.csv").0, 0, "it is free again");
}

#[test]
fn a_reader_that_is_gone_is_no_failure() {
    let world = World::new();
    world.file("s.sql", &format!("{NUMBERS} SHOW TABLES; DESCRIBE numbers;"));
    let mut child = world.command("run s.sql").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(ended(&child.wait_with_output().unwrap()), (0, String::new(), String::new()));
}

#[test]
fn the_clock_is_that_of_the_statement_s_start() {
    let world = World::new();
    let table = "CREATE TABLE t (a INT, d DATE, ts TIMESTAMP_LTZ(3)) WITH ('connector' = 'print');";
    world.file("s.sql", &format!("{table} INSERT INTO t VALUES (1, CURRENT_DATE, CURRENT_TIMESTAMP);"));
    let (status, out, err) = world.run("run s.sql");
    let year = |cell: &str| cell.trim().split('-').next().and_then(|year| year.parse::<i32>().ok());
    let years: Vec<Option<i32>> = out.trim_start_matches("+I[1, ").split(',').map(year).collect();
    assert!(status == 0 && years.len() == 2, "{out}{err}");
    assert!(years.iter().all(|year| year.is_some_and(|year| (2024..2200).contains(&year))), "{out}{err}");
}

#[test]
fn calls_of_one_over_have_a_frame_each() {
    let world = World::new();
    world.file("v.csv", "2024-01-01 00:00:01,1\n2024-01-01 00:00:02,2\n2024-01-01 00:00:03,3\n2024-01-01 00:00:04,4\n");
    world.file(
        "s.sql",
        "CREATE TABLE v (ts TIMESTAMP(3), v BIGINT, WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'v.csv', 'format' = 'csv');
         SELECT ROW_NUMBER() OVER (ORDER BY ts) AS n, SUM(v) OVER (ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM v;",
    );
    let (status, _, err) = world.run("run s.sql --final table.csv");
    assert_eq!((status, world.text("table.csv").as_str()), (0, "1,1\n2,3\n3,6\n4,9\n"), "{err}");
}

#[test]
fn windows_over_joined_rows_are_of_the_time_that_is_named() {
    let world = World::new();
    let table = |name: &str| {
        format!(
            "CREATE TABLE {name} (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = '{name}.csv', 'format' = 'csv');"
        )
    };
    world.file("a.csv", "1,2024-01-01 09:59:00\n");
    world.file("b.csv", "1,2024-01-01 10:01:00\n");
    let script = |window: &str| {
        format!(
            "{}{} SELECT {window}_START(a.ts, INTERVAL '1' HOUR) AS s, COUNT(*) AS n FROM a JOIN b ON a.k = b.k
               AND a.ts BETWEEN b.ts - INTERVAL '1' HOUR AND b.ts GROUP BY {window}(a.ts, INTERVAL '1' HOUR);",
            table("a"),
            table("b")
        )
    };
    for (window, expected) in [("TUMBLE", "2024-01-01 09:00:00.000,1\n"), ("SESSION", "2024-01-01 09:59:00.000,1\n")] {
        world.file("s.sql", &script(window));
        let (status, _, err) = world.run("run s.sql --final table.csv");
        assert_eq!((status, world.text("table.csv").as_str()), (0, expected), "{err}");
    }
}

#[test]
fn a_bound_of_a_window_is_read_within_its_aggregate() {
    let world = World::new();
    world.file("t.csv", "2024-01-01 00:00:10,1,2000-01-01 00:00:00\n2024-01-01 00:01:10,2,2000-01-01 00:00:00\n");
    world.file(
        "s.sql",
        "CREATE TABLE t (ts TIMESTAMP(3), u INT, paid_at TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 't.csv', 'format' = 'csv');
         SELECT MAX(window_end) AS e, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;",
    );
    let (status, _, err) = world.run("run s.sql --final table.csv");
    assert_eq!(status, 0, "{err}");
    assert_eq!(world.text("table.csv"), "2024-01-01 00:01:00.000,1\n2024-01-01 00:02:00.000,1\n", "{err}");
}

#[test]
fn a_stop_that_fails_keeps_what_was_committed() {
    let world = World::new();
    world.file("s.sql", &format!("{NUMBERS} SELECT COUNT(*) AS n FROM numbers;"));
    std::fs::create_dir(world.folder.path().join(".yeoul")).unwrap();
    // Savepoints have no place.
    world.file(".yeoul/savepoints", "");
    let arguments = "run s.sql --final table.csv --set RATE=3000 --set execution.checkpointing.interval=5ms";
    let (status, _, err) = world.interrupted(arguments, Duration::from_millis(400), "-INT");
    assert!(status == 1 && err.contains("stopping with a savepoint failed"), "{status} {err}");
    let (status, _, err) = world.run(&format!("{arguments} --set RATE=1000000"));
    assert!(status == 0 && err.contains("cut short"), "{status} {err}");
    assert_eq!(world.text("table.csv"), "3000\n");
}

#[test]
fn a_parquet_table_is_written_and_read_with_what_its_files_say_of_themselves() {
    let world = World::new();
    let line = |k: u32| {
        format!(
            "{{\"k\":{k},\"s\":\"text {k}\",\"d\":{k}.25,\"ts\":\"2026-01-01 00:00:0{k}\",\"r\":{{\"b\":\"x{k}\"}}}}\n"
        )
    };
    world.file("in.ndjson", &(1..=5).map(line).collect::<String>());
    let columns = "k BIGINT, s STRING, d DECIMAL(10, 2), ts TIMESTAMP(3), r ROW<b STRING>";
    let table = |name: &str, more: &str, path: &str, format: &str| {
        format!(
            "CREATE TABLE {name} ({columns}, {more}) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = '{format}');\n"
        )
    };
    let file = "name STRING METADATA FROM 'file.name' VIRTUAL, size BIGINT METADATA FROM 'file.size' VIRTUAL";
    let text = table("lines", file, "in.ndjson", "json");
    let written = table("pq", "came STRING", "out", "parquet");
    world.file(
        "write.sql",
        &format!("{text}{written}INSERT INTO pq SELECT k, s, d, ts, r, name FROM lines WHERE size > 0;"),
    );
    let (status, _, err) = world.run("run write.sql --quiet");
    assert_eq!(status, 0, "{err}");
    let read = table("pq", &format!("came STRING, {file}"), "out", "parquet");
    let query = "SELECT k, s, d, r.b, came, name LIKE 'part-%.parquet', size > 0 FROM pq WHERE ts > TIMESTAMP '2026-01-01 00:00:03';";
    world.file("read.sql", &format!("{read}{query}"));
    let (status, _, err) = world.run("run read.sql --quiet --shards 2 --final rows.csv");
    assert_eq!(status, 0, "{err}");
    assert_eq!(world.text("rows.csv"), "4,text 4,4.25,x4,in.ndjson,true,true\n5,text 5,5.25,x5,in.ndjson,true,true\n");
    let part = std::fs::read_dir(world.folder.path().join("out")).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(part).unwrap();
    std::fs::write(world.folder.path().join("cut.parquet"), &bytes[..bytes.len() - 7]).unwrap();
    world
        .file("cut.sql", &format!("{}{query}", table("pq", &format!("came STRING, {file}"), "cut.parquet", "parquet")));
    let (status, _, err) = world.run("run cut.sql --quiet");
    assert!(status == 1 && err.contains("'cut.parquet'") && err.contains("no whole Parquet file"), "{status} {err}");
}

#[test]
fn rows_go_into_a_table_by_the_place_of_their_fields() {
    let world = World::new();
    world.file("in.csv", "1,one\n2,two\n");
    let table = |name: &str, columns: &str, format: &str| {
        format!(
            "CREATE TABLE {name} ({columns}) WITH ('connector' = 'filesystem', 'path' = '{name}', 'format' = '{format}');\n"
        )
    };
    let given = "CREATE TABLE t (id INT, name STRING) WITH ('connector' = 'filesystem', 'path' = 'in.csv', 'format' = 'csv');\n";
    let nested = "r ROW<x INT, y STRING>, a ARRAY<ROW<x INT NOT NULL, y STRING>>, m MAP<STRING, ROW<x INT, y STRING>>";
    let pq = table("pq", nested, "parquet");
    // The fields of ROW() are called otherwise; those of `swapped` have the names of each other, and another type.
    let swapped = table("swapped", "r ROW<b BIGINT, a BIGINT>, l ARRAY<ROW<b BIGINT, a BIGINT>>", "parquet");
    let lines = table("lines", "r ROW<x INT, y STRING>", "json");
    world.file(
        "write.sql",
        &format!(
            "{given}{pq}{swapped}{lines}CREATE VIEW v AS SELECT CAST(ROW(id, id + 10) AS ROW<a INT, b INT>) AS r FROM t;
             INSERT INTO pq SELECT ROW(id, name), ARRAY[ROW(id, name)], MAP['k', ROW(id, name)] FROM t;
             INSERT INTO lines SELECT ROW(id, name) FROM t;
             INSERT INTO swapped SELECT r, ARRAY[r] FROM v;"
        ),
    );
    let (status, _, err) = world.run("run write.sql --quiet");
    assert_eq!(status, 0, "{err}");
    let check = |table: &str, query: &str, expected: &str| {
        world.file("read.sql", &format!("{table}{query};"));
        let (status, _, err) = world.run("run read.sql --quiet --final rows.csv");
        assert_eq!((status, world.text("rows.csv").as_str()), (0, expected), "{query}: {err}");
    };
    let by_key = "SELECT r.x, r.y, CAST(m['k'] AS STRING) FROM pq";
    check(&pq, by_key, "1,one,\"(1, one)\"\n2,two,\"(2, two)\"\n");
    check(&pq, "SELECT u.x, u.y FROM pq CROSS JOIN UNNEST(a) AS u (x, y)", "1,one\n2,two\n");
    check(&lines, "SELECT r.x, r.y FROM lines", "1,one\n2,two\n");
    check(&swapped, "SELECT r.b, r.a FROM swapped", "1,11\n2,12\n");
    check(&swapped, "SELECT u.b, u.a FROM swapped CROSS JOIN UNNEST(l) AS u (b, a)", "1,11\n2,12\n");
}

#[test]
fn what_one_format_left_is_not_shown_in_another() {
    let world = World::new();
    let script = |format: &str| {
        format!(
            "{NUMBERS}CREATE TABLE out (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = '{format}');
             INSERT INTO out SELECT id FROM numbers;"
        )
    };
    world.file("s.sql", &script("csv"));
    let arguments = "run s.sql --set ROWS=2000 --set RATE=1000 --set execution.checkpointing.interval=50ms";
    let (status, _, err) = world.interrupted(arguments, Duration::from_millis(500), "-INT");
    assert_eq!(status, 0, "{err}");
    let files = || {
        let files = std::fs::read_dir(world.folder.path().join("out")).unwrap();
        let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        names
    };
    let shown = files();
    assert!(!shown.is_empty() && shown.iter().all(|name| name.ends_with(".csv")), "{shown:?}");
    world.file("s.sql", &script("parquet"));
    let (status, _, err) = world.run(&format!("{} --set ROWS=2000 --set RATE=1000000", how(&err)));
    assert!(status != 0 && err.contains("Sink(out)"), "{status} {err}");
    assert_eq!(files(), shown, "nothing is shown twice");
}

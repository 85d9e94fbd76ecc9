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
    ] {
        world.file("bad.sql", &format!("{NUMBERS} SELECT id FROM numbers;"));
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

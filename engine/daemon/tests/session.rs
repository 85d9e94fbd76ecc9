//! Scripts of a program that holds a session, with the binary's façade and connectors.

use yeoul::TableEnvironment;

#[test]
fn each_job_of_a_script_has_state_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    let mut env = TableEnvironment::new();
    env.config_mut().data = Some(folder.path().join("state"));
    env.config_mut().shards = 2;
    let table = |name: &str| {
        format!(
            "CREATE TABLE {name} (id BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv', 'sink.single-file' = 'true');",
            place(name)
        )
    };
    let script = format!(
        "CREATE TABLE numbers (id BIGINT) WITH (
           'connector' = 'datagen', 'rows-per-second' = '1000000', 'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '100'
         ); {}{}
         INSERT INTO a SELECT id FROM numbers;
         INSERT INTO b SELECT id FROM numbers WHERE id > 50;",
        table("a"),
        table("b")
    );
    env.execute_sql(&script).unwrap();
    let lines = |name: &str| std::fs::read_to_string(place(name)).unwrap().lines().count();
    assert_eq!((lines("a"), lines("b")), (100, 50));
    // What cannot be built is said with its line.
    let refused = "CREATE TABLE c (id BIGINT) WITH ('connector' = 'filesystem', 'path' = 'c', 'format' = 'csv', 'csv.hedder' = 'true');\nSELECT id FROM c;";
    let error = env.execute_sql(refused).unwrap_err().to_string();
    assert!(error.contains("line 2") && error.contains("csv.hedder"), "{error}");
}

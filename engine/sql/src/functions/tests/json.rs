//! JSON where nulls, wildcards, large numbers and words of paths tell.

use super::check;

#[test]
fn null_of_json_is_empty_and_no_error() {
    check(&[
        (r#"JSON_VALUE('{"a":null}', '$.a' DEFAULT 'e' ON EMPTY DEFAULT 'x' ON ERROR)"#, "e STRING"),
        (r#"JSON_VALUE('{"a":null}', '$.a' ERROR ON ERROR)"#, "NULL STRING"),
        (r#"JSON_QUERY('{"a":null}', '$.a' ERROR ON ERROR)"#, "NULL STRING"),
        (r#"JSON_QUERY('{"a":null}', '$.a' WITH UNCONDITIONAL WRAPPER EMPTY ARRAY ON EMPTY)"#, "[] STRING"),
        (r#"JSON_EXISTS('{"a":null}', '$.a' ERROR ON ERROR)"#, "false BOOLEAN"),
        (r#"JSON_EXISTS('{"a":null}', '$.a' TRUE ON ERROR)"#, "false BOOLEAN"),
        (r#"JSON_EXISTS('{"a":null}', '$.b' TRUE ON ERROR)"#, "true BOOLEAN"),
    ]);
}

#[test]
fn digits_of_json_stay() {
    check(&[
        (
            "JSON_ARRAY(JSON_ARRAY(CAST('1234567890123456789.01' AS DECIMAL(21, 2))))",
            "[[1234567890123456789.01]] STRING",
        ),
        (
            r#"JSON_OBJECT('j' VALUE JSON('{"x": 12345678901234567890123}'))"#,
            r#"{"j":{"x":12345678901234567890123}} STRING"#,
        ),
        (r#"JSON_VALUE('{"a": 12345678901234567890123}', '$.a')"#, "12345678901234567890123 STRING"),
        (r#"JSON_VALUE('{"a": 1.10}', '$.a')"#, "1.10 STRING"),
        (r#"JSON_QUERY('{"a": [1.10, 1e2]}', '$.a')"#, "[1.10,1e2] STRING"),
        ("JSON_OBJECT('j' VALUE JSON(' '))", r#"{"j":null} STRING"#),
        ("JSON_ARRAY(JSON(' '), 1)", "[1] STRING"),
        (r#"JSON_OBJECT('a' VALUE (JSON_ARRAY(1)))"#, r#"{"a":[1]} STRING"#),
    ]);
}

#[test]
fn numbers_are_written_as_json() {
    check(&[
        ("JSON_STRING(LN(CAST(0 AS DOUBLE)))", r#""-Infinity" STRING"#),
        ("JSON_STRING(CAST('NaN' AS FLOAT))", r#""NaN" STRING"#),
        ("JSON_ARRAY(JSON_ARRAY(CAST('NaN' AS DOUBLE)))", r#"[["NaN"]] STRING"#),
        ("JSON_STRING(CAST(1e16 AS DOUBLE))", "1.0E16 STRING"),
        ("JSON_STRING(CAST(1.1 AS FLOAT))", "1.1 STRING"),
        ("JSON_STRING(ARRAY[CAST(0.5 AS DOUBLE)])", "[0.5] STRING"),
        ("JSON_STRING(TIMESTAMP '2026-01-01 10:00:00.400')", r#""2026-01-01T10:00:00.4" STRING"#),
        ("JSON_STRING(TIMESTAMP '2026-01-01 10:00:00')", r#""2026-01-01T10:00:00" STRING"#),
        ("JSON_QUOTE('a/ß\u{1F600}')", r#""a\/\u00df\ud83d\ude00" STRING"#),
    ]);
}

#[test]
fn null_without_a_type_is_null() {
    check(&[
        ("JSON_STRING(NULL)", "NULL STRING"),
        ("JSON_ARRAY(NULL)", "[] STRING"),
        ("JSON_ARRAY(NULL NULL ON NULL)", "[null] STRING"),
        ("JSON_OBJECT('k' VALUE NULL)", r#"{"k":null} STRING"#),
        ("JSON_STRING(ROW(1, NULL))", r#"{"EXPR$0":1,"EXPR$1":null} STRING"#),
        ("CAST(ROW(1, NULL) AS STRING)", "(1, NULL) STRING"),
        ("CAST(MAP['a', NULL] AS STRING)", "{a=NULL} STRING"),
        ("CAST(ARRAY[NULL] AS STRING)", "[NULL] STRING"),
    ]);
}

#[test]
fn wildcards_follow_the_document() {
    check(&[
        (r#"JSON_QUERY('{"a":1}', '$.x[*]')"#, "NULL STRING"),
        (r#"JSON_QUERY('{"a":1}', '$.x[*]' EMPTY ARRAY ON ERROR)"#, "[] STRING"),
        (r#"JSON_QUERY('{"a":1}', 'lax $.x[*]')"#, "[] STRING"),
        (r#"JSON_QUERY('{"c":[{"d":1},{}]}', '$.c[*].d')"#, "[1] STRING"),
        (r#"JSON_QUERY('{"b":1,"a":2}', '$.*')"#, "[1,2] STRING"),
        (r#"JSON_QUERY('{"b":1,"a":2,"b":3}', '$.*')"#, "[3,2] STRING"),
        (r#"JSON_QUERY('{"b":{"z":1,"y":2}}', '$.b')"#, r#"{"y":2,"z":1} STRING"#),
        (r#"JSON_EXISTS('{"c":[]}', '$.c[*]')"#, "true BOOLEAN"),
        (r#"JSON_EXISTS('{"c":[]}', '$.x[*]')"#, "false BOOLEAN"),
        (r#"JSON_EXISTS('none', 'lax $.x[*]')"#, "false BOOLEAN"),
        (r#"JSON_QUERY('none', 'lax $.x[*]' EMPTY OBJECT ON EMPTY)"#, "{} STRING"),
    ]);
}

#[test]
fn a_path_with_more_than_names_is_refused() {
    const HINT: &str = "\n  hint: write '$.name', '$.list[0].name', '$.list[*]' or '$[''a b'']'";
    let refused = ["$.c.length()", "$.a*", "$.a b", "$.a,b", "$.a?b", "$.a@b", "$.\"a\""];
    let cases: Vec<(String, String)> = refused
        .into_iter()
        .map(|path| {
            (format!("JSON_VALUE('{{}}', '{path}')"), format!("'{path}' is no JSON path that can be used{HINT}"))
        })
        .collect();
    let cases: Vec<(&str, &str)> = cases.iter().map(|(path, error)| (path.as_str(), error.as_str())).collect();
    check(&cases);
}

#[test]
fn an_array_of_text_is_asked_of_an_array() {
    check(&[
        (
            r#"CAST(JSON_QUERY('{"o":["a",null,[1]]}', '$.o' RETURNING ARRAY<STRING>) AS STRING)"#,
            "[a, NULL, [1]] STRING",
        ),
        (r#"CAST(JSON_QUERY('{"o":{}}', '$.o' RETURNING ARRAY<STRING> EMPTY ARRAY ON ERROR) AS STRING)"#, "[] STRING"),
        (r#"JSON_QUERY('{"o":{}}', '$.o' RETURNING ARRAY<STRING>) IS NULL"#, "true BOOLEAN"),
    ]);
}

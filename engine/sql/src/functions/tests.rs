//! Functions against Flink's documented results.

mod casts;
mod collections;
mod json;
mod numbers;
mod strings;
mod times;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::Schema;
use yeoul_frame::{Columns, Timestamp};
use yeoul_relational::{EvaluationTime, Expression};

use crate::expression::compile;
use crate::parse;
use crate::settings::Settings;
use crate::statement::Statement;

/// The value of an expression without columns, as text, with its type.
fn value(expression: &str, settings: &Settings) -> String {
    let script = format!("SELECT {expression}");
    let statements = match parse::parse(&script) {
        Ok(statements) => statements,
        Err(error) => return error.to_string(),
    };
    let Statement::Select(select) = &statements[0].statement else { panic!("{script} is no query") };
    let plan = match crate::plan::query(&Default::default(), settings, select, &[]) {
        Ok(plan) => plan,
        Err(error) => return error.to_string(),
    };
    let datafusion_expr::LogicalPlan::Projection(projection) = &plan else {
        panic!("{script} is no projection: {plan}")
    };
    let expr = projection.expr[0].clone().unalias();
    let compiled = match compile(&expr, &Schema::empty(), settings) {
        Ok(compiled) => compiled,
        Err(error) => return crate::plan::explained(&error).to_string(),
    };
    let columns = Columns::new(Arc::new(Schema::empty()), Vec::new()).expect("no columns");
    let now = Timestamp(1_700_000_000_123);
    let time = EvaluationTime { times: &[now], now, watermark: Timestamp(5) };
    match compiled.evaluate(&columns, 1, &time) {
        Ok(array) => shown(&array),
        Err(error) => error.to_string(),
    }
}

fn shown(array: &ArrayRef) -> String {
    assert_eq!(array.len(), 1, "one row");
    let options = FormatOptions::new().with_null("NULL").with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.3f"));
    let text = ArrayFormatter::try_new(array, &options).expect("a format").value(0).to_string();
    format!("{text} {}", crate::types::type_name(array.data_type()))
}

fn check(cases: &[(&str, &str)]) {
    let settings = Settings::default();
    let wrong: Vec<String> = cases
        .iter()
        .map(|(expression, expected)| (expression, expected, value(expression, &settings)))
        .filter(|(_, expected, found)| found != *expected)
        .map(|(expression, expected, found)| format!("{expression} is {found}, not {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn numbers() {
    check(&[
        ("1", "1 INT"),
        ("3000000000", "3000000000 BIGINT"),
        ("7 / 2", "3 INT"),
        ("-7 / 2", "-3 INT"),
        ("7 % 3", "1 INT"),
        ("MOD(CAST(1007 AS BIGINT), 123)", "23 INT"),
        ("0.908 * CAST(1000 AS BIGINT)", "908.000 DECIMAL(23, 3)"),
        ("1.5 + 2.25", "3.75 DECIMAL(4, 2)"),
        ("10.0 / 3", "3.333333333333 DECIMAL(14, 12)"),
        ("ABS(-5)", "5 INT"),
        ("SIGN(-2.5)", "-1.0 DECIMAL(2, 1)"),
        ("FLOOR(2.7)", "2 DECIMAL(2, 0)"),
        ("CEIL(2.1)", "3 DECIMAL(2, 0)"),
        ("FLOOR(-2.5)", "-3 DECIMAL(2, 0)"),
        ("ROUND(2.345, 2)", "2.35 DECIMAL(4, 2)"),
        ("TRUNCATE(42.345, 2)", "42.34 DECIMAL(5, 2)"),
        ("ROUND(CAST(2.5 AS DOUBLE))", "3.0 DOUBLE"),
        ("POWER(2, 10)", "1024.0 DOUBLE"),
        ("SQRT(9)", "3.0 DOUBLE"),
        ("GREATEST(1, 3, 2)", "3 INT"),
        ("LEAST(1, CAST(NULL AS INT))", "NULL INT"),
    ]);
}

#[test]
fn strings() {
    check(&[
        ("LOWER('ABC')", "abc STRING"),
        ("UPPER('straße')", "STRASSE STRING"),
        ("CHAR_LENGTH('äbc')", "3 INT"),
        ("SUBSTRING('hello' FROM 2 FOR 3)", "ell STRING"),
        ("SUBSTR('hello', -3)", "llo STRING"),
        ("SUBSTRING('hello', 0, 2)", "he STRING"),
        ("REPLACE('hello world', 'world', 'flink')", "hello flink STRING"),
        ("TRIM('  a ')", "a STRING"),
        ("TRIM(LEADING 'x' FROM 'xxaxx')", "axx STRING"),
        ("SPLIT_INDEX('a/b/c', '/', 1)", "b STRING"),
        ("SPLIT_INDEX('a/b/c', '/', 3)", "NULL STRING"),
        ("SPLIT_INDEX('a/b/c', '/', -1)", "NULL STRING"),
        ("CONCAT('a', 'b', 'c')", "abc STRING"),
        ("CONCAT('a', CAST(NULL AS STRING))", "NULL STRING"),
        ("CONCAT_WS('~', 'AA', CAST(NULL AS STRING), 'BB', '', 'CC')", "AA~BB~~CC STRING"),
        ("'a' || 'b'", "ab STRING"),
        ("POSITION('ll' IN 'hello')", "3 INT"),
        ("LOCATE('b', 'abcb', 3)", "4 INT"),
        ("LPAD('hi', 4, '??')", "??hi STRING"),
        ("LPAD('hi', 1, '??')", "h STRING"),
        ("RPAD('hi', 4, '??')", "hi?? STRING"),
        ("OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6)", "xxxxxxxxx STRING"),
        ("OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6 FOR 2)", "xxxxxxxxxst STRING"),
        ("LEFT('hello', 2)", "he STRING"),
        ("RIGHT('hello', 2)", "lo STRING"),
        ("REPEAT('ab', 3)", "ababab STRING"),
        ("REVERSE('abc')", "cba STRING"),
        ("INITCAP('hello wORLD')", "Hello World STRING"),
        ("REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 2)", "bar STRING"),
        ("REGEXP_EXTRACT('abc', 'x(y)', 1)", "NULL STRING"),
        ("REGEXP_REPLACE('foobar', 'oo|ar', '')", "fb STRING"),
        ("REGEXP('foobar', 'o+b')", "true BOOLEAN"),
        ("'hello' LIKE 'h%o'", "true BOOLEAN"),
        ("IS_DIGIT('12')", "true BOOLEAN"),
        ("ASCII('abc')", "97 INT"),
        ("CHR(353)", "a STRING"),
        ("TO_BASE64('hello world')", "aGVsbG8gd29ybGQ= STRING"),
        ("FROM_BASE64('aGVsbG8gd29ybGQ=')", "hello world STRING"),
        ("HEX('hello,world')", "68656C6C6F2C776F726C64 STRING"),
        ("HEX(20)", "14 STRING"),
        ("BIN(12)", "1100 STRING"),
        ("PARSE_URL('http://facebook.com/path1/p.php?k1=v1&k2=v2#Ref1', 'HOST')", "facebook.com STRING"),
        ("PARSE_URL('http://facebook.com/path1/p.php?k1=v1&k2=v2#Ref1', 'QUERY', 'k1')", "v1 STRING"),
        ("MD5('')", "d41d8cd98f00b204e9800998ecf8427e STRING"),
        (
            "SHA2('', 100)",
            "sha2(Utf8View(\"\"), Int32(100)) has no value: there is no SHA2 of 100 bits\n  hint: write 224, 256, 384 or 512",
        ),
        ("BTRIM('xxaxx', 'x')", "a STRING"),
        ("FROM_BASE64('*')", "from_base64(Utf8View(\"*\")) has no value: '*' is no base64"),
    ]);
}

#[test]
fn times() {
    check(&[
        (
            "DATE_FORMAT(TIMESTAMP '2026-01-02 03:04:05.678', 'yyyy-MM-dd HH:mm:ss.SSS')",
            "2026-01-02 03:04:05.678 STRING",
        ),
        ("DATE_FORMAT('2026-01-02 13:04:05', 'h:mm a')", "1:04 PM STRING"),
        ("EXTRACT(HOUR FROM TIMESTAMP '2026-01-02 03:04:05')", "3 BIGINT"),
        ("HOUR(TIMESTAMP '1994-09-27 13:14:15')", "13 BIGINT"),
        ("YEAR(DATE '1994-09-27')", "1994 BIGINT"),
        ("QUARTER(DATE '1994-09-27')", "3 BIGINT"),
        ("WEEK(DATE '1994-09-27')", "39 BIGINT"),
        ("DAYOFYEAR(DATE '1994-09-27')", "270 BIGINT"),
        ("DAYOFWEEK(DATE '1994-09-27')", "3 BIGINT"),
        ("TIMESTAMPDIFF(DAY, TIMESTAMP '2003-01-02 10:00:00', TIMESTAMP '2003-01-03 10:00:00')", "1 INT"),
        ("TIMESTAMPDIFF(MONTH, TIMESTAMP '2026-01-31 00:00:00', TIMESTAMP '2026-03-30 00:00:00')", "1 INT"),
        ("TIMESTAMPADD(WEEK, 1, DATE '2003-01-02')", "2003-01-09 DATE"),
        ("TIMESTAMPADD(HOUR, 1, DATE '2003-01-02')", "2003-01-02 01:00:00.000 TIMESTAMP(3)"),
        ("FLOOR(TIMESTAMP '1994-09-27 12:44:31' TO MINUTE)", "1994-09-27 12:44:00.000 TIMESTAMP(3)"),
        ("CEIL(TIMESTAMP '1994-09-27 12:44:31' TO HOUR)", "1994-09-27 13:00:00.000 TIMESTAMP(3)"),
        ("FLOOR(TIMESTAMP '1994-09-27 12:44:31' TO MONTH)", "1994-09-01 00:00:00.000 TIMESTAMP(3)"),
        ("TO_TIMESTAMP('2026-01-02 03:04:05')", "2026-01-02 03:04:05.000 TIMESTAMP(3)"),
        ("TO_TIMESTAMP('02/01/2026 03', 'dd/MM/yyyy HH')", "2026-01-02 03:00:00.000 TIMESTAMP(3)"),
        ("TO_TIMESTAMP('no time')", "NULL TIMESTAMP(3)"),
        ("TO_DATE('2026-01-02')", "2026-01-02 DATE"),
        ("CONVERT_TZ('1970-01-01 00:00:00', 'UTC', 'America/Los_Angeles')", "1969-12-31 16:00:00 STRING"),
        ("UNIX_TIMESTAMP('1970-01-01 00:01:00')", "60 BIGINT"),
        ("FROM_UNIXTIME(44)", "1970-01-01 00:00:44 STRING"),
        ("TIMESTAMP '2026-01-31 00:00:00' + INTERVAL '1' MONTH", "2026-02-28 00:00:00.000 TIMESTAMP(3)"),
        ("TIMESTAMP '2026-01-31 00:00:00' - INTERVAL '0.5' SECOND", "2026-01-30 23:59:59.500 TIMESTAMP(3)"),
    ]);
}

#[test]
fn a_time_zone_is_put_to_local_times() {
    let mut settings = Settings::default();
    settings.set("table.local-time-zone", "Asia/Shanghai").expect("a zone");
    assert_eq!(value("FROM_UNIXTIME(44)", &settings), "1970-01-01 08:00:44 STRING");
    assert_eq!(value("DATE_FORMAT(TO_TIMESTAMP_LTZ(0, 3), 'HH:mm')", &settings), "08:00 STRING");
    assert_eq!(value("LOCALTIMESTAMP", &settings), "2023-11-15 06:13:20.123 TIMESTAMP(3)");
    assert_eq!(value("UNIX_TIMESTAMP('1970-01-01 08:00:44')", &settings), "44 BIGINT");
}

#[test]
fn conditions_and_casts() {
    check(&[
        ("IF(5 > 3, 5, 3)", "5 INT"),
        ("COALESCE(CAST(NULL AS STRING), 'default')", "default STRING"),
        ("IFNULL(CAST(NULL AS INT), 5)", "5 INT"),
        ("NULLIF(5, 5)", "NULL INT"),
        ("NULLIF(5, 0)", "5 INT"),
        ("CASE WHEN 1 = 2 THEN 'a' ELSE 'b' END", "b STRING"),
        ("CAST('42' AS INT)", "42 INT"),
        ("TRY_CAST('non-number' AS INT)", "NULL INT"),
        (
            "CAST('non-number' AS INT)",
            "CAST AS INT(Utf8View(\"non-number\")) has no value: 'non-number' is no INT\n  hint: TRY_CAST gives NULL where CAST fails",
        ),
        ("CAST(' 12.9 ' AS INT)", "12 INT"),
        ("CAST(300 AS TINYINT)", "44 TINYINT"),
        ("CAST('yes' AS BOOLEAN)", "true BOOLEAN"),
        ("CAST(x'6162' AS STRING)", "ab STRING"),
        ("CAST('abc' AS BINARY(4))", "61626300 BYTES"),
        ("CAST(1.567 AS DECIMAL(4, 1))", "1.6 DECIMAL(4, 1)"),
        ("CAST('2026-01-02 03:04:05' AS TIMESTAMP(3))", "2026-01-02 03:04:05.000 TIMESTAMP(3)"),
        ("CAST(42 AS STRING)", "42 STRING"),
        ("NULL IS NULL", "true BOOLEAN"),
        ("1 IS DISTINCT FROM NULL", "true BOOLEAN"),
    ]);
}

#[test]
fn json_rows_and_arrays() {
    check(&[
        ("JSON_VALUE('{\"a\": true}', '$.a')", "true STRING"),
        ("JSON_VALUE('{\"a\": 10}', '$.a' RETURNING INT)", "10 INT"),
        ("JSON_VALUE('{\"a\": true}', 'lax $.b' DEFAULT FALSE ON EMPTY)", "false STRING"),
        ("JSON_VALUE('{\"a\": true}', 'strict $.b' DEFAULT FALSE ON ERROR)", "false STRING"),
        ("JSON_VALUE('{\"a.b\": [0.998,0.996]}', '$.[\"a.b\"][0]' RETURNING DOUBLE)", "0.998 DOUBLE"),
        ("JSON_QUERY('{\"a\":[{\"c\":\"c1\"},{\"c\":\"c2\"}]}', 'lax $.a[*].c')", "[\"c1\",\"c2\"] STRING"),
        ("JSON_VALUE('broken', '$.a' NULL ON ERROR)", "NULL STRING"),
        ("JSON_EXISTS('{\"a\": [{ \"b\": 1 }]}', '$.a[0].b')", "true BOOLEAN"),
        ("JSON_QUERY('{ \"a\": { \"b\": 1 } }', '$.a')", "{\"b\":1} STRING"),
        ("ARRAY[1, 2, 3][2]", "2 INT"),
        ("CARDINALITY(ARRAY[1, 2, 3])", "3 INT"),
    ]);
}

//! Units of time, patterns that read, and zones.

use super::{check, value};
use crate::settings::Settings;

#[test]
fn times_of_day_are_rounded_and_go_round() {
    check(&[
        ("FLOOR(TIME '12:44:31' TO MINUTE)", "12:44:00 TIME(0)"),
        ("CEIL(TIME '12:44:31' TO MINUTE)", "12:45:00 TIME(0)"),
        ("FLOOR(TIME '12:44:31' TO HOUR)", "12:00:00 TIME(0)"),
        ("CEIL(TIME '12:44:31' TO HOUR)", "13:00:00 TIME(0)"),
        ("CEIL(TIME '23:44:31' TO HOUR)", "00:00:00 TIME(0)"),
        ("FLOOR(CAST(NULL AS TIME) TO HOUR)", "NULL TIME(0)"),
        ("TIMESTAMPADD(HOUR, 2, TIME '23:30:00')", "01:30:00 TIME(0)"),
        ("TIMESTAMPADD(MINUTE, -31, TIME '00:30:00')", "23:59:00 TIME(0)"),
        ("TIMESTAMPDIFF(MINUTE, TIME '10:00:00', TIME '11:30:00')", "90 INT"),
        ("EXTRACT(MINUTE FROM TIME '12:44:31')", "44 BIGINT"),
    ]);
}

#[test]
fn times_are_rounded_to_long_units() {
    check(&[
        ("FLOOR(TIMESTAMP '2018-03-20 06:44:31' TO DECADE)", "2010-01-01 00:00:00.000 TIMESTAMP(3)"),
        ("CEIL(TIMESTAMP '2018-03-20 06:44:31' TO DECADE)", "2020-01-01 00:00:00.000 TIMESTAMP(3)"),
        ("FLOOR(TIMESTAMP '2018-03-20 06:44:31' TO CENTURY)", "2001-01-01 00:00:00.000 TIMESTAMP(3)"),
        ("CEIL(TIMESTAMP '2018-03-20 06:44:31' TO CENTURY)", "2101-01-01 00:00:00.000 TIMESTAMP(3)"),
        ("FLOOR(TIMESTAMP '2000-12-31 06:44:31' TO CENTURY)", "1901-01-01 00:00:00.000 TIMESTAMP(3)"),
        ("FLOOR(TIMESTAMP '2018-03-20 06:44:31' TO MILLENNIUM)", "2001-01-01 00:00:00.000 TIMESTAMP(3)"),
        ("CEIL(TIMESTAMP '2018-03-20 06:44:31' TO MILLENNIUM)", "3001-01-01 00:00:00.000 TIMESTAMP(3)"),
        ("CEIL(DATE '2018-03-20' TO DECADE)", "2020-01-01 DATE"),
    ]);
}

#[test]
fn parts_of_a_second_are_those_since_it_began() {
    let nanos = "CAST('1970-01-01 00:00:07.123456789' AS TIMESTAMP(9))";
    let before = "CAST('1969-12-31 23:59:59.123456789' AS TIMESTAMP(9))";
    check(&[
        (&format!("EXTRACT(MILLISECOND FROM {nanos})"), "123 BIGINT"),
        (&format!("EXTRACT(MICROSECOND FROM {nanos})"), "123456 BIGINT"),
        (&format!("EXTRACT(NANOSECOND FROM {nanos})"), "123456789 BIGINT"),
        (&format!("EXTRACT(SECOND FROM {nanos})"), "7 BIGINT"),
        (&format!("EXTRACT(NANOSECOND FROM {before})"), "123456789 BIGINT"),
        (&format!("EXTRACT(SECOND FROM {before})"), "59 BIGINT"),
        ("EXTRACT(MICROSECOND FROM TIMESTAMP '1970-01-01 00:00:07.123')", "123000 BIGINT"),
        ("EXTRACT(NANOSECOND FROM CAST(NULL AS TIMESTAMP(9)))", "NULL BIGINT"),
    ]);
}

#[test]
fn a_unit_that_is_not_known_is_refused_when_it_is_planned() {
    let units = "YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND, MILLISECOND";
    check(&[
        (
            "TIMESTAMPDIFF(MICROSECOND, TIMESTAMP '2026-01-01 00:00:00', TIMESTAMP '2026-01-01 00:00:01')",
            &format!("TIMESTAMPDIFF knows no unit MICROSECOND\n  hint: units are {units}"),
        ),
        (
            "TIMESTAMPADD(NANOSECOND, 1, TIMESTAMP '2026-01-01 00:00:00')",
            &format!("TIMESTAMPADD knows no unit NANOSECOND\n  hint: units are {units}"),
        ),
        (
            "TIMESTAMPADD(MONTH, 1, TIME '10:00:00')",
            "TIMESTAMPADD of a TIME knows no unit MONTH\n  hint: units are HOUR, MINUTE, SECOND, MILLISECOND",
        ),
        (
            "FLOOR(TIME '10:00:00' TO DAY)",
            "FLOOR of a TIME knows no unit DAY\n  hint: units are HOUR, MINUTE, SECOND, MILLISECOND",
        ),
        (
            "TO_TIMESTAMP_LTZ(100, 6)",
            "TO_TIMESTAMP_LTZ knows no precision 6\n  hint: write 0 for a number of seconds, 3 for one of milliseconds",
        ),
        (
            "CONVERT_TZ('1970-01-01 00:00:00', 'UTC', 'PDX')",
            "'PDX' is no time zone\n  hint: write a name such as 'America/Los_Angeles', an abbreviation such as 'PST', or an offset such as 'GMT-08:00'",
        ),
    ]);
    for unknown in ["EXTRACT(JULIAN FROM TIMESTAMP '2026-01-01 00:00:00')", "EXTRACT(YEAR FROM TIME '10:00:00')"] {
        let found = value(unknown, &Settings::default());
        assert!(found.contains("knows no unit"), "{unknown} is {found}");
    }
}

#[test]
fn zones_in_text_and_by_abbreviation() {
    let mut settings = Settings::default();
    settings.set("table.local-time-zone", "Europe/Berlin").expect("a zone");
    let check_in_berlin = |cases: &[(&str, &str)]| {
        for (expression, expected) in cases {
            assert_eq!(value(expression, &settings), *expected, "{expression}");
        }
    };
    // As Flink's page has them.
    check_in_berlin(&[
        ("UNIX_TIMESTAMP('1970-01-01 08:00:01.001', 'yyyy-MM-dd HH:mm:ss.SSS')", "25201 BIGINT"),
        ("UNIX_TIMESTAMP('1970-01-01 08:00:01.001 +0800', 'yyyy-MM-dd HH:mm:ss.SSS X')", "1 BIGINT"),
        ("UNIX_TIMESTAMP('1970-01-01 08:00:01.001 +0800', 'yyyy-MM-dd HH:mm:ss.SSS')", "25201 BIGINT"),
        ("UNIX_TIMESTAMP('1970-01-01 08:00:01.001', 'yyyy-MM-dd HH:mm:ss.SSS X')", "-9223372036854775808 BIGINT"),
    ]);
    check(&[
        ("UNIX_TIMESTAMP('01/02/99 08', 'dd/MM/yy HH')", "917856000 BIGINT"),
        ("TO_TIMESTAMP('2026-01-01 05:00 XX', 'yyyy-MM-dd hh:mm a')", "NULL TIMESTAMP(3)"),
        ("UNIX_TIMESTAMP('no time')", "-9223372036854775808 BIGINT"),
        ("UNIX_TIMESTAMP(CAST(NULL AS STRING))", "NULL BIGINT"),
        ("UNIX_TIMESTAMP('1970-01-01T00:00:01Z', 'yyyy-MM-dd''T''HH:mm:ssX')", "1 BIGINT"),
        (concat!("UNIX_TIMESTAMP('1970-01-01 05:30:01 +05:30', 'yyyy-MM-dd HH:mm:ss X", "XX')"), "1 BIGINT"),
        ("UNIX_TIMESTAMP('1969-12-31 16:00:01 PST', 'yyyy-MM-dd HH:mm:ss z')", "1 BIGINT"),
        ("UNIX_TIMESTAMP('1970-1-1 0:0:9')", "9 BIGINT"),
        ("UNIX_TIMESTAMP('1969-13-01 00:00:00')", "0 BIGINT"),
        ("TO_TIMESTAMP('1970-01-01 08:00:01 +0800', 'yyyy-MM-dd HH:mm:ss X')", "1970-01-01 08:00:01.000 TIMESTAMP(3)"),
        ("TO_TIMESTAMP('1970-01-01 08:00:01 east', 'yyyy-MM-dd HH:mm:ss X')", "NULL TIMESTAMP(3)"),
        ("TO_TIMESTAMP('1970-01-01 08:00:01 +0800', 'yyyy-MM-dd HH:mm:ss')", "NULL TIMESTAMP(3)"),
        ("CONVERT_TZ('1970-01-01 00:00:00', 'UTC', 'PST')", "1969-12-31 16:00:00 STRING"),
        ("CONVERT_TZ('2026-07-01 00:00:00', 'UTC', 'PST')", "2026-06-30 17:00:00 STRING"),
        ("CONVERT_TZ('1970-01-01 00:00:00', 'EST', 'GMT-08:00')", "1969-12-31 21:00:00 STRING"),
    ]);
}

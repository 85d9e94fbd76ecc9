//! Strings at their edges: before the start, past what fits, patterns' signs in what replaces.

use super::check;

#[test]
fn what_replaces_is_taken_as_it_is() {
    check(&[
        ("REGEXP_REPLACE('USD 5', 'USD ', '$US')", "$US5 STRING"),
        ("REGEXP_REPLACE('abc', '(b)', '[$1]')", "a[$1]c STRING"),
    ]);
}

#[test]
fn base64_needs_no_signs_at_its_end() {
    check(&[
        ("FROM_BASE64('aGVsbG8')", "hello STRING"),
        ("FROM_BASE64('aGVsbG9=')", "hello STRING"),
        ("FROM_BASE64('aGVsbG8gd29ybGQ=')", "hello world STRING"),
    ]);
}

#[test]
fn constants_that_are_no_patterns_are_refused_before_a_job_begins() {
    const NO_TIME: &str = "'YYYY' is no pattern of a time\n  hint: write letters such as yyyy-MM-dd HH:mm:ss.SSS";
    const NO_REGEX: &str = "'(' is no regular expression that can be used\n  hint: error: unclosed group";
    check(&[
        ("FROM_UNIXTIME(0, 'YYYY')", NO_TIME),
        ("TO_TIMESTAMP('2026', 'YYYY')", NO_TIME),
        ("TO_DATE('2026', 'YYYY')", NO_TIME),
        ("UNIX_TIMESTAMP('2026', 'YYYY')", NO_TIME),
        ("TO_DATE('2026-02-03', 'yyyy-MM-dd')", "2026-02-03 DATE"),
        ("REGEXP_COUNT('a', '(')", NO_REGEX),
        ("STR_TO_MAP('a', ',', '(')", NO_REGEX),
    ]);
}

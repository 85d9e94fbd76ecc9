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
fn long_texts_are_whole_or_refused() {
    check(&[
        ("CHAR_LENGTH(REPEAT('a', 2000000))", "2000000 INT"),
        ("REPEAT('a', -1)", " STRING"),
        ("CHAR_LENGTH(LPAD('a', 2000000, 'x'))", "2000000 INT"),
        ("CHAR_LENGTH(RPAD('ä', 2000000, 'ß'))", "2000000 INT"),
        ("LPAD('abc', 2, '')", "NULL STRING"),
        ("LPAD('abc', -1, 'x')", "NULL STRING"),
        (
            "REPEAT('a', 2000000000)",
            "repeat(Utf8View(\"a\"), Int32(2000000000)) has no value: REPEAT makes a string of 2000000000 bytes\n  hint: the longest that is made has 67108864",
        ),
        (
            "REPEAT(REPEAT('a', 1000000), 1000000)",
            "repeat(repeat(Utf8View(\"a\"), Int32(1000000)), Int32(1000000)) has no value: REPEAT makes a string of 1000000000000 bytes\n  hint: the longest that is made has 67108864",
        ),
        (
            "LPAD('a', 2000000000, 'x')",
            "lpad(Utf8View(\"a\"), Int32(2000000000), Utf8View(\"x\")) has no value: LPAD and RPAD make a string of 2000000000 bytes\n  hint: the longest that is made has 67108864",
        ),
    ]);
}

#[test]
fn what_begins_before_the_start_is_nothing() {
    check(&[
        ("SUBSTRING('abc', -5, 3)", " STRING"),
        ("SUBSTRING('abc', -5)", " STRING"),
        ("SUBSTRING('abc', -3, 2)", "ab STRING"),
        ("SUBSTRING('abc', 0, 2)", "ab STRING"),
        ("SUBSTRING('abc', 9)", " STRING"),
        ("OVERLAY('hello' PLACING 'X' FROM 2 FOR 0)", "hX STRING"),
        ("OVERLAY('hello' PLACING 'X' FROM 2 FOR 2)", "hXlo STRING"),
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

#[test]
fn printf_writes_as_java_does() {
    check(&[
        ("PRINTF('Hello %s, %d', 'World', 7)", "Hello World, 7 STRING"),
        ("PRINTF('%2$s %1$s %<s', 'a', 'b')", "b a a STRING"),
        (
            "PRINTF('%5d|%-5d|%05d|%+d|%,d|%(d', 42, 42, -42, 42, 1234567, -3)",
            "   42|42   |-0042|+42|1,234,567|(3) STRING",
        ),
        (
            "PRINTF('%.2f %f %,.1f', CAST(1.005 AS DOUBLE), CAST(2.5 AS DOUBLE), 12345.65)",
            "1.01 2.500000 12,345.7 STRING",
        ),
        ("PRINTF('%08.2f|%.0f|%.3f', -1.5, 2.5, 0.1)", "-0001.50|3|0.100 STRING"),
        ("PRINTF('%e %.1E', CAST(12345.678 AS DOUBLE), CAST(0.00012 AS DOUBLE))", "1.234568e+04 1.2E-04 STRING"),
        ("PRINTF('%.1e %.0e %e', 1.25e0, 9.5e0, 0e0)", "1.3e+00 1e+01 0.000000e+00 STRING"),
        ("PRINTF('%.20f|%.3f|%.1f|%.0f', 0.1e0, 1e-9, 0.05e0, 0.5e0)", "0.10000000000000000000|0.000|0.1|1 STRING"),
        ("PRINTF('%.2e|%.2f|%.1f', 123.45, 99.995, 1e21)", "1.23e+02|100.00|1000000000000000000000.0 STRING"),
        ("PRINTF('%x %X %#x %o', 255, 255, 255, 8)", "ff FF 0xff 10 STRING"),
        ("PRINTF('%x', -1)", "ffffffff STRING"),
        ("PRINTF('%S|%.2s|%4s|%-4s|', 'abc', 'abc', 'ab', 'ab')", "ABC|ab|  ab|ab  | STRING"),
        ("PRINTF('%b %b %s %%', TRUE, 'x', FALSE)", "true true false % STRING"),
        (
            "PRINTF('%s %d %b', CAST(NULL AS STRING), CAST(NULL AS INT), CAST(NULL AS BOOLEAN))",
            "null null false STRING",
        ),
        ("PRINTF('%c%c', 'a', 98)", "ab STRING"),
        ("PRINTF(CAST(NULL AS STRING), 1)", "NULL STRING"),
        ("PRINTF('%d', 'text')", "NULL STRING"),
        ("PRINTF('%d %d', 1)", "NULL STRING"),
        ("PRINTF('%f', CAST('NaN' AS DOUBLE))", "NaN STRING"),
        (
            "PRINTF('%y', 1)",
            "'%y' is no format of PRINTF\n  hint: write %s, %d, %x, %o, %f, %e, %c, %b, %n or %%, perhaps with flags, width and precision: %-8s, %,.2f",
        ),
        (
            "PRINTF('%s', DATE '2026-01-01')",
            "PRINTF(STRING, DATE) is not a function\n  hint: write PRINTF(format, value, …) of strings, numbers and flags: CAST others to STRING",
        ),
    ]);
}

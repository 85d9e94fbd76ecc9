//! Casts of what has parts, of times beyond a type's range, and of text with something around it.

use super::check;

#[test]
fn try_cast_of_parts_is_null_as_a_whole() {
    check(&[
        ("CAST(TRY_CAST(ARRAY['1', 'x'] AS ARRAY<INT>) AS STRING)", "NULL STRING"),
        ("CAST(TRY_CAST(ARRAY['1', '2'] AS ARRAY<INT>) AS STRING)", "[1, 2] STRING"),
        ("CAST(TRY_CAST(ARRAY[ARRAY['1'], ARRAY['x']] AS ARRAY<ARRAY<INT>>) AS STRING)", "NULL STRING"),
        ("CAST(TRY_CAST(ROW('x', 'y') AS ROW<a INT, b STRING>) AS STRING)", "NULL STRING"),
        ("CAST(TRY_CAST(MAP['x', 1] AS MAP<INT, INT>) AS STRING)", "NULL STRING"),
        ("CAST(TRY_CAST(MAP['100', 1] AS MAP<DECIMAL(2, 0), INT>) AS STRING)", "NULL STRING"),
        // A number without room fails in no cast.
        ("CAST(TRY_CAST(ARRAY['100', '1'] AS ARRAY<DECIMAL(2, 0)>) AS STRING)", "[NULL, 1] STRING"),
        (
            "CAST(CAST(MAP['100', 1] AS MAP<DECIMAL(2, 0), INT>) AS STRING)",
            "CAST AS STRING(CAST AS MAP<DECIMAL(2, 0), INT>(map_of(Utf8View(\"100\"), Int32(1)))) has no value: '100' is a key and would be NULL in a MAP<DECIMAL(2, 0), INT>\n  hint: TRY_CAST gives NULL where CAST fails",
        ),
    ]);
}

#[test]
fn times_beyond_a_type_are_refused_with_its_range() {
    check(&[
        (
            "CAST('9999-12-31 00:00:00' AS TIMESTAMP)",
            "CAST AS TIMESTAMP(6)(Utf8View(\"9999-12-31 00:00:00\")) has no value: '9999-12-31 00:00:00' is no TIMESTAMP(6)\n  hint: a TIMESTAMP of more than three digits lies in 1677-09-22 to 2262-04-10: write TIMESTAMP(3), or TRY_CAST for NULL",
        ),
        (
            "CAST(DATE '9999-12-31' AS TIMESTAMP)",
            "CAST AS TIMESTAMP(6)(CAST(Utf8View(\"9999-12-31\") AS Date32)) has no value: '9999-12-31 00:00:00' is no TIMESTAMP(6)\n  hint: a TIMESTAMP of more than three digits lies in 1677-09-22 to 2262-04-10: write TIMESTAMP(3), or TRY_CAST for NULL",
        ),
        ("CAST('9999-12-31 00:00:00' AS TIMESTAMP(3))", "9999-12-31 00:00:00.000 TIMESTAMP(3)"),
        ("TRY_CAST('9999-12-31 00:00:00' AS TIMESTAMP) IS NULL", "true BOOLEAN"),
        (
            "CAST('x' AS TIMESTAMP)",
            "CAST AS TIMESTAMP(6)(Utf8View(\"x\")) has no value: 'x' is no TIMESTAMP(6)\n  hint: TRY_CAST gives NULL where CAST fails",
        ),
        (
            "CAST(TIMESTAMPADD(DAY, 200000000, TIMESTAMP '2026-01-01 00:00:00') AS STRING)",
            "CAST AS STRING(timestampadd(Utf8View(\"DAY\"), CAST(Int32(200000000) AS Int64), CAST(Utf8View(\"2026-01-01 00:00:00\") AS Timestamp(ms)))) has no value: 'a time beyond the calendar' is no STRING\n  hint: TRY_CAST gives NULL where CAST fails",
        ),
        ("TO_TIMESTAMP_LTZ(253402300800, 0) IS NULL", "true BOOLEAN"),
        ("TO_TIMESTAMP_LTZ(253402300799, 0) IS NULL", "false BOOLEAN"),
        ("TIMESTAMPDIFF(SECOND, TO_TIMESTAMP_LTZ(9223372036854775807, 3), TO_TIMESTAMP_LTZ(-2, 3))", "NULL INT"),
    ]);
}

#[test]
fn dates_may_be_short() {
    check(&[
        ("CAST('2026' AS DATE)", "2026-01-01 DATE"),
        ("CAST('2026-02' AS DATE)", "2026-02-01 DATE"),
        ("CAST('2026-02-03 x' AS DATE)", "2026-02-03 DATE"),
        ("CAST('2026-02-03T10:00:00' AS DATE)", "2026-02-03 DATE"),
        ("TRY_CAST('2026-02-30' AS DATE)", "NULL DATE"),
        ("TRY_CAST('' AS DATE)", "NULL DATE"),
        ("CAST(CAST('10' AS TIME(0)) AS STRING)", "10:00:00 STRING"),
        ("CAST(CAST('10:20:30.400' AS TIME(3)) AS STRING)", "10:20:30.4 STRING"),
    ]);
}

#[test]
fn only_blanks_are_cut_off_around_text() {
    check(&[
        ("TRY_CAST(CHR(9) || '12' AS INT)", "NULL INT"),
        ("CAST(' 12 ' AS INT)", "12 INT"),
        ("TRY_CAST('--Infinity' AS DOUBLE)", "NULL DOUBLE"),
        ("TRY_CAST('+-NaN' AS DOUBLE)", "NULL DOUBLE"),
        ("CAST(CAST('-Infinity' AS DOUBLE) AS STRING)", "-Infinity STRING"),
    ]);
}

#[test]
fn a_cast_tells_its_type() {
    check(&[
        ("TYPEOF(CAST(NULL AS CHAR(3)))", "CHAR(3) STRING"),
        ("TYPEOF(CAST(NULL AS VARCHAR(3)))", "VARCHAR(3) STRING"),
        ("TYPEOF(CAST(NULL AS BINARY(2)))", "BINARY(2) STRING"),
        ("TYPEOF(CAST(NULL AS TIME(3)))", "TIME(3) STRING"),
        ("TYPEOF(CAST(NULL AS TIMESTAMP(6)))", "TIMESTAMP(6) STRING"),
        ("TYPEOF(CAST(NULL AS MULTISET<INT>))", "MULTISET<INT> STRING"),
        ("TYPEOF(CAST(NULL AS INTERVAL YEAR TO MONTH))", "INTERVAL YEAR TO MONTH STRING"),
        ("TYPEOF(CAST(NULL AS INT))", "INT STRING"),
        ("TYPEOF(CAST(TIME '10:00:00' AS TIME(3)))", "TIME(3) NOT NULL STRING"),
        ("TYPEOF(INTERVAL '1' MONTH)", "INTERVAL YEAR TO MONTH NOT NULL STRING"),
        ("TYPEOF(INTERVAL '1' DAY)", "INTERVAL DAY TO SECOND NOT NULL STRING"),
        ("CAST(NULL AS CHAR(3))", "NULL STRING"),
        ("CAST(NULL AS MULTISET<INT>) IS NULL", "true BOOLEAN"),
    ]);
}

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

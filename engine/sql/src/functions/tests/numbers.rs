//! Functions of numbers where binary arithmetic, small types and a DECIMAL's scale tell.

use super::check;

#[test]
fn a_rest_of_decimals_has_the_type_of_the_operator() {
    check(&[
        ("MOD(CAST(2.345 AS DECIMAL(10, 3)), 2)", "0.345 DECIMAL(10, 3)"),
        ("MOD(CAST('123456789012345678901234.56' AS DECIMAL(38, 2)), 7)", "6.56 DECIMAL(12, 2)"),
        ("MOD(7, CAST(2.5 AS DECIMAL(2, 1)))", "2.0 DECIMAL(2, 1)"),
        ("MOD(CAST(7.5 AS DOUBLE), 2)", "1.5 DOUBLE"),
        ("MOD(CAST(2.5 AS DECIMAL(2, 1)), CAST(2 AS DOUBLE))", "0.5 DOUBLE"),
    ]);
}

#[test]
fn small_types_stay() {
    check(&[
        ("ABS(CAST(1.1 AS FLOAT))", "1.1 FLOAT"),
        ("ABS(CAST(-5 AS TINYINT))", "5 TINYINT"),
        ("ABS(CAST(-128 AS TINYINT))", "-128 TINYINT"),
        ("SIGN(CAST(-5 AS SMALLINT))", "-1 SMALLINT"),
        ("SIGN(CAST(-5.5 AS FLOAT))", "-1.0 FLOAT"),
        ("FLOOR(CAST(1.5 AS FLOAT))", "1.0 FLOAT"),
        ("CEIL(CAST(7 AS TINYINT))", "7 TINYINT"),
        ("ROUND(CAST(1.25 AS FLOAT), 1)", "1.3 FLOAT"),
        ("ROUND(CAST(127 AS TINYINT), -1)", "-126 TINYINT"),
        ("TRUNCATE(CAST(19 AS SMALLINT), -1)", "10 SMALLINT"),
        ("FLOOR(CAST(2.345 AS DECIMAL(10, 3)))", "2 DECIMAL(10, 0)"),
        ("CEIL(CAST(5 AS DECIMAL(10, 0)))", "5 DECIMAL(10, 0)"),
        ("CEIL(CAST(0.5 AS DECIMAL(2, 2)))", "1 DECIMAL(2, 0)"),
    ]);
}

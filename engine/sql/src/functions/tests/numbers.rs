//! Functions of numbers where binary arithmetic, small types and a DECIMAL's scale tell.

use super::check;

#[test]
fn a_double_is_rounded_by_its_decimal_digits() {
    check(&[
        ("ROUND(CAST(1.005 AS DOUBLE), 2)", "1.01 DOUBLE"),
        ("ROUND(CAST(-1.005 AS DOUBLE), 2)", "-1.01 DOUBLE"),
        ("ROUND(CAST(0.285 AS DOUBLE), 2)", "0.29 DOUBLE"),
        ("ROUND(CAST(2.4 AS DOUBLE))", "2.0 DOUBLE"),
        ("ROUND(CAST(0.49999999999999994 AS DOUBLE))", "0.0 DOUBLE"),
        ("ROUND(CAST(1234.5 AS DOUBLE), -2)", "1200.0 DOUBLE"),
        ("ROUND(CAST(1250 AS DOUBLE), -2)", "1300.0 DOUBLE"),
        ("ROUND(CAST(1250 AS DOUBLE), -400)", "0.0 DOUBLE"),
        ("CAST(ROUND(CAST(1e10 AS DOUBLE), 300) AS STRING)", "1.0E10 STRING"),
        ("CAST(ROUND(CAST(1.25e300 AS DOUBLE), -299) AS STRING)", "1.3E300 STRING"),
        ("CAST(ROUND(CAST(1.25e-300 AS DOUBLE), 301) AS STRING)", "1.3E-300 STRING"),
        ("CAST(ROUND(CAST('NaN' AS DOUBLE), 2) AS STRING)", "NaN STRING"),
        ("TRUNCATE(CAST(4.35 AS DOUBLE), 2)", "4.35 DOUBLE"),
        ("TRUNCATE(CAST(-4.359 AS DOUBLE), 2)", "-4.35 DOUBLE"),
        ("TRUNCATE(CAST(1299 AS DOUBLE), -2)", "1200.0 DOUBLE"),
    ]);
}

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

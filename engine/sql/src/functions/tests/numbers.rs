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

//! What statements such as SHOW and DESCRIBE give, as text.

/// Text in columns, under a head.
///
/// ```
/// use yeoul::table::text_table;
///
/// let (head, rows) = (["name", "rows"].map(str::to_owned), [["flights", "7"].map(str::to_owned).to_vec()]);
/// assert_eq!(text_table(&head, &rows), "name     rows\n-------  ----\nflights  7");
/// ```
#[must_use]
pub fn text_table(head: &[String], rows: &[Vec<String>]) -> String {
    let all = || std::iter::once(head).chain(rows.iter().map(Vec::as_slice));
    let width =
        |column: usize| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &[String]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    let rule = widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join("  ");
    let mut lines = vec![line(head), rule];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.join("\n")
}

//! Scripts of cases: tables with their rows, statements, and queries with what Flink answers.
//!
//! A script is text in parts that empty lines end; `#` begins a comment line. What it means to run one is not known here.
//!
//! ```text
//! table bid (price INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
//! 10, @10:00:01
//! NULL, @10:00:03
//!
//! statement ok
//! CREATE VIEW …
//!
//! statement error a part of the message
//! SELECT …
//!
//! query
//! @late 1
//! SELECT …
//! ----
//! 10,@10:00:01
//! ```
//!
//! `@10:00:01` is that time of the first of January 2026, in rows and in answers; `NULL` is NULL; a line of a table that begins with
//! a brace is JSON. A table whose word is `side table` is read at once in each form of a run: one that is looked up. What follows
//! `query` is how answers are compared (`rowsort` if nothing, `nosort`, `changelog`); lines that begin with `@` say more (see [`Query`]).

/// Where a part stands, and what it is.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) line: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Table(Inline),
    Ok(String),
    /// A statement that is refused, and a part of what is said.
    Error {
        sql: String,
        fragment: String,
        known: Option<String>,
    },
    Query(Query),
}

/// A table that stands in a script.
#[derive(Debug, Clone)]
pub(crate) struct Inline {
    pub(crate) name: String,
    /// From its first parenthesis to its last.
    pub(crate) columns: String,
    /// As CSV, or as JSON objects.
    pub(crate) rows: Vec<String>,
    /// It is read at once, whatever the form.
    pub(crate) side: bool,
}

/// How answers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// The final table, in any order.
    Rows,
    /// The final table of a query that only adds rows, in the order in which they come.
    None,
    /// The changes, in any order.
    Changes,
}

/// A query and its answer.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) sql: String,
    pub(crate) sort: Sort,
    /// By table that is written to; a SELECT's own rows are without a name.
    pub(crate) answers: Vec<(String, Vec<String>)>,
    /// `@late n`: so many rows are late, if all come in the order in which they stand.
    pub(crate) late: u64,
    /// `@ordered`: the answer depends on the order of rows beyond what a watermark tells.
    pub(crate) ordered: bool,
    /// `@only streaming`, `@only bounded`: the answer depends on when rows come.
    pub(crate) only: Option<String>,
    /// `@wait n`: seconds for which a streaming job goes on after its last row.
    pub(crate) wait: u32,
    /// `@known reason`: our answer is not Flink's.
    pub(crate) known: Option<String>,
}

/// The parts of a script.
///
/// # Errors
/// The first line that is not understood.
pub(crate) fn parse(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut lines = text.lines().map(str::trim_end).zip(1..).peekable();
    while let Some((head, line)) = lines.next() {
        if head.is_empty() || head.starts_with('#') {
            continue;
        }
        let mut body = Vec::new();
        while let Some((next, _)) = lines.next_if(|(next, _)| !next.is_empty()) {
            body.push(next);
        }
        let kind = part(head, &body).map_err(|what| format!("line {line}: {what}"))?;
        parts.push(Part { line, kind });
    }
    Ok(parts)
}

fn part(head: &str, body: &[&str]) -> Result<Kind, String> {
    if head.starts_with("table ") || head.starts_with("side table ") {
        return table(head, body).map(Kind::Table);
    }
    if let Some(sort) = head.strip_prefix("query") {
        return query(sort.trim(), body).map(Kind::Query);
    }
    let (known, rest): (Vec<&str>, Vec<&str>) = body.iter().partition(|line| line.starts_with("@known "));
    let known = known.first().map(|line| line["@known ".len()..].to_owned());
    let sql = rest.join("\n");
    match (head, head.strip_prefix("statement error ")) {
        (_, Some(fragment)) => Ok(Kind::Error { sql, fragment: fragment.to_owned(), known }),
        ("statement ok", _) if known.is_none() => Ok(Kind::Ok(sql)),
        _ => Err(format!("'{head}' begins no part: write table, side table, statement ok, statement error … or query")),
    }
}

fn table(head: &str, body: &[&str]) -> Result<Inline, String> {
    let side = head.starts_with("side ");
    let mut columns = head.trim_start_matches("side ").trim_start_matches("table ").to_owned();
    let mut rows = body.iter();
    let open = |text: &str| text.matches('(').count() > text.matches(')').count();
    while open(&columns) {
        let line = rows.next().ok_or("a table's columns have no end")?;
        columns.push(' ');
        columns.push_str(line);
    }
    let start = columns.find('(').ok_or("a table wants its columns")?;
    let columns_of = columns.split_off(start);
    let rows = rows.filter(|row| !row.starts_with('#')).map(|row| in_full(row)).collect();
    Ok(Inline { name: columns.trim().to_owned(), columns: columns_of, rows, side })
}

fn query(sort: &str, body: &[&str]) -> Result<Query, String> {
    let sort = match sort {
        "" | "rowsort" => Sort::Rows,
        "nosort" => Sort::None,
        "changelog" => Sort::Changes,
        other => return Err(format!("'{other}' is no order of answers")),
    };
    let mut query = Query {
        sql: String::new(),
        sort,
        answers: Vec::new(),
        late: 0,
        ordered: false,
        only: None,
        wait: 0,
        known: None,
    };
    for line in body {
        if let Some(name) = line.strip_prefix("----") {
            query.answers.push((name.trim().to_owned(), Vec::new()));
        } else if let Some((_, rows)) = query.answers.last_mut() {
            if !line.starts_with('#') {
                rows.push(in_full(line));
            }
        } else if let Some(said) = line.strip_prefix('@') {
            query.say(said)?;
        } else {
            query.sql.push_str(line);
            query.sql.push('\n');
        }
    }
    if query.answers.is_empty() {
        return Err("a query wants ---- and its answer".to_owned());
    }
    Ok(query)
}

impl Query {
    fn say(&mut self, said: &str) -> Result<(), String> {
        let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
        let number = || rest.parse::<u32>().map_err(|_| format!("'@{said}' wants a number"));
        match word {
            "late" => self.late = u64::from(number()?),
            "wait" => self.wait = number()?,
            "ordered" => self.ordered = true,
            "only" if matches!(rest, "streaming" | "bounded") => self.only = Some(rest.to_owned()),
            "known" if !rest.is_empty() => self.known = Some(rest.to_owned()),
            _ => return Err(format!("'@{said}' says nothing that is known")),
        }
        Ok(())
    }
}

/// A row without the spaces after its commas and with its times and NULLs in full.
fn in_full(row: &str) -> String {
    if row.trim_start().starts_with('{') {
        return times_in_full(row);
    }
    let mut full = String::new();
    let (mut quoted, mut after_comma) = (false, false);
    for letter in row.chars() {
        quoted ^= letter == '"';
        if !(after_comma && letter == ' ') {
            full.push(letter);
        }
        after_comma = !quoted && (letter == ',' || (after_comma && letter == ' '));
    }
    times_in_full(&full)
}

/// `@10:00:01` as `2026-01-01 10:00:01.000`.
fn times_in_full(row: &str) -> String {
    let mut full = String::new();
    let mut rest = row;
    while let Some(at) = rest.find('@') {
        full.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let is_time = |clock: &str| {
            clock
                .bytes()
                .zip(*b"00:00:00")
                .all(|(found, form)| if form == b':' { found == b':' } else { found.is_ascii_digit() })
        };
        let Some(clock) = after.get(..8).filter(|clock| is_time(clock)) else {
            full.push('@');
            rest = after;
            continue;
        };
        full.push_str("2026-01-01 ");
        full.push_str(clock);
        rest = &after[8..];
        if !rest.starts_with('.') {
            full.push_str(".000");
        }
    }
    full.push_str(rest);
    full
}

#[test]
fn scripts_are_read_in_parts() {
    let parts = parse(
        "# a comment\ntable t (a INT,\n  b STRING)\n1, \"x, y\"\nNULL, @10:00:01\n\nquery nosort\n@late 2\nSELECT 1\n----\n1,@09:00:00.5\n",
    );
    let parts = parts.unwrap();
    let [Part { line: 2, kind: Kind::Table(table) }, Part { line: 7, kind: Kind::Query(query) }] = &parts[..] else {
        panic!("{parts:?}")
    };
    assert_eq!((table.name.as_str(), table.columns.as_str()), ("t", "(a INT,   b STRING)"));
    assert_eq!(table.rows, ["1,\"x, y\"", "NULL,2026-01-01 10:00:01.000"]);
    assert_eq!((query.late, query.sort), (2, Sort::None));
    assert_eq!(query.answers, [(String::new(), vec!["1,2026-01-01 09:00:00.5".to_owned()])]);
    for (wrong, part) in
        [("querry", "line 1"), ("query\nSELECT 1", "----"), ("query\n@lat 1\n----", "@lat 1"), ("table t (", "no end")]
    {
        assert!(parse(wrong).unwrap_err().contains(part), "{wrong}");
    }
}

//! A session: what its statements have made, and what each further one does.
//!
//! A statement changes the session, or shows something of it, or becomes a job, which is handed out and not run here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_schema::SchemaRef;

use crate::catalog::{Catalog, Column, ColumnSource, Entry, Table, View};
use crate::error::{Result, SqlError, did_you_mean};
use crate::interval::duration_millis;
use crate::lex::Hint;
use crate::lower::{self, Plan, Sink};
use crate::settings::Settings;
use crate::statement::{CreateView, Explain, ExplainDetail, Insert, Located, Name, Select, Statement};
use crate::types::SqlType;
use crate::{declare, parse, plan};

/// What a script has made so far.
#[derive(Debug, Clone, Default)]
pub struct Session {
    /// Its tables and views.
    pub catalog: Catalog,
    /// Its settings.
    pub settings: Settings,
}

/// What came of a statement.
#[derive(Debug, Clone)]
pub enum Step {
    /// The session changed.
    Done,
    /// Something to show, as rows of text under a head.
    Table {
        /// The columns' names.
        head: Vec<String>,
        /// The rows.
        rows: Vec<Vec<String>>,
    },
    /// Something to show, as text.
    Text(String),
    /// A job to run.
    Job(Job),
}

/// A job to run.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its operators.
    pub plan: Plan,
    /// What its SELECT gives, if it is one.
    pub result: Option<SchemaRef>,
    /// The settings when it was made.
    pub settings: Settings,
    /// What its reader should know before it starts, such as state that is kept for good.
    pub warnings: Vec<String>,
}

impl Session {
    /// Takes the statements of a script, in order; what came of each goes to `each`.
    ///
    /// # Errors
    /// The first thing that is wrong; `each` has had what came before it.
    pub fn script(&mut self, script: &str, mut each: impl FnMut(&Located, Step)) -> Result<()> {
        for statement in parse::parse(script)? {
            let step = self.take(&statement).map_err(|error| error.in_script(script))?;
            each(&statement, step);
        }
        Ok(())
    }

    /// Takes one statement of a script; what is wrong is said with its place.
    ///
    /// # Errors
    /// If it does not hold together with what the session has.
    pub fn take(&mut self, statement: &Located) -> Result<Step> {
        self.step(statement).map_err(|error| placed(error, statement))
    }

    /// Takes one statement.
    ///
    /// # Errors
    /// If it does not hold together with what the session has.
    pub fn step(&mut self, located: &Located) -> Result<Step> {
        match &located.statement {
            Statement::CreateTable(declared) => {
                if declared.if_not_exists
                    && self.catalog.get(declared.name.parts.last().map_or("", String::as_str)).is_some()
                {
                    return Ok(Step::Done);
                }
                let table = declare::table(&self.catalog, &self.settings, declared)?;
                self.catalog.add(&declared.name, Entry::Table(Arc::new(table)), declared.if_not_exists)?;
                Ok(Step::Done)
            }
            Statement::CreateView(declared) => self.create_view(declared),
            Statement::Drop { view, if_exists, name, .. } => {
                self.catalog.drop(name, *view, *if_exists)?;
                Ok(Step::Done)
            }
            Statement::Insert(insert) => self.job(std::slice::from_ref(insert)).map(Step::Job),
            Statement::StatementSet(inserts) => self.job(inserts).map(Step::Job),
            Statement::Select(select) => self.select(select).map(Step::Job),
            Statement::Explain(explain) => self.explain(explain),
            Statement::Describe(name) => Ok(describe(self.catalog.find(name)?)),
            Statement::ShowTables { views } => {
                let shown = |(name, entry): (&str, &Entry)| {
                    (!views || matches!(entry, Entry::View(_))).then(|| vec![name.to_owned()])
                };
                let head = if *views { "view name" } else { "table name" };
                Ok(Step::Table { head: vec![head.into()], rows: self.catalog.entries().filter_map(shown).collect() })
            }
            Statement::ShowCreate { view, name } => match (self.catalog.find(name)?, view) {
                (Entry::Table(table), false) => Ok(Step::Text(create_table(table))),
                (Entry::View(view), true) => Ok(Step::Text(create_view(&view.declared))),
                (Entry::Table(_), true) => {
                    Err(SqlError::new(format!("'{name}' is a table")).at(name.location).hint("write SHOW CREATE TABLE"))
                }
                (Entry::View(_), false) => {
                    Err(SqlError::new(format!("'{name}' is a view")).at(name.location).hint("write SHOW CREATE VIEW"))
                }
            },
            Statement::Set(Some((key, value))) => self.settings.set(key, value).map(|()| Step::Done),
            Statement::Set(None) => {
                let rows = self.settings.listed().map(|(key, value)| vec![key.to_owned(), value.to_owned()]).collect();
                Ok(Step::Table { head: vec!["key".into(), "value".into()], rows })
            }
            Statement::Reset(key) => self.settings.reset(key.as_deref()).map(|()| Step::Done),
        }
    }

    fn create_view(&mut self, declared: &CreateView) -> Result<Step> {
        // Planned now, so that what is wrong is said here.
        let planned = plan::query(&self.catalog, &self.settings, &declared.select, &declared.columns)?;
        let schema = Arc::new(planned.schema().as_arrow().clone());
        let view = View { declared: declared.clone(), schema };
        self.catalog.add(&declared.name, Entry::View(Arc::new(view)), declared.if_not_exists)?;
        Ok(Step::Done)
    }

    fn select(&self, select: &Select) -> Result<Job> {
        let query = self.optimised(select)?;
        let result = Arc::new(query.schema().as_arrow().clone());
        let output = lower::Output { plan: query, sink: Sink::Collect, ttl: ttl(&select.hints)? };
        let plan = lower::lower(&[output], &self.settings)?;
        Ok(self.made(plan, Some(result)))
    }

    fn job(&self, inserts: &[Insert]) -> Result<Job> {
        let mut outputs = Vec::new();
        for insert in inserts {
            let output = self.output(insert)?;
            if let Some(late) = &insert.late {
                outputs.push(self.late_output(late, &output)?);
            }
            outputs.push(output);
        }
        Ok(self.made(lower::lower(&outputs, &self.settings)?, None))
    }

    /// `LATE TO name`: an INSERT of the late rows of the query's table.
    fn late_output(&self, name: &Name, output: &lower::Output) -> Result<lower::Output> {
        let tables = plan::timed_tables(&output.plan);
        let [table] = tables.as_slice() else {
            let found = if tables.is_empty() { "none".to_owned() } else { tables.join(", ") };
            return Err(SqlError::new(format!(
                "LATE TO wants a query of one table with a WATERMARK, and there is {found}"
            ))
            .at(name.location)
            .hint("read the late rows of each: INSERT INTO … SELECT * FROM t$late, in one STATEMENT SET"));
        };
        let parts = name.parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(".");
        let text = format!("INSERT INTO {parts} SELECT * FROM {}", quoted(&format!("{table}$late")));
        let statements = parse::parse(&text)?;
        match statements.first().map(|located| &located.statement) {
            Some(Statement::Insert(insert)) => self.output(&Insert { table: name.clone(), ..insert.clone() }),
            _ => Err(SqlError::unsupported("LATE TO").at(name.location)),
        }
    }

    fn made(&self, plan: Plan, result: Option<SchemaRef>) -> Job {
        Job { warnings: plan.warnings(), plan, result, settings: self.settings.clone() }
    }

    fn optimised(&self, select: &Select) -> Result<datafusion_expr::LogicalPlan> {
        let query = plan::query(&self.catalog, &self.settings, select, &[])?;
        plan::optimised(query, &self.settings)
    }

    fn output(&self, insert: &Insert) -> Result<lower::Output> {
        let name = &insert.table;
        let table = match self.catalog.find(name)? {
            Entry::Table(table) => plan::hinted(table, &insert.hints)?,
            Entry::View(_) => {
                return Err(SqlError::new(format!("'{name}' is a view; rows go into tables")).at(name.location));
            }
        };
        if table.connector.writes.is_none() {
            return Err(SqlError::new(format!("the table '{name}' cannot be written"))
                .at(name.location)
                .hint(format!("the connector '{}' reads only", table.connector.name)));
        }
        if insert.overwrite && !table.connector.overwrites {
            return Err(SqlError::new(format!("the table '{name}' cannot be overwritten")).at(name.location).hint(
                format!(
                    "the connector '{}' keeps nothing that could be replaced: write INSERT INTO",
                    table.connector.name
                ),
            ));
        }
        if !insert.partition.is_empty() {
            return Err(SqlError::unsupported("INSERT … PARTITION (column = value)")
                .at(name.location)
                .hint("select the value as a column"));
        }
        let written = table.written();
        let mut columns = written.clone();
        if !insert.columns.is_empty() {
            columns = Vec::new();
            for (column, location) in &insert.columns {
                let found = written.iter().copied().find(|index| table.columns[*index].name == *column);
                let names = written.iter().map(|index| table.columns[*index].name.as_str());
                let found = found.ok_or_else(|| {
                    SqlError::new(format!("'{name}' has no column '{column}' that can be written"))
                        .at(*location)
                        .maybe_hint(did_you_mean(column, names))
                })?;
                columns.push(found);
            }
            let left_out = written.iter().find(|index| !columns.contains(index) && !table.columns[**index].of.nullable);
            if let Some(left_out) = left_out {
                return Err(SqlError::new(format!(
                    "the column '{}' is NOT NULL and is not given",
                    table.columns[*left_out].name
                ))
                .at(name.location));
            }
        }
        let plan = self.optimised(&insert.select)?;
        let found = plan.schema().fields();
        if found.len() != columns.len() {
            let wanted: Vec<String> = columns
                .iter()
                .map(|index| format!("{} {}", table.columns[*index].name, table.columns[*index].of))
                .collect();
            return Err(SqlError::new(format!(
                "the query has {} columns, '{name}' wants {}",
                found.len(),
                columns.len()
            ))
            .at(name.location)
            .hint(format!("'{name}' takes ({})", wanted.join(", "))));
        }
        for (field, index) in found.iter().zip(&columns) {
            let column = &table.columns[*index];
            if !assignable(field.data_type(), &column.of) {
                let of = SqlType::from_arrow(field.data_type(), true);
                return Err(SqlError::new(format!(
                    "the query's column '{}' is {of}, '{name}.{}' is {}",
                    field.name(),
                    column.name,
                    column.of
                ))
                .at(name.location)
                .hint(format!(
                    "write CAST({} AS {})",
                    field.name(),
                    SqlType { nullable: true, ..column.of.clone() }
                )));
            }
        }
        let sink = Sink::Table { table, columns, overwrite: insert.overwrite };
        Ok(lower::Output { plan, sink, ttl: ttl(&insert.select.hints)? })
    }

    fn explain(&self, explain: &Explain) -> Result<Step> {
        let job = match explain.what.as_ref() {
            Statement::Insert(insert) => self.job(std::slice::from_ref(insert))?,
            Statement::StatementSet(inserts) => self.job(inserts)?,
            Statement::Select(select) => self.select(select)?,
            _ => return Err(SqlError::unsupported("EXPLAIN of this statement")),
        };
        let changes = explain.details.contains(&ExplainDetail::ChangelogMode);
        let mut text = format!(
            "== Optimized Physical Plan ==\n{}\n== State ==\n{}",
            job.plan.explain(changes),
            job.plan.explain_state()
        );
        if explain.details.contains(&ExplainDetail::PlanAdvice) {
            text.push_str("\n== Advice ==\n");
            for warning in &job.warnings {
                text.push_str(warning);
                text.push('\n');
            }
        }
        if explain.details.contains(&ExplainDetail::JsonExecutionPlan) {
            text.push_str("\n== Job ==\n");
            text.push_str(&job.plan.json());
        }
        Ok(Step::Text(text))
    }
}

/// Flink's implicit casts into a sink: among numbers, among strings, among times; anything into its own kind.
fn assignable(from: &arrow_schema::DataType, to: &SqlType) -> bool {
    use arrow_schema::DataType as D;
    let to = to.arrow();
    let text = |of: &D| matches!(of, D::Utf8 | D::Utf8View | D::LargeUtf8);
    *from == to
        || *from == D::Null
        || (from.is_numeric() && to.is_numeric())
        || (text(from) && text(&to))
        || matches!((from, &to), (D::Timestamp(..) | D::Date32, D::Timestamp(..)))
        || matches!((from, &to), (D::Struct(_), D::Struct(_)) | (D::List(_), D::List(_)) | (D::Map(..), D::Map(..)))
        || matches!((from, &to), (D::Binary | D::BinaryView, D::BinaryView))
}

/// STATE_TTL by table or alias.
fn ttl(hints: &[Hint]) -> Result<BTreeMap<String, Duration>> {
    let mut found: BTreeMap<String, Duration> = BTreeMap::new();
    for hint in hints {
        for (key, value) in &hint.options {
            let millis = duration_millis(value).ok_or_else(|| {
                SqlError::new(format!("STATE_TTL of '{key}' is '{value}', which is no duration"))
                    .at(hint.location)
                    .hint("write /*+ STATE_TTL('a' = '1d', 'b' = '2h') */")
            })?;
            let ttl = Duration::from_millis(millis.unsigned_abs());
            if found.insert(key.clone(), ttl).is_some_and(|other| other != ttl) {
                return Err(SqlError::unsupported(format!("two different STATE_TTL of '{key}' in one statement"))
                    .at(hint.location)
                    .hint("give the two tables different aliases"));
            }
        }
    }
    Ok(found)
}

/// An error without a place gets that of the first word in the statement that it names, else of the statement.
fn placed(error: SqlError, statement: &Located) -> SqlError {
    if error.position().is_some() {
        return error;
    }
    let message = error.message().to_owned();
    let quoted =
        message.split('\'').skip(1).step_by(2).flat_map(|name| [name, name.rsplit('.').next().unwrap_or(name)]);
    // Words in capitals are keywords and functions; they may be written small.
    let keywords = message
        .split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
        .filter(|word| word.len() > 2 && word.chars().all(|character| !character.is_ascii_lowercase()));
    let upper = statement.text.to_ascii_uppercase();
    let named = quoted
        .filter_map(|name| word_in(&statement.text, name))
        .chain(keywords.filter_map(|word| word_in(&upper, word)))
        .map(|at| crate::variables::location(&statement.text[..at]))
        .next();
    let start = statement.location;
    match named {
        Some(within) if within.line == 1 => error.at(datafusion_sql::sqlparser::tokenizer::Location {
            line: start.line,
            column: start.column + within.column - 1,
        }),
        Some(within) => error.at(datafusion_sql::sqlparser::tokenizer::Location {
            line: start.line + within.line - 1,
            column: within.column,
        }),
        None => error.at(start),
    }
}

/// Where a word first stands on its own in a text.
fn word_in(text: &str, word: &str) -> Option<usize> {
    let part = |character: char| character.is_alphanumeric() || character == '_' || character == '$';
    text.match_indices(word).map(|(at, _)| at).find(|at| {
        let before = text[..*at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !word.is_empty() && !before.is_some_and(part) && !after.is_some_and(part)
    })
}

fn describe(entry: &Entry) -> Step {
    let head = ["name", "type", "null", "key", "extras", "watermark"].map(str::to_owned).to_vec();
    let rows = match entry {
        Entry::View(view) => view
            .schema
            .fields()
            .iter()
            .map(|field| {
                let of = SqlType::from_arrow(field.data_type(), true);
                vec![
                    field.name().clone(),
                    of.to_string(),
                    field.is_nullable().to_string().to_uppercase(),
                    String::new(),
                    String::new(),
                    String::new(),
                ]
            })
            .collect(),
        Entry::Table(table) => (0..table.columns.len()).map(|index| described(table, index)).collect(),
    };
    Step::Table { head, rows }
}

fn described(table: &Table, index: usize) -> Vec<String> {
    let Column { name, of, source, .. } = &table.columns[index];
    let watermark = table.watermark.as_ref().filter(|watermark| watermark.column == index);
    let mut shown = SqlType { nullable: true, ..of.clone() }.to_string();
    if watermark.is_some() {
        shown.push_str(" *ROWTIME*");
    }
    let extras = match source {
        ColumnSource::Physical => String::new(),
        ColumnSource::Metadata { key, virtual_column } => {
            format!("METADATA FROM '{key}'{}", if *virtual_column { " VIRTUAL" } else { "" })
        }
        ColumnSource::Computed { text, .. } => format!("AS {text}"),
    };
    if extras.eq_ignore_ascii_case("AS PROCTIME()") {
        shown.push_str(" *PROCTIME*");
    }
    let keys: Vec<&str> = table.primary_key.iter().map(|key| table.columns[*key].name.as_str()).collect();
    let key = if table.primary_key.contains(&index) { format!("PRI({})", keys.join(", ")) } else { String::new() };
    let watermark = watermark.map_or_else(String::new, |watermark| watermark.text.clone());
    vec![name.clone(), shown, of.nullable.to_string().to_uppercase(), key, extras, watermark]
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn create_table(table: &Table) -> String {
    let mut parts: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let comment =
                column.comment.as_ref().map_or_else(String::new, |comment| format!(" COMMENT {}", literal(comment)));
            let of = match &column.source {
                ColumnSource::Physical => column.of.to_string(),
                ColumnSource::Metadata { key, virtual_column } => {
                    format!(
                        "{} METADATA FROM {}{}",
                        column.of,
                        literal(key),
                        if *virtual_column { " VIRTUAL" } else { "" }
                    )
                }
                ColumnSource::Computed { text, .. } => format!("AS {text}"),
            };
            format!("  {} {of}{comment}", quoted(&column.name))
        })
        .collect();
    if let Some(watermark) = &table.watermark {
        parts.push(format!("  WATERMARK FOR {} AS {}", quoted(&table.columns[watermark.column].name), watermark.text));
    }
    if !table.primary_key.is_empty() {
        let keys: Vec<String> = table.primary_key.iter().map(|key| quoted(&table.columns[*key].name)).collect();
        parts.push(format!("  PRIMARY KEY ({}) NOT ENFORCED", keys.join(", ")));
    }
    let mut text = format!(
        "CREATE {}TABLE {} (\n{}\n)",
        if table.temporary { "TEMPORARY " } else { "" },
        quoted(&table.name),
        parts.join(",\n")
    );
    if let Some(comment) = &table.comment {
        text.push_str(&format!("\nCOMMENT {}", literal(comment)));
    }
    if !table.partitioned_by.is_empty() {
        let names: Vec<String> = table.partitioned_by.iter().map(|name| quoted(name)).collect();
        text.push_str(&format!("\nPARTITIONED BY ({})", names.join(", ")));
    }
    let secret = |key: &str| ["password", "secret", "token"].iter().any(|word| key.contains(word));
    let options: Vec<String> = table
        .options
        .iter()
        .map(|(key, value)| {
            format!("  {} = {}", literal(key), if secret(key) { "'****'".to_owned() } else { literal(value) })
        })
        .collect();
    text.push_str(&format!("\nWITH (\n{}\n)", options.join(",\n")));
    text
}

fn create_view(declared: &CreateView) -> String {
    let names: Vec<String> = declared.columns.iter().map(|name| quoted(name)).collect();
    let columns = if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) };
    let temporary = if declared.temporary { "TEMPORARY " } else { "" };
    format!(
        "CREATE {temporary}VIEW {}{columns} AS\n{}",
        quoted(declared.name.parts.last().map_or("", String::as_str)),
        declared.text
    )
}

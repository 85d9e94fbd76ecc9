//! The tables and views of a session.
//!
//! Names are case-sensitive, as in Flink. A view is planned when it is made, and again when it is used.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion_expr::Expr;

use crate::connector::Connector;
use crate::error::{Result, SqlError, did_you_mean};
use crate::statement::{CreateView, Name};
use crate::types::SqlType;

/// A table with all that is known of it.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Whether it lives as long as the session.
    pub temporary: bool,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// All columns in Arrow's types.
    pub schema: SchemaRef,
    /// Its watermark.
    pub watermark: Option<Watermark>,
    /// The columns of its key.
    pub primary_key: Vec<usize>,
    /// What it is about.
    pub comment: Option<String>,
    /// The columns by which it is split.
    pub partitioned_by: Vec<String>,
    /// Its options, `connector` among them.
    pub options: BTreeMap<String, String>,
    /// Its connector.
    pub connector: &'static Connector,
    /// What it is beside another table, if it is.
    pub aside: Option<(Aside, Arc<Table>)>,
}

/// What became of rows of a table that a job could not use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aside {
    /// `t$late`: rows that came too late for a window.
    Late,
    /// `t$errors`: records that could not be read.
    Errors,
}

impl Aside {
    /// All, with what stands behind a table's name for each.
    const SUFFIXES: [(&'static str, Self); 2] = [("$late", Self::Late), ("$errors", Self::Errors)];

    /// The table's name and what is meant of it.
    fn of(name: &str) -> Option<(&str, Self)> {
        Self::SUFFIXES.iter().find_map(|(suffix, aside)| Some((name.strip_suffix(suffix)?, *aside)))
    }
}

/// A column of a table.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub of: SqlType,
    /// What it is about.
    pub comment: Option<String>,
    /// What it holds.
    pub source: ColumnSource,
}

/// What a column holds.
#[derive(Debug, Clone)]
pub enum ColumnSource {
    /// A value of the record.
    Physical,
    /// A value beside it.
    Metadata {
        /// The connector's name for it.
        key: String,
        /// Whether it is left out when writing.
        virtual_column: bool,
    },
    /// A value computed from the others.
    Computed {
        /// Over the columns that are not computed, by name.
        expression: Box<Expr>,
        /// As it was written.
        text: String,
    },
}

/// A table's watermark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// The column of the event time.
    pub column: usize,
    /// How far it is behind the greatest event time, in milliseconds.
    pub delay: i64,
    /// As it was written.
    pub text: String,
}

impl Table {
    /// The schema of these columns.
    #[must_use]
    pub fn schema_of(columns: &[Column]) -> SchemaRef {
        let fields: Vec<Field> = columns.iter().map(|column| column.of.field(&column.name)).collect();
        Arc::new(Schema::new(fields))
    }

    /// The rows of this table that a job could not use, as a table.
    #[must_use]
    pub fn aside(self: &Arc<Self>, aside: Aside) -> Self {
        let (suffix, _) = Aside::SUFFIXES[aside as usize];
        let columns: Vec<Column> = match aside {
            // A row that was late is no row of any time any more: the watermark has passed it.
            Aside::Late => self.columns.clone(),
            Aside::Errors => {
                let column = |name: &str, of: DataType| Column {
                    name: name.to_owned(),
                    of: SqlType::from_arrow(&of, false),
                    comment: None,
                    source: ColumnSource::Physical,
                };
                let number = |name| column(name, DataType::Int64);
                let text = |name| column(name, DataType::Utf8View);
                vec![text("file"), number("line"), number("column"), number("offset"), text("reason"), text("raw")]
            }
        };
        Self {
            name: format!("{}{suffix}", self.name),
            schema: Self::schema_of(&columns),
            columns,
            watermark: None,
            primary_key: Vec::new(),
            aside: Some((aside, Arc::clone(self))),
            ..Self::clone(self)
        }
    }

    /// The columns that a query writes, in order: neither computed nor virtual.
    #[must_use]
    pub fn written(&self) -> Vec<usize> {
        let written = |column: &Column| {
            matches!(column.source, ColumnSource::Physical | ColumnSource::Metadata { virtual_column: false, .. })
        };
        (0..self.columns.len()).filter(|index| written(&self.columns[*index])).collect()
    }
}

/// A view as it was made.
#[derive(Debug, Clone)]
pub struct View {
    /// What was written.
    pub declared: CreateView,
    /// Its columns.
    pub schema: SchemaRef,
}

/// A table or a view.
#[derive(Debug, Clone)]
pub enum Entry {
    /// A table.
    Table(Arc<Table>),
    /// A view.
    View(Arc<View>),
}

/// The name of the only catalog.
pub const CATALOG: &str = "default_catalog";
/// The name of the only database.
pub const DATABASE: &str = "default_database";

/// The tables and views of a session, by name.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    entries: BTreeMap<String, Entry>,
}

impl Catalog {
    /// What has this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// What has this name.
    ///
    /// # Errors
    /// If nothing has, with the nearest name.
    pub fn find(&self, name: &Name) -> Result<&Entry> {
        let bare = bare(name)?;
        self.get(bare).ok_or_else(|| self.missing(bare).at(name.location))
    }

    /// What is beside a table, by a name such as `t$late`.
    #[must_use]
    pub fn aside(&self, name: &str) -> Option<(Arc<Table>, Aside)> {
        let (base, aside) = Aside::of(name)?;
        match self.get(base)? {
            Entry::Table(table) => Some((Arc::clone(table), aside)),
            Entry::View(_) => None,
        }
    }

    /// That nothing has this name.
    #[must_use]
    pub fn missing(&self, name: &str) -> SqlError {
        SqlError::new(format!("there is no table or view '{name}'"))
            .maybe_hint(did_you_mean(name, self.names()))
            .hint("make it with CREATE TABLE or CREATE VIEW")
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.entries.keys().map(String::as_str)
    }

    /// Tables and views, in order of their names.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// Adds a table or a view. Does nothing if there is one and `if_not_exists`.
    ///
    /// # Errors
    /// If there is one of this name.
    pub fn add(&mut self, name: &Name, entry: Entry, if_not_exists: bool) -> Result<()> {
        let bare = bare(name)?;
        if self.entries.contains_key(bare) {
            if if_not_exists {
                return Ok(());
            }
            return Err(SqlError::new(format!("a table or view '{bare}' exists already"))
                .at(name.location)
                .hint(format!("write CREATE … IF NOT EXISTS, or DROP it first, or take another name than '{bare}'")));
        }
        self.entries.insert(bare.to_owned(), entry);
        Ok(())
    }

    /// Takes a table or a view away.
    ///
    /// # Errors
    /// If there is none and not `if_exists`, or it is the other of the two.
    pub fn drop(&mut self, name: &Name, view: bool, if_exists: bool) -> Result<()> {
        let bare = bare(name)?;
        match (self.entries.get(bare), view) {
            (Some(Entry::Table(_)), false) | (Some(Entry::View(_)), true) => {
                self.entries.remove(bare);
                Ok(())
            }
            (Some(_), _) => {
                let (is, wanted) = if view { ("table", "TABLE") } else { ("view", "VIEW") };
                Err(SqlError::new(format!("'{bare}' is a {is}"))
                    .at(name.location)
                    .hint(format!("write DROP {wanted} {bare}")))
            }
            (None, _) if if_exists => Ok(()),
            (None, _) => Err(self.missing(bare).at(name.location)),
        }
    }
}

/// The last part of a name, after a look at the others.
///
/// # Errors
/// If they name another catalog or database than the default.
pub fn bare(name: &Name) -> Result<&str> {
    let wrong = |what: &str, found: &str, is: &str| {
        SqlError::new(format!("there is no {what} '{found}'"))
            .at(name.location)
            .hint(format!("the only {what} is '{is}'"))
    };
    match name.parts.as_slice() {
        [table] => Ok(table),
        [database, table] if database == DATABASE => Ok(table),
        [database, _] => Err(wrong("database", database, DATABASE)),
        [catalog, database, table] if catalog == CATALOG && database == DATABASE => Ok(table),
        [catalog, ..] if catalog != CATALOG => Err(wrong("catalog", catalog, CATALOG)),
        [_, database, ..] => Err(wrong("database", database, DATABASE)),
        [] => Err(SqlError::new("a name is empty").at(name.location)),
    }
}

//! Rows with the bounds of their windows, one row a window.

use std::fmt;
use std::sync::Arc;

use arrow_schema::SchemaRef;
use yeoul_operator::{Operator, OperatorError};

use super::{Window, WindowTime};

/// Adds window columns to rows, one row a window.
#[derive(Debug, Clone)]
pub struct WindowAssign {
    /// How time is cut.
    pub window: Window,
    /// Which time is cut.
    pub time: WindowTime,
    /// The session's key.
    pub keys: Vec<usize>,
    /// What comes in.
    pub input_schema: SchemaRef,
    /// What comes out: the input's columns, then the window's start, end and time.
    pub schema: SchemaRef,
}

impl fmt::Display for WindowAssign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WindowTableFunction(window=[{}])", self.window)
    }
}

impl WindowAssign {
    /// An instance.
    ///
    /// # Errors
    /// A window that is none.
    pub fn operator(self: Arc<Self>) -> Result<Box<dyn Operator>, OperatorError> {
        crate::refusal::not_supported(&self)
    }
}

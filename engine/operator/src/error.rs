//! What an operator reports when it cannot go on.

use std::error::Error;
use std::fmt;

/// Why an operator failed: what failed with which value, then what to do about it.
///
/// The runtime adds the operator's name and subtask.
///
/// ```
/// use yeoul_operator::OperatorError;
///
/// let cause = "x".parse::<u16>().unwrap_err();
/// let error = OperatorError::new("port 'x' is no number").caused_by(cause).hint("give one from 1 to 65535").permanent();
/// assert_eq!(error.to_string(), "port 'x' is no number: invalid digit found in string\n  hint: give one from 1 to 65535");
/// assert!(error.is_permanent());
/// ```
#[derive(Debug)]
pub struct OperatorError {
    what: String,
    hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
    permanent: bool,
}

impl OperatorError {
    /// An error that says `what` failed, with which value.
    ///
    /// ```
    /// use yeoul_operator::OperatorError;
    /// assert_eq!(OperatorError::new("reading 7 has no sensor").to_string(), "reading 7 has no sensor");
    /// ```
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), hint: None, source: None, permanent: false }
    }

    /// Adds what the reader can do.
    ///
    /// ```
    /// use yeoul_operator::OperatorError;
    /// let error = OperatorError::new("reading 7 has no sensor").hint("register it first");
    /// assert_eq!(error.to_string(), "reading 7 has no sensor\n  hint: register it first");
    /// ```
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the error that lies below.
    ///
    /// ```
    /// use std::error::Error;
    /// use yeoul_operator::OperatorError;
    ///
    /// let error = OperatorError::new("'x' is no number").caused_by("x".parse::<u16>().unwrap_err());
    /// assert_eq!(error.source().unwrap().to_string(), "invalid digit found in string");
    /// ```
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says that another attempt would end the same way (a setting that cannot be, state of another operator): the job is not restarted.
    ///
    /// ```
    /// use yeoul_operator::OperatorError;
    /// let error = OperatorError::new("a window of 0 ms").permanent();
    /// assert!(error.is_permanent());
    /// ```
    #[must_use]
    pub fn permanent(mut self) -> Self {
        self.permanent = true;
        self
    }

    /// Whether another attempt would end the same way.
    ///
    /// ```
    /// use yeoul_operator::OperatorError;
    /// // It may be there again when the job has been restarted.
    /// assert!(!OperatorError::new("the database does not answer").is_permanent());
    /// ```
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }
}

impl fmt::Display for OperatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl Error for OperatorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

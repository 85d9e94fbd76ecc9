//! The `yeoul` binary: `yeoul run FILE…` runs SQL scripts.
//!
//! Exit status: 0 if all went well, 1 if a job failed, 2 if the command line or a script is wrong.

mod arguments;
mod folder;
mod place;
mod run;
mod script;
mod summary;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use yeoul::allocator::{MiMalloc, keep_freed};

use arguments::Command;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long memory that was freed is kept to be used again.
const KEPT_FREE: Duration = Duration::from_secs(10);

/// A job failed.
const FAILED: u8 = 1;
/// The command line or a script is wrong.
const REFUSED: u8 = 2;

/// Puts text out. A reader that is gone misses it, and that is no failure.
fn show(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Why the program ends with another status than 0.
#[derive(Debug)]
enum Failure {
    /// A job failed.
    Job(String),
    /// The command line or a script is wrong.
    Refused(String),
}

fn main() -> ExitCode {
    keep_freed(KEPT_FREE);
    let result = match arguments::given(std::env::args_os().skip(1)).and_then(arguments::parse) {
        Ok(Command::Help(text)) => {
            show(&text);
            Ok(())
        }
        Ok(Command::Run(options)) => run::run(&options),
        Err(message) => Err(Failure::Refused(message)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Job(message)) => {
            eprintln!("yeoul: {message}");
            ExitCode::from(FAILED)
        }
        Err(Failure::Refused(message)) => {
            eprintln!("yeoul: {message}");
            ExitCode::from(REFUSED)
        }
    }
}

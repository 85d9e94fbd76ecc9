//! Jobs over real data: a month of flights from New York, and the bids of an online auction.
//!
//! Each job is a function from an environment to its graph; the programs in `bin/` run them, the tests check them against plain
//! sequential programs.

pub mod records;
pub mod options;
pub mod jobs;
pub mod training;

use std::process::ExitCode;

use yeoul::{Environment, Outcome};

use options::Options;

/// The body of an example's `main`: reads the command line, builds the job, runs it, says where the results are.
pub fn run(job: &str, input: &str, build: fn(&Environment, &Options)) -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1), input, &format!("out/{job}")) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    if options.labels {
        yeoul::sys::failpoint::labels().iter().for_each(|label| println!("{label}"));
        return ExitCode::SUCCESS;
    }
    let env = options.environment(job);
    build(&env, &options);
    match env.execute() {
        Ok(Outcome::Finished) => {
            println!("{job}: results are in {}", options.out.display());
            ExitCode::SUCCESS
        }
        Ok(outcome) => {
            println!("{job}: {outcome:?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{job}: {error}");
            ExitCode::FAILURE
        }
    }
}

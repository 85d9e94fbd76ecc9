//! The NEXMark queries against Flink's answers: `ci/nexmark [--kills N] [--binary PATH] [query …]`.
//!
//! Each query runs on 1, 2 and 4 shards, and once more while it is killed and started again; its final table is compared, byte
//! for byte. Prints a table; exits with 1 if any answer is wrong. Where the answers lie, the environment variable
//! YEOUL_NEXMARK tells; without it nothing is run, and that is said.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use yeoul::sys::Random;
use yeoul_ci::nexmark::answers::Answers;
use yeoul_ci::nexmark::sequential;
use yeoul_ci::nexmark::trial::{Given, Runner};

/// The variable that names the folder of the answers.
const FOLDER: &str = "YEOUL_NEXMARK";
const SHARDS: [u16; 3] = [1, 2, 4];
/// Ties are broken by arrival, for patterns among bids of one bidder with one time: the file is read in its order, as one split.
const ORDERED: [&str; 5] = ["q18", "q19", "cep_q0", "cep_q1", "cep_q2"];
/// Queries to which Flink gives no answer, and what is wrong with a table of theirs, if anything.
const OWN: [(&str, fn(&str, &str) -> Option<String>); 2] = [("q6", sequential::q6), ("q12", sequential::q12)];
/// So that a process that is killed soon has something to go on from.
const INTERVAL: &str = "10 ms";

struct Options {
    kills: u32,
    binary: Option<PathBuf>,
    queries: Vec<String>,
}

fn options() -> Result<Options, String> {
    let mut options = Options { kills: 10, binary: None, queries: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{name} needs a value"));
        match name.as_str() {
            "--kills" => {
                options.kills = value()?.parse().map_err(|_| "--kills needs a number".to_owned())?;
            }
            "--binary" => options.binary = Some(value()?.into()),
            query if !query.starts_with('-') => options.queries.push(query.to_owned()),
            _ => return Err(format!("unknown option '{name}'; there are --kills, --binary and names of queries")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let result = options().and_then(|options| compare(&options).map_err(|error| error.to_string()));
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("nexmark: {message}");
            ExitCode::from(2)
        }
    }
}

fn compare(options: &Options) -> std::io::Result<bool> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("ci lies in the workspace").to_owned();
    let Some(folder) = std::env::var_os(FOLDER) else {
        println!("nexmark: {FOLDER} names no folder with events and Flink's answers: nothing is compared");
        return Ok(true);
    };
    let answers = Answers::open(Path::new(&folder))?;
    let binary = match &options.binary {
        Some(binary) => binary.clone(),
        None => std::env::current_exe()?.with_file_name("yeoul"),
    };
    let work = std::env::temp_dir().join(format!("yeoul-nexmark-{}", std::process::id()));
    std::fs::create_dir_all(&work)?;
    let events = work.join("events.ndjson");
    answers.unpack_events(&events)?;
    let settings = vec![
        ("SIDE_INPUT".to_owned(), answers.side_input().display().to_string()),
        ("execution.checkpointing.interval".to_owned(), INTERVAL.to_owned()),
    ];
    let runner = Runner { binary, folder: work.join("run"), settings };
    let mut random = Random::new(1);
    let own = OWN.iter().map(|(query, _)| (*query).to_owned());
    let queries = if options.queries.is_empty() {
        answers.queries().into_iter().chain(own).collect()
    } else {
        options.queries.clone()
    };
    let text = std::fs::read_to_string(&events)?;
    println!("{:<8} {:>9} {:>9} {:>9}  {:>11}  ms on 1 shard", "query", "1 shard", "2 shards", "4 shards", "killed");
    let (mut right, mut wrong) = (0, Vec::new());
    for query in &queries {
        let script = root.join(format!("examples/nexmark/{query}.sql"));
        let packed = answers.packed_events();
        let events = if ORDERED.contains(&query.as_str()) { &packed } else { &events };
        let mut cells = Vec::new();
        let mut first = Duration::ZERO;
        let mut said = None;
        let mut judge = |given: &Given| -> std::io::Result<bool> {
            let difference = match &given.table {
                Ok(table) => match OWN.iter().find(|(own, _)| own == query) {
                    Some((_, wrong)) => wrong(&text, &String::from_utf8_lossy(table)),
                    None => answers.difference(query, table)?,
                },
                Err(message) => Some(message.clone()),
            };
            let is_right = difference.is_none();
            said = said.take().or(difference);
            Ok(is_right)
        };
        for shards in SHARDS {
            let given = runner.run(&script, events, shards)?;
            if shards == 1 {
                first = given.took;
            }
            cells.push(if judge(&given)? { "right" } else { "WRONG" });
            if given.table.is_err() {
                break;
            }
        }
        if options.kills > 0 && cells.len() == SHARDS.len() {
            let all = runner.run_killed(&script, events, 2, options.kills, first, &mut random)?;
            let judged = all.iter().map(&mut judge).collect::<std::io::Result<Vec<bool>>>()?;
            cells.push(if judged.into_iter().all(|right| right) { "right" } else { "WRONG" });
        }
        cells.resize(4, "-");
        println!("{query:<8} {:>9} {:>9} {:>9}  {:>11}  {}", cells[0], cells[1], cells[2], cells[3], first.as_millis());
        match said {
            None => right += 1,
            Some(said) => {
                let line: String = said.chars().take(600).collect();
                println!("    {line}");
                wrong.push(query.clone());
            }
        }
    }
    println!("{right} of {} queries are right", queries.len());
    std::fs::remove_dir_all(&work)?;
    Ok(wrong.is_empty())
}

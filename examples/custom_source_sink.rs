//! A source and an exactly-once sink of one's own: `cargo run --example custom_source_sink -- docs out/lines`.

use std::{fs, io, path::PathBuf, sync::Arc};

use yeoul::{frame::Epoch, prelude::*, sys::Storage};

/// Reads lines: each file of a folder is a split, and a position in it is a number of lines.
pub struct Folder(pub PathBuf);

impl SplitSource for Folder {
    type Split = String;
    type Reader = IterReader<std::vec::IntoIter<String>>;

    fn splits(&self, _: &ReaderContext) -> Result<Vec<String>, OperatorError> {
        let files = fs::read_dir(&self.0).map_err(failed)?;
        files.map(|file| Ok(file.map_err(failed)?.path().display().to_string())).collect()
    }

    fn open(&self, file: &String, from: Option<u64>, _: &ReaderContext) -> Result<Self::Reader, OperatorError> {
        let lines: Vec<String> = fs::read_to_string(file).map_err(failed)?.lines().map(str::to_owned).collect();
        Ok(IterReader::new(lines, from))
    }
}

/// Shows each epoch's lines as one file. Its name is the marker, so one rename shows both.
pub struct Epochs(pub Arc<dyn Storage>);

impl EpochTarget for Epochs {
    type In = String;

    fn recover(&mut self, _: Epoch) -> Result<Epoch, OperatorError> {
        let names = self.0.list("").map_err(failed)?;
        Ok(names.iter().filter_map(|file| file.name.parse().ok().map(Epoch)).max().unwrap_or_default())
    }

    fn deliver(&mut self, epoch: Epoch, lines: Vec<String>) -> Result<(), OperatorError> {
        if epoch <= self.recover(epoch)? {
            return Ok(());
        }
        let unfinished = format!("{}.unfinished", epoch.0);
        let file = self.0.create(&unfinished).or_else(|_| self.0.open(&unfinished)).map_err(failed)?;
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        file.set_len(0).and_then(|()| file.write_at(text.as_bytes(), 0)).map_err(failed)?;
        file.sync_data().and_then(|()| self.0.rename(&unfinished, &epoch.0.to_string())).map_err(failed)?;
        self.0.sync_dir("").map_err(failed)
    }
}

fn failed(error: io::Error) -> OperatorError {
    OperatorError::new("a file of lines cannot be read or written").caused_by(error)
}

fn main() -> Result<(), yeoul::Error> {
    let [from, to] = [1, 2].map(|at| PathBuf::from(std::env::args().nth(at).expect("two folders: from and to")));
    let env = Environment::new("lines");
    let lines = env.from_source(Folder(from).into_source(), WatermarkStrategy::no_watermarks(), "folder");
    lines.sink_to(ExactlyOnce::new(move |services| Ok(Epochs(services.files.results(&to).map_err(failed)?))));
    env.execute().map(|outcome| println!("{outcome:?}"))
}

//! The simulated disk as the engine's services see it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use yeoul_operator::Files;
use yeoul_sys::Storage;

use crate::disk::SimProcess;

impl Files for SimProcess {
    fn folder(&self, folder: &Path) -> io::Result<Arc<dyn Storage>> {
        let path = folder.to_str().ok_or_else(|| io::Error::other(format!("{} is not UTF-8", folder.display())))?;
        Ok(SimProcess::folder(self, path.trim_start_matches("./").trim_matches('.')))
    }
}

//! Files of the machine by their whole path: scripts, final tables, folders to remove.
//!
//! The engine's storage knows trees below a root; here a path is split into a folder and a name in it.

use std::io;
use std::path::Path;

use yeoul::operator::Services;
use yeoul::sys::Storage;

/// A path's folder and its name there.
fn split(path: &Path) -> io::Result<(&Path, &str)> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, format!("'{}' names no file", path.display()));
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(wrong)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((folder, name))
}

/// All bytes of a file.
pub(crate) fn read(services: &Services, path: &Path) -> io::Result<Vec<u8>> {
    let (folder, name) = split(path)?;
    let file = services.files.existing(folder)?.open(name)?;
    let mut bytes = vec![0; file.len()? as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Makes a file, in place of one that is there, which is whole at any moment.
pub(crate) fn write(services: &Services, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (folder, name) = split(path)?;
    let storage = services.files.results(folder)?;
    let fresh = format!(".{name}.new");
    if let Err(error) = storage.remove(&fresh)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let file = storage.create(&fresh)?;
    file.write_at(bytes, 0)?;
    file.sync_data()?;
    storage.rename(&fresh, name)?;
    storage.sync_dir("")
}

/// Whether there is something of this path. Not to be able to look is no answer.
pub(crate) fn exists(services: &Services, path: &Path) -> io::Result<bool> {
    let (folder, name) = split(path)?;
    match services.files.existing(folder).and_then(|storage| storage.entry(name)) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a file can be made there, found out by making one beside it.
pub(crate) fn check_writable(services: &Services, path: &Path) -> io::Result<()> {
    let (folder, name) = split(path)?;
    let storage = services.files.results(folder)?;
    if storage.entry(name).is_ok_and(|entry| entry.is_dir) {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    let fresh = format!(".{name}.new");
    match storage.remove(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => drop(storage.create(&fresh)?),
    }
    storage.remove(&fresh)
}

/// Removes a folder and all that is below it, if it is there.
pub(crate) fn remove_tree(services: &Services, path: &Path) -> io::Result<()> {
    if !exists(services, path)? {
        return Ok(());
    }
    let (folder, name) = split(path)?;
    let storage = services.files.folder(folder)?;
    remove_below(&*storage, name)?;
    storage.sync_dir("")
}

fn remove_below(storage: &dyn Storage, path: &str) -> io::Result<()> {
    match storage.list(path) {
        Ok(entries) => {
            for entry in entries {
                remove_below(storage, &format!("{path}/{}", entry.name))?;
            }
        }
        // A file has nothing below it.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::NotFound) => {}
        Err(error) => return Err(error),
    }
    storage.remove(path)
}

//! The disk keeps the promises of `Storage`, refuses what it must, and says why.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use yeoul_sys::{DiskStorage, Storage};

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("yeoul-sys-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_lives_from_create_to_remove() {
    let folder = Folder::new("life");
    let storage = DiskStorage::new(&folder.0).unwrap();
    storage.create_dir_all("a/b").unwrap();
    let file = storage.create("a/b/one").unwrap();
    assert_eq!(storage.create("a/b/one").err().unwrap().kind(), ErrorKind::AlreadyExists);
    assert!(file.is_empty().unwrap());
    assert!(file.map().unwrap().is_empty());
    file.write_at(b"hello", 3).unwrap();
    file.sync_data().unwrap();
    storage.sync_dir("a/b").unwrap();
    assert_eq!(&file.map().unwrap()[..], b"\0\0\0hello");

    let again = storage.open("a/b/one").unwrap();
    let mut buf = [0; 16];
    assert_eq!(again.read_at(&mut buf, 3).unwrap(), 5);
    assert_eq!(again.read_at(&mut buf, 8).unwrap(), 0);
    again.read_exact_at(&mut buf[..5], 3).unwrap();
    assert_eq!(&buf[..5], b"hello");
    assert_eq!(again.read_exact_at(&mut buf, 0).unwrap_err().kind(), ErrorKind::UnexpectedEof);

    again.allocate(100).unwrap();
    assert_eq!(again.len().unwrap(), 100);
    again.allocate(50).unwrap();
    assert_eq!(again.len().unwrap(), 100);
    again.set_len(8).unwrap();
    let region = again.map().unwrap();
    region.advise_sequential();
    region.slice(3..8).advise_will_need();
    assert!(region.is_mapped());

    storage.create("a/two").unwrap().write_at(b"2", 0).unwrap();
    storage.rename("a/b/one", "a/two").unwrap();
    // The mapping outlives the name.
    assert_eq!(&region[3..], b"hello");
    let entries = storage.list("a").unwrap();
    assert_eq!(entries.iter().map(|e| (e.name.as_str(), e.is_dir)).collect::<Vec<_>>(), [("b", true), ("two", false)]);
    assert_eq!(entries[1].len, 8);
    assert!(entries[1].modified > 1_577_836_800_000);
    storage.remove("a/two").unwrap();
    storage.remove("a/b").unwrap();
    assert!(storage.list("a").unwrap().is_empty());
    assert_eq!(storage.list("gone").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn paths_stay_below_the_root_and_errors_name_them() {
    let folder = Folder::new("paths");
    let storage = DiskStorage::new(&folder.0).unwrap();
    for path in ["../x", "/etc/passwd", "a/../../x"] {
        let error = storage.open(path).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{path}");
        assert!(error.to_string().contains(path), "{error}");
    }
    let error = storage.open("absent").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().starts_with(&format!("cannot open {}/absent: ", folder.0.display())), "{error}");
    assert!(std::error::Error::source(&error).is_some() || error.get_ref().is_some());
    assert_eq!(DiskStorage::existing(folder.0.join("absent")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn what_is_made_is_its_owners_alone() {
    let folder = Folder::new("modes");
    let storage = DiskStorage::new(&folder.0).unwrap();
    storage.create_dir_all("in").unwrap();
    drop(storage.create("in/file").unwrap());
    let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.0.clone()), 0o700);
    assert_eq!(mode(folder.0.join("in")), 0o700);
    assert_eq!(mode(folder.0.join("in/file")), 0o600);
}

#[test]
fn a_lock_excludes_names_its_holder_and_ends_with_its_guard() {
    let folder = Folder::new("lock");
    let storage = DiskStorage::new(&folder.0).unwrap();
    let guard = storage.lock("LOCK").unwrap();
    let refused = storage.lock("LOCK").err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
    drop(guard);
    drop(storage.lock("LOCK").unwrap());
}

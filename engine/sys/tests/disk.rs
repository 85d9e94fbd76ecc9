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

/// As what any other program of the user makes.
#[test]
fn results_have_the_modes_that_the_umask_leaves() {
    let folder = Folder::new("umask");
    let storage = DiskStorage::results(&folder.0).unwrap();
    storage.create_dir_all("in").unwrap();
    drop(storage.create("in/file").unwrap());
    std::fs::create_dir(folder.0.join("plain")).unwrap();
    std::fs::File::create(folder.0.join("plain/file")).unwrap();
    let mode = |path: &str| std::fs::metadata(folder.0.join(path)).unwrap().permissions().mode();
    assert_eq!((mode("in"), mode("in/file")), (mode("plain"), mode("plain/file")));
    assert_eq!(mode(""), mode("plain"));
}

#[test]
fn input_is_opened_for_reading_only() {
    let folder = Folder::new("input");
    std::fs::create_dir(&folder.0).unwrap();
    std::fs::write(folder.0.join("file"), "text").unwrap();
    let storage = DiskStorage::existing(&folder.0).unwrap();
    let file = storage.open("file").unwrap();
    assert_eq!(file.len().unwrap(), 4);
    assert!(file.write_at(b"x", 0).is_err());
    assert_eq!(std::fs::read(folder.0.join("file")).unwrap(), b"text");
}

#[test]
fn an_entry_is_what_its_folder_lists() {
    let folder = Folder::new("entry");
    let storage = DiskStorage::new(&folder.0).unwrap();
    storage.create_dir_all("a").unwrap();
    storage.create("a/one").unwrap().write_at(b"1", 0).unwrap();
    assert_eq!(storage.entry("a/one").unwrap(), storage.list("a").unwrap()[0]);
    assert!(storage.entry("a").unwrap().is_dir);
    assert_eq!(storage.entry("b").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_lock_never_writes_over_what_is_no_lock() {
    let folder = Folder::new("foreign-lock");
    let storage = DiskStorage::new(&folder.0).unwrap();
    for text in ["12 monkeys", "123456789012"] {
        std::fs::write(folder.0.join("data"), text).unwrap();
        let error = storage.lock("data").err().unwrap();
        assert!(error.to_string().contains("is no lock file"), "{error}");
        assert_eq!(std::fs::read_to_string(folder.0.join("data")).unwrap(), text);
    }
    std::fs::write(folder.0.join("target"), "").unwrap();
    std::os::unix::fs::symlink(folder.0.join("target"), folder.0.join("LOCK")).unwrap();
    assert!(storage.lock("LOCK").is_err());
    assert_eq!(std::fs::read_to_string(folder.0.join("target")).unwrap(), "");
}

/// One holds it at a time, although each removes the file.
#[test]
fn a_lock_whose_file_is_removed_excludes_all_the_same() {
    let folder = Folder::new("removed-lock");
    let storage = DiskStorage::new(&folder.0).unwrap();
    let inside = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut held = 0;
                while held < 300 {
                    let Ok(guard) = storage.lock("LOCK") else { continue };
                    assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0, "two hold the lock");
                    std::thread::yield_now();
                    inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    storage.remove("LOCK").unwrap();
                    drop(guard);
                    held += 1;
                }
            });
        }
    });
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

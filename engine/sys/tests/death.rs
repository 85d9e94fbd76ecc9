//! What ends a process: bus errors on mapped files, and armed failpoints. Each case runs in a child of its own.
#![deny(unsafe_code)]

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

use yeoul_sys::{DiskStorage, Storage, crashpoint, failpoint, sigbus};

const CASE: &str = "YEOUL_TEST_CASE";

/// Runs this file's `child` test in a process of its own.
fn child(case: &str, trigger: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child", "--nocapture", "--test-threads=1"])
        .env(CASE, case)
        .env(failpoint::VARIABLE, trigger)
        .output()
        .unwrap()
}

fn steps() -> std::io::Result<()> {
    for _ in 0..3 {
        failpoint!("death.step")?;
        crashpoint!("death.silent-step");
        eprintln!("step done");
    }
    Ok(())
}

#[test]
fn the_child() {
    match std::env::var(CASE).as_deref() {
        Ok("steps") => eprintln!("{:?}", steps()),
        Ok("bus error") => {
            sigbus::install();
            let folder = std::env::temp_dir().join(format!("yeoul-sys-death-{}", std::process::id()));
            let storage = DiskStorage::new(&folder).unwrap();
            let file = storage.create("segment-7").unwrap();
            file.set_len(20_000).unwrap();
            let region = file.map().unwrap();
            file.set_len(0).unwrap();
            std::fs::remove_dir_all(&folder).unwrap();
            eprintln!("read {}", region[10_000]);
        }
        Ok("foreign bus error") => {
            // Sent, not raised by a mapped file: the first takes our handler away, the second std's, the third ends the process.
            sigbus::install();
            for _ in 0..3 {
                Command::new("kill").args(["-BUS", &std::process::id().to_string()]).status().unwrap();
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            eprintln!("survived");
        }
        _ => {}
    }
}

#[test]
fn a_bus_error_names_the_file_and_exits() {
    let output = child("bus error", "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(sigbus::EXIT_STATUS), "{said}");
    assert!(said.contains("bus error at byte 10000 of the mapped file ") && said.contains("/segment-7: "), "{said}");
}

#[test]
fn other_bus_errors_end_the_process_as_before() {
    let output = child("foreign bus error", "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(7), "{said}");
}

#[test]
fn a_failpoint_acts_on_the_arrival_that_was_asked_for() {
    let steps_done = |output: &Output| String::from_utf8_lossy(&output.stderr).matches("step done").count();
    let check = |trigger: &str, done: usize, said: &str, signal: Option<i32>| {
        let output = child("steps", trigger);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!((steps_done(&output), output.status.signal()), (done, signal), "{trigger}: {text}");
        assert!(text.contains(said), "{trigger}: {text}");
    };
    check("", 3, "Ok(())", None);
    check("death.step:2", 1, "", Some(9));
    check("death.step:3:kill", 2, "", Some(9));
    check("death.step:4:kill", 3, "Ok(())", None);
    check("death.step:1:error", 0, "failpoint death.step: this error was asked for", None);
    check("death.step:9,death.silent-step:2:panic", 1, "failpoint death.silent-step: this panic", None);
    check("death.silent-step:1:error", 0, "no way to return an error", None);
    check("death.stepp:1", 0, "no failpoint \"death.stepp\"", None);
}

#[test]
fn every_label_is_listed_reached_or_not() {
    let labels = failpoint::labels();
    for label in ["death.step", "death.silent-step", "disk.before-sync", "disk.half-written", "disk.after-rename"] {
        assert!(labels.contains(&label), "{label} in {labels:?}");
    }
    assert!(labels.is_sorted());
}

//! Frames on other threads: the same bytes there, and memory that finds its way back.

use std::sync::mpsc;
use std::thread;

use yeoul_frame::{Frame, Pool, RowBuilder, RowKind, Selection, Timestamp};

const SLAB: usize = 64 << 10;

fn frame(pool: &Pool, first: u64, rows: u64) -> Frame {
    let mut builder = RowBuilder::<u64>::new(pool, rows as usize);
    for n in first..first + rows {
        builder.push(&n, Timestamp(n as i64), RowKind::Insert).unwrap();
    }
    builder.finish()
}

#[test]
fn a_frame_is_the_same_bytes_on_another_thread() {
    let pool = Pool::new();
    let frame = frame(&pool, 0, 100);
    let addresses: Vec<usize> = (0..100).map(|row| frame.row_address(row) as usize).collect();
    let odd = frame.select(Selection::matching(100, |row| row % 2 == 1));
    drop(frame);
    thread::spawn(move || {
        let view = odd.rows::<u64>();
        for (row, n) in view {
            assert_eq!(std::ptr::from_ref(n) as usize, addresses[row as usize]);
            assert_eq!((n.to_native(), view.time(row)), (u64::from(row), Timestamp(i64::from(row))));
        }
    })
    .join()
    .unwrap();
    assert_eq!(pool.idle_bytes(), SLAB, "dropped there, returned here");
}

#[test]
fn memory_goes_round() {
    let pool = Pool::new();
    let (send, receive) = mpsc::sync_channel::<Frame>(2);
    let consumer = thread::spawn(move || {
        let mut sum = 0;
        for frame in receive {
            sum += frame.rows::<u64>().iter().map(|(_, n)| n.to_native()).sum::<u64>();
        }
        sum
    });
    let frames = if cfg!(miri) { 10 } else { 1000 };
    let mut addresses = std::collections::HashSet::new();
    for i in 0..frames {
        let frame = frame(&pool, i * 10, 10);
        addresses.insert(frame.row_address(0));
        send.send(frame).unwrap();
    }
    drop(send);
    assert_eq!(consumer.join().unwrap(), (0..frames * 10).sum::<u64>());
    assert!(addresses.len() <= 5, "{} slabs for at most four frames at a time", addresses.len());
    assert_eq!(pool.idle_bytes(), addresses.len() * SLAB);
}

#[test]
fn a_pool_keeps_no_more_than_its_limit() {
    let pool = Pool::keeping(3 * SLAB);
    let frames: Vec<Frame> = (0..8).map(|i| frame(&pool, i, 1)).collect();
    assert_eq!(pool.idle_bytes(), 0);
    drop(frames);
    assert_eq!(pool.idle_bytes(), 3 * SLAB);

    let none = Pool::keeping(0);
    drop(frame(&none, 0, 1));
    assert_eq!(none.idle_bytes(), 0);
}

#[test]
fn a_frame_outlives_its_pool() {
    let frame = frame(&Pool::new(), 5, 3);
    let values: Vec<u64> = frame.rows::<u64>().iter().map(|(_, n)| n.to_native()).collect();
    assert_eq!(values, [5, 6, 7]);
}

#[test]
fn the_last_handle_returns_the_memory() {
    let pool = Pool::new();
    let whole = frame(&pool, 0, 10);
    let parts: Vec<Frame> = (0..5).map(|i| whole.slice(2 * i..2 * i + 2)).collect();
    drop(whole);
    for part in parts {
        assert_eq!(pool.idle_bytes(), 0);
        drop(part);
    }
    assert_eq!(pool.idle_bytes(), SLAB);
}

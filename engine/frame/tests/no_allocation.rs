//! Pushing a record allocates nothing: neither a copied one nor one with borrowed text, nor the frame's memory, once
//! the pool is warm.
#![cfg(not(miri))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use yeoul_frame::{Pool, RowBuilder, RowKind, Schema, Timestamp, record};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: passes on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[record]
#[derive(Clone, Copy)]
struct Plain {
    a: u64,
    b: [i32; 14],
}

#[record]
struct Bid {
    auction: u64,
    channel: Option<String>,
    url: String,
    date_time: Timestamp,
}

fn count(work: impl FnOnce()) -> usize {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

#[test]
fn pushing_allocates_nothing() {
    let pool = Pool::new();
    let mut plain = RowBuilder::new(&pool, 1024);
    let mut bids = RowBuilder::<Bid>::new(&pool, 1024);
    let row = BidRow {
        auction: 1,
        channel: Some("a channel of more than eight bytes"),
        url: "https://www.nexmark.com/item.htm",
        date_time: Timestamp(1),
    };
    let mut frame = || {
        let pushes = count(|| {
            for _ in 0..1000 {
                plain.push(&Plain { a: 1, b: [2; 14] }, Timestamp(1), RowKind::Insert).unwrap();
                bids.push_as(&row, Timestamp(1), RowKind::Insert).unwrap();
            }
        });
        let first = bids.finish();
        let again = count(|| {
            let again = Bid::borrow(first.rows::<Bid>().get(3));
            bids.push_as(&again, Timestamp(1), RowKind::Insert).unwrap();
        });
        let frames = count(|| drop((plain.finish(), bids.finish())));
        (pushes, again, frames)
    };
    frame();
    frame();
    // A finished frame is one allocation: the handles' shared part.
    assert_eq!(frame(), (0, 0, 2));
}

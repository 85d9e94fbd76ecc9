//! Row frames: their bytes, their limits, and what a builder does at them.

use yeoul_frame::{
    FRAME_BYTES, FieldType, Frame, OwnedRecord, Pool, PushError, RECORD_BYTES, Record, RowBuilder, RowKind, Selection,
    Timestamp, record,
};

#[record]
#[derive(Debug, Clone, PartialEq)]
struct Reading {
    sensor: u16,
    value: i64,
    unit: Option<String>,
}

#[record]
#[derive(Debug, Clone, Copy, PartialEq)]
struct Wide {
    small: u8,
    wide: i128,
}

fn push_all<T: Record>(rows: &mut RowBuilder<T>, records: &[T]) -> Vec<Frame> {
    let mut frames = vec![];
    for (i, record) in records.iter().enumerate() {
        match rows.push(record, Timestamp(i as i64), RowKind::Insert) {
            Ok(()) => continue,
            Err(PushError::Full) => frames.push(rows.finish()),
            Err(error) => panic!("{error}"),
        }
        rows.push(record, Timestamp(i as i64), RowKind::Insert).unwrap();
    }
    frames.push(rows.finish());
    frames
}

fn owned<T: OwnedRecord>(frames: &[Frame]) -> Vec<T> {
    frames.iter().flat_map(|frame| frame.rows::<T>().iter()).map(|(_, row)| T::from_archived(row)).collect()
}

#[test]
fn the_layout_is_this() {
    let mut rows = RowBuilder::<Reading>::new(&Pool::new(), 3);
    let readings = [
        Reading { sensor: 0x0102, value: -2, unit: None },
        Reading { sensor: 3, value: 4, unit: Some("°C".into()) },
        Reading { sensor: 5, value: 6, unit: Some("kilograms".into()) },
    ];
    let frame = &push_all(&mut rows, &readings)[0];
    let (roots, heap) = frame.batch().row_bytes().unwrap();
    #[rustfmt::skip]
    let expected = [
        // sensor, padding; value
        2, 1, 0, 0, 0, 0, 0, 0,   254, 255, 255, 255, 255, 255, 255, 255,
        // no unit; padding
        0, 0, 0, 0, 0, 0, 0, 0,   0, 0, 0, 0, 0, 0, 0, 0,
        3, 0, 0, 0, 0, 0, 0, 0,   4, 0, 0, 0, 0, 0, 0, 0,
        // some unit, padding; its text in place, filled up with 255; padding
        1, 0, 0, 0, 194, 176, 67, 255,   255, 255, 255, 255, 0, 0, 0, 0,
        5, 0, 0, 0, 0, 0, 0, 0,   6, 0, 0, 0, 0, 0, 0, 0,
        // some unit, padding; the text's length (with a mark) and its distance: 64 + 20 + 12 = 96; padding
        1, 0, 0, 0, 137, 0, 0, 0,   12, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(roots, expected);
    assert_eq!(heap, b"kilograms");
    assert_eq!(frame.row_address(2) as usize - frame.row_address(0) as usize, 64);
    assert_eq!(frame.row_address(0) as usize % 64, 0);
}

#[test]
fn padding_is_zero_in_memory_that_was_used_before() {
    let pool = Pool::new();
    let mut dirty = RowBuilder::<[u64; 8]>::new(&pool, 100);
    let frames = push_all(&mut dirty, &[[u64::MAX; 8]; 100]);
    let address = frames[0].row_address(0);
    drop(frames);

    let readings = vec![Reading { sensor: 1, value: 0, unit: None }; 100];
    let frames = push_all(&mut RowBuilder::new(&pool, 1024), &readings);
    assert_eq!(frames[0].row_address(0), address, "the memory is the one that was used before");
    let (roots, _) = frames[0].batch().row_bytes().unwrap();
    assert!(roots.chunks(32).all(|row| row[0] == 1 && row[1..].iter().all(|&byte| byte == 0)));
    drop(frames);

    let frames = push_all(&mut RowBuilder::new(&pool, 1024), &[Wide { small: 1, wide: 0 }; 50]);
    let (roots, _) = frames[0].batch().row_bytes().unwrap();
    assert!(roots.chunks(32).all(|row| row[0] == 1 && row[1..].iter().all(|&byte| byte == 0)));
    drop(frames);

    // Lists of padded records are out of line; the gaps between lists of different alignment are zero as well.
    let lists = vec![("a text of odd length!!".to_owned(), vec![Wide { small: 2, wide: 0 }; 3]); 40];
    let frames = push_all(&mut RowBuilder::new(&pool, 1024), &lists);
    let (_, heap) = frames[0].batch().row_bytes().unwrap();
    assert!(heap.iter().all(|&byte| byte <= 2 || b"a text of odd length!!".contains(&byte)), "{heap:?}");
}

#[test]
fn wide_numbers_are_aligned() {
    let lists: Vec<(u8, Vec<i128>, i128)> = (0..20).map(|i| (i, vec![i128::MIN; i as usize], i128::from(i))).collect();
    let frames = push_all(&mut RowBuilder::new(&Pool::new(), 8), &lists);
    assert_eq!(frames.iter().map(Frame::len).collect::<Vec<_>>(), [8, 8, 4]);
    for frame in &frames {
        for (row, archived) in frame.rows::<(u8, Vec<i128>, i128)>() {
            assert_eq!(frame.row_address(row) as usize % 16, 0);
            assert_eq!(archived.1.as_ptr() as usize % 16, 0);
        }
    }
    assert_eq!(owned::<(u8, Vec<i128>, i128)>(&frames), lists);
}

#[test]
fn a_full_builder_gives_nothing_up() {
    let mut rows = RowBuilder::<String>::new(&Pool::new(), 1024);
    let texts: Vec<_> = ('a'..'m').map(|letter| letter.to_string().repeat(40_000)).collect();
    let frames = push_all(&mut rows, &texts);
    assert!(frames.len() > 1, "12 texts of 40 KB do not fit a slab");
    assert!(frames.iter().all(|frame| frame.bytes() < FRAME_BYTES + 20_000), "slabs are of the usual size");
    assert_eq!(owned::<String>(&frames), texts);
}

#[test]
fn a_record_larger_than_a_slab_gets_memory_of_its_own() {
    let pool = Pool::new();
    let mut rows = RowBuilder::<Vec<String>>::new(&pool, 1024);
    let small = || vec!["a text beyond eight bytes".to_owned()];
    let large = ('a'..='z').map(|letter| letter.to_string().repeat(100_000)).collect::<Vec<_>>();
    let records = [small(), small(), large, small(), small()];
    let frames = push_all(&mut rows, &records);
    assert_eq!(frames.iter().map(Frame::len).collect::<Vec<_>>(), [2, 1, 2]);
    assert!(frames[1].bytes() > 1 << 20);
    assert!(frames[2].bytes() <= 2 * FRAME_BYTES, "the next frame is of the usual size");
    assert_eq!(owned::<Vec<String>>(&frames), records);
    drop(frames);
    assert!(pool.idle_bytes() <= 2 << 20, "very large memory is not kept");
}

#[test]
fn what_a_type_refuses_is_reported_and_leaves_no_trace() {
    struct Stubborn;
    impl rkyv::Archive for Stubborn {
        type Archived = rkyv::string::ArchivedString;
        type Resolver = rkyv::string::StringResolver;
        fn resolve(&self, _: Self::Resolver, _: rkyv::Place<Self::Archived>) {
            unreachable!("never serialised")
        }
    }
    impl rkyv::Serialize<yeoul_frame::RowSerializer> for Stubborn {
        fn serialize(&self, to: &mut yeoul_frame::RowSerializer) -> Result<Self::Resolver, yeoul_frame::RowError> {
            rkyv::ser::Writer::write(to, b"half of it")?;
            Err(rkyv::rancor::Source::new(std::io::Error::other("not today")))
        }
    }

    let mut rows = RowBuilder::<String>::new(&Pool::new(), 1024);
    let text = "a text that is out of line";
    rows.push(&text.to_owned(), Timestamp(0), RowKind::Insert).unwrap();
    let error = rows.push_as(&Stubborn, Timestamp(0), RowKind::Insert).unwrap_err();
    assert_eq!(error.to_string(), "a record of type alloc::string::String cannot be archived: not today");
    rows.push(&text.to_owned(), Timestamp(0), RowKind::Insert).unwrap();
    let frame = rows.finish();
    assert_eq!(frame.len(), 2);
    assert_eq!(frame.batch().row_bytes().unwrap().1, text.repeat(2).as_bytes());
}

#[test]
#[cfg_attr(miri, ignore = "256 MiB")]
fn records_beyond_the_limit_are_refused() {
    let mut rows = RowBuilder::<yeoul_frame::Text<'static>>::new(&Pool::new(), 1);
    let text: &'static str = String::from_utf8(vec![0; RECORD_BYTES]).unwrap().leak();
    let error = rows.push(&yeoul_frame::Text(text), Timestamp(0), RowKind::Insert).unwrap_err();
    assert!(matches!(error, PushError::TooLarge { bytes } if bytes > RECORD_BYTES), "{error}");
    rows.push(&yeoul_frame::Text("short"), Timestamp(0), RowKind::Insert).unwrap();
    assert_eq!(rows.finish().rows::<yeoul_frame::Text<'static>>()[0].as_str(), "short");
}

#[test]
fn archived_records_go_from_frame_to_frame() {
    fn check<T: Record + FieldType>(record: &T) {
        let mut rows = RowBuilder::new(&Pool::new(), 4);
        rows.push(record, Timestamp(1), RowKind::Insert).unwrap();
        let first = rows.finish();
        // The same place in the next frame, so that relative pointers are the same as well.
        let mut rows = RowBuilder::<T>::new(&Pool::new(), 4);
        rows.push_archived(&first.rows::<T>()[0], Timestamp(2), RowKind::Delete).unwrap();
        let second = rows.finish();
        assert_eq!(first.batch().row_bytes(), second.batch().row_bytes());
        assert_eq!((second.times(), second.kinds()), (&[Timestamp(2)][..], Some(&[RowKind::Delete][..])));
    }
    check(&7u64);
    check(&Some(Timestamp(5)));
    check(&"a text that is out of line".to_owned());
    check(&Reading { sensor: 3, value: 4, unit: Some("a unit that is out of line".into()) });
}

#[test]
fn kinds_appear_with_the_first_that_is_no_insert() {
    let kinds = [RowKind::Insert, RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Insert];
    let mut rows = RowBuilder::new(&Pool::new(), 8);
    for kind in kinds {
        rows.push(&(kind as u64), Timestamp::MAX, kind).unwrap();
    }
    let frame = rows.finish();
    assert_eq!(frame.kinds(), Some(&kinds[..]));
    let view = frame.rows::<u64>();
    assert!((0..5).all(|row| view.kind(row) as u64 == view[row].to_native() && view.time(row) == Timestamp::MAX));

    // The same builder, the same memory, all inserts.
    drop(frame);
    rows.push(&1, Timestamp(0), RowKind::Insert).unwrap();
    assert_eq!(rows.finish().kinds(), None);
}

#[test]
fn event_times_can_be_assigned() {
    let pool = Pool::new();
    let mut rows = RowBuilder::new(&pool, 4);
    let mut frame = || push_all(&mut rows, &[10u64, 20, 30]).remove(0);
    let assign = |frame: &Frame, times: &mut [Timestamp]| {
        for (row, n) in frame.rows::<u64>() {
            times[row as usize] = times[row as usize].plus(n.to_native() as i64);
        }
    };
    let expected = [Timestamp(10), Timestamp(21), Timestamp(32)];

    // The only handle: in place.
    let alone = frame();
    let times = alone.times().as_ptr();
    let alone = alone.assign_times(assign);
    assert_eq!((alone.times(), alone.times().as_ptr()), (&expected[..], times));

    // One of several handles: the others keep their times, and the rows are the same.
    let other = alone.clone();
    let again = alone.select(Selection::rows(&[1])).assign_times(assign).assign_times(assign);
    assert_eq!(other.times(), expected);
    assert_eq!(again.times(), [Timestamp(10), Timestamp(61), Timestamp(32)]);
    assert_eq!(again.row_address(1), other.row_address(1));
    assert_eq!(again.len(), 1);
    drop((alone, other));
    assert_eq!(pool.idle_bytes(), 0, "still read");
    let twice = again.clone().assign_times(assign);
    drop(again);
    assert_eq!(twice.rows::<u64>()[1].to_native(), 20);
    drop(twice);
    assert_eq!(pool.idle_bytes(), 64 << 10);
}

#[test]
fn empty_frames_and_rows_without_size() {
    let mut rows = RowBuilder::<()>::new(&Pool::new(), 3);
    assert!(rows.is_empty() && !rows.is_full());
    let empty = rows.finish();
    assert!(empty.is_empty() && empty.rows::<()>().all().is_empty() && empty.bytes() == 0);
    let frames = push_all(&mut rows, &[(); 7]);
    assert_eq!(frames.iter().map(Frame::len).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(frames[0].rows::<()>().iter().count(), 3);
}

#[test]
#[should_panic(expected = "rows of i64 were asked of a frame of u64")]
fn rows_of_another_type_are_our_own_mistake() {
    let frame = &push_all(&mut RowBuilder::new(&Pool::new(), 1), &[1u64])[0];
    assert!(frame.holds::<u64>() && !frame.holds::<i64>());
    let _ = frame.rows::<i64>();
}

#[test]
#[should_panic(expected = "a selection of rows below 3 from a batch of 2 rows")]
fn a_frame_refuses_a_selection_of_rows_that_it_has_not() {
    let frame = &push_all(&mut RowBuilder::new(&Pool::new(), 2), &[1u64, 2])[0];
    let _ = frame.select(Selection::rows(&[0, 2]));
}

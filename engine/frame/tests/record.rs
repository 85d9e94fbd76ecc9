//! `#[record]`: accessors, schema, the borrowed twin, and what is fixed.

use yeoul_frame::{
    Cell, CellFault, DataType, Field, FixedWidth, OwnedRecord, Pool, RowBuilder, RowKind, Schema, Timestamp, record,
};

/// A bid.
#[record]
#[derive(Debug, Clone, PartialEq)]
struct Bid {
    /// The auction.
    auction: u64,
    price: i64,
    channel: Option<String>,
    url: String,
    #[record(rename = "dateTime")]
    date_time: Timestamp,
    r#type: Option<u8>,
}

#[record]
#[derive(Debug, Clone, PartialEq)]
struct Place {
    x: f64,
    y: f32,
    on: bool,
}

#[record]
#[derive(Debug, Clone, PartialEq)]
struct Event {
    kind: i32,
    bid: Option<Bid>,
    place: Option<Place>,
    home: Place,
}

#[record]
#[derive(Debug, Clone, PartialEq)]
struct Wide {
    id: u128,
    tags: Vec<String>,
    pair: (u32, String),
    bytes: [u8; 4],
    #[record(opaque)]
    map: std::collections::BTreeMap<String, u32>,
}

#[record]
#[derive(Debug, Clone, PartialEq)]
enum Shape {
    Dot,
    Circle { radius: f64 },
    Named(String),
}

#[record]
#[derive(Debug, Clone, Copy, PartialEq)]
struct Price(i64);

fn bid() -> Bid {
    Bid {
        auction: 7,
        price: -3,
        channel: Some("a channel of more than eight bytes".into()),
        url: "short".into(),
        date_time: Timestamp(12),
        r#type: None,
    }
}

fn frame_of<T: yeoul_frame::Record>(records: &[T]) -> yeoul_frame::Frame {
    let mut rows = RowBuilder::new(&Pool::new(), 16);
    for record in records {
        rows.push(record, Timestamp(1), RowKind::Insert).unwrap();
    }
    rows.finish()
}

#[test]
fn accessors_read_natively() {
    let frame = frame_of(&[bid()]);
    let rows = frame.rows::<Bid>();
    let row = &rows[0];
    let auction: u64 = row.auction();
    let channel: Option<&str> = row.channel();
    let url: &str = row.url();
    let time: Timestamp = row.date_time();
    let kind: Option<u8> = row.r#type();
    assert_eq!((auction, row.price(), url, time, kind), (7, -3, "short", Timestamp(12), None));
    assert_eq!(channel, Some("a channel of more than eight bytes"));
    assert_eq!(Bid::from_archived(row), bid());
}

#[test]
fn wide_types_read_as_their_archived_forms() {
    let wide = Wide {
        id: u128::MAX - 5,
        tags: vec!["one".into(), "a tag of more than eight bytes".into()],
        pair: (9, "pair".into()),
        bytes: [1, 2, 3, 4],
        map: [("key".to_owned(), 5)].into(),
    };
    let frame = frame_of(std::slice::from_ref(&wide));
    let row = &frame.rows::<Wide>()[0];
    assert_eq!(row.id(), u128::MAX - 5);
    assert_eq!(row.tags()[1].as_str(), "a tag of more than eight bytes");
    assert_eq!(row.pair().1.as_str(), "pair");
    assert_eq!(row.bytes(), &[1, 2, 3, 4]);
    assert_eq!(row.map().get("key").unwrap().to_native(), 5);
    assert_eq!(Wide::from_archived(row), wide);
}

#[test]
fn enums_and_tuple_structs_are_records() {
    let shapes = [Shape::Dot, Shape::Circle { radius: 2.0 }, Shape::Named("a name of some length".into())];
    let frame = frame_of(&shapes);
    let back: Vec<_> = frame.rows::<Shape>().iter().map(|(_, shape)| Shape::from_archived(shape)).collect();
    assert_eq!(back, shapes);
    assert_eq!(frame_of(&[Price(4)]).rows::<Price>()[0].0.to_native(), 4);
}

#[test]
fn what_is_fixed() {
    const { assert!(Place::FIXED && Price::FIXED && <(u64, Option<Timestamp>)>::FIXED) };
    const { assert!(!Bid::FIXED && !Event::FIXED && !Wide::FIXED && !Shape::FIXED) };
}

#[test]
fn schemas_name_fields_and_flatten() {
    assert_eq!(
        Bid::FIELDS.iter().map(|field| (field.name, field.nullable)).collect::<Vec<_>>(),
        [("auction", false), ("price", false), ("channel", true), ("url", false), ("dateTime", false), ("type", true)]
    );
    assert_eq!(Event::FIELDS[1], Field { name: "bid", data_type: DataType::Record(Bid::FIELDS), nullable: true });
    assert_eq!(yeoul_frame::schema::cells(Event::FIELDS), 1 + 6 + 3 + 3);
}

#[test]
fn rows_come_from_cells_and_go_to_cells() {
    let url = String::from("https://www.nexmark.com/item.htm");
    let cells = [
        Cell::I64(2),
        Cell::I64(7),
        Cell::I64(i64::MIN),
        Cell::Null,
        Cell::Str(&url),
        Cell::Timestamp(Timestamp(5)),
        Cell::U64(255),
        Cell::Null,
        Cell::Null,
        Cell::Null,
        Cell::F64(0.5),
        Cell::I64(3),
        Cell::Bool(true),
    ];
    let row = Event::row(&cells).unwrap();
    let mut rows = RowBuilder::<Event>::new(&Pool::new(), 16);
    rows.push_as(&row, Timestamp(5), RowKind::Insert).unwrap();
    let first = rows.finish();
    let archived = &first.rows::<Event>()[0];
    let event = Event {
        kind: 2,
        bid: Some(Bid {
            auction: 7,
            price: i64::MIN,
            channel: None,
            url: url.clone(),
            date_time: Timestamp(5),
            r#type: Some(255),
        }),
        place: None,
        home: Place { x: 0.5, y: 3.0, on: true },
    };
    assert_eq!(Event::from_archived(archived), event);

    // Back to cells: numbers come out in the width of their field's sign.
    let mut out = vec![];
    Event::cells(archived, &mut out);
    let mut expected = cells;
    (expected[1], expected[11]) = (Cell::U64(7), Cell::F64(3.0));
    assert_eq!(out, expected);

    // Borrowed from one frame into the next, and the same as the owned record.
    rows.push_as(&Event::borrow(archived), Timestamp(5), RowKind::Insert).unwrap();
    let second = rows.finish();
    assert_eq!(first.batch().row_bytes(), second.batch().row_bytes());
    assert_eq!(first.batch().row_bytes(), frame_of(&[event]).batch().row_bytes());
}

#[test]
fn cells_that_do_not_fit_are_refused_with_their_field() {
    let check = |at: usize, cell: Cell<'_>, message: &str| {
        let mut cells = [
            Cell::I64(2),
            Cell::I64(7),
            Cell::I64(1),
            Cell::Null,
            Cell::Str("url"),
            Cell::I64(5),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::F64(0.5),
            Cell::F64(0.5),
            Cell::Bool(true),
        ];
        cells[at] = cell;
        assert_eq!(Event::row(&cells).err().map(|error| error.to_string()).unwrap_or_default(), message);
    };
    check(0, Cell::I64(1 << 40), "field kind: 1099511627776 is out of range of a i32");
    check(1, Cell::I64(-1), "field bid.auction: -1 is out of range of a u64");
    check(
        4,
        Cell::Null,
        "field bid.url: no value for a string that must have one; make the field an Option to allow null",
    );
    check(5, Cell::Str("now"), "field bid.dateTime: text in place of a timestamp");
    check(6, Cell::U64(256), "field bid.type: 256 is out of range of a u8");
    check(
        12,
        Cell::Null,
        "field home.on: no value for a bool that must have one; make the field an Option to allow null",
    );
    check(0, Cell::I64(1), "");
    assert_eq!(Event::row(&[]).err().unwrap().fault(), &CellFault::Count { found: 0, expected: 13 });
}

mod renamed {
    /// Stands for a façade.
    pub(crate) mod hidden {
        pub(crate) use yeoul_frame::*;
    }

    #[yeoul_frame::record(crate = crate::renamed::hidden)]
    pub(crate) struct Word {
        pub(crate) text: String,
    }
}

#[test]
fn the_crate_can_be_named() {
    assert_eq!(frame_of(&[renamed::Word { text: "여울".into() }]).rows::<renamed::Word>()[0].text(), "여울");
}

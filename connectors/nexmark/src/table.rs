//! Events as arrays: the benchmark's table, or one of its three kinds alone.
//!
//! A table declares which of the columns it has; a job says which of those, and which fields in them, it uses. The rest is
//! not made: it is null, or zero or empty where it may not be null.

use std::fmt;
use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Int32Array, Int64Array, StructArray, TimestampMillisecondArray, make_array, new_null_array,
};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use yeoul_frame::{COLUMN_ROWS, ColumnBatch, Frame, TextBuilder, Timestamp};

use crate::model::{Draw, Event, FIRST_EVENT, Kind, Settings};
use crate::words::{Channels, Text, write_text};

/// Which events a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Events {
    /// All, each as one of three rows: `event_type, person ROW<…>, auction ROW<…>, bid ROW<…>`.
    #[default]
    All,
    /// Those of one kind, its fields as columns.
    Only(Kind),
}

/// A column that a table of events does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownColumn {
    /// Its path.
    pub name: String,
    /// What is wrong with it.
    pub what: String,
    /// The columns that there are beside it.
    pub known: Vec<String>,
}

impl fmt::Display for UnknownColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column `{}` {}; there are {}", self.name, self.what, self.known.join(", "))
    }
}

impl std::error::Error for UnknownColumn {}

/// What a leaf of the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaf {
    EventType,
    Id,
    Seller,
    Category,
    InitialBid,
    Reserve,
    Expires,
    Auction,
    Bidder,
    Price,
    Time,
    Channel,
    Url,
    Text(Text),
}

const PERSON: &[(&str, Leaf)] = &[
    ("id", Leaf::Id),
    ("name", Leaf::Text(Text::Name)),
    ("emailAddress", Leaf::Text(Text::Email)),
    ("creditCard", Leaf::Text(Text::CreditCard)),
    ("city", Leaf::Text(Text::City)),
    ("state", Leaf::Text(Text::State)),
    ("dateTime", Leaf::Time),
    ("extra", Leaf::Text(Text::PersonExtra)),
];
const AUCTION: &[(&str, Leaf)] = &[
    ("id", Leaf::Id),
    ("itemName", Leaf::Text(Text::ItemName)),
    ("description", Leaf::Text(Text::Description)),
    ("initialBid", Leaf::InitialBid),
    ("reserve", Leaf::Reserve),
    ("dateTime", Leaf::Time),
    ("expires", Leaf::Expires),
    ("seller", Leaf::Seller),
    ("category", Leaf::Category),
    ("extra", Leaf::Text(Text::AuctionExtra)),
];
const BID: &[(&str, Leaf)] = &[
    ("auction", Leaf::Auction),
    ("bidder", Leaf::Bidder),
    ("price", Leaf::Price),
    ("channel", Leaf::Channel),
    ("url", Leaf::Url),
    ("dateTime", Leaf::Time),
    ("extra", Leaf::Text(Text::BidExtra)),
];
const KINDS: [(&str, Kind); 3] = [("person", Kind::Person), ("auction", Kind::Auction), ("bid", Kind::Bid)];

const fn leaves(kind: Kind) -> &'static [(&'static str, Leaf)] {
    match kind {
        Kind::Person => PERSON,
        Kind::Auction => AUCTION,
        Kind::Bid => BID,
    }
}

impl Leaf {
    fn data_type(self) -> DataType {
        match self {
            Self::EventType => DataType::Int32,
            Self::Time | Self::Expires => DataType::Timestamp(TimeUnit::Millisecond, None),
            Self::Channel | Self::Url | Self::Text(_) => DataType::Utf8View,
            _ => DataType::Int64,
        }
    }
}

fn fields(kind: Kind) -> Fields {
    leaves(kind).iter().map(|(name, leaf)| Field::new(*name, leaf.data_type(), true)).collect()
}

/// All columns that a table of these events can have.
#[must_use]
pub fn schema(events: Events) -> SchemaRef {
    Arc::new(Schema::new(match events {
        Events::Only(kind) => fields(kind),
        Events::All => {
            let rows = KINDS.iter().map(|(name, kind)| Field::new(*name, DataType::Struct(fields(*kind)), true));
            std::iter::once(Field::new("event_type", DataType::Int32, true)).chain(rows).collect()
        }
    }))
}

/// How one array is made.
#[derive(Debug)]
enum Node {
    Leaf(Leaf, Kind, bool),
    Row(Kind, Fields, Vec<Node>),
    /// Nothing is made: as much as is needed of this array.
    Unused(ArrayRef),
}

/// About how many bytes a frame has at most, if more than one row is in it.
const FRAME_BYTES: u64 = 4 << 20;
/// So many events are gone through at once, at most, for the rows of one kind that are among them.
const MOST_EVENTS: u64 = 1 << 16;

const _: () = assert!(MOST_EVENTS >= COLUMN_ROWS as u64);

/// Makes the columns of a table that a job uses.
#[derive(Debug)]
pub struct EventTable {
    settings: Settings,
    events: Events,
    schema: SchemaRef,
    nodes: Vec<Node>,
    channels: Option<Channels>,
    block: u64,
}

impl EventTable {
    /// The columns of `table` that `projection` names (all if it is none), and of those what `used` names (all if it is none): a
    /// path is the names of a column, of a field in it, and stands for all that is below.
    ///
    /// # Errors
    /// A column that events do not have, or another type than they have it of.
    pub fn new(
        settings: Settings,
        events: Events,
        table: &Schema,
        projection: Option<&[usize]>,
        used: Option<&[Vec<String>]>,
    ) -> Result<Self, UnknownColumn> {
        for field in table.fields() {
            node(events, field, &[field.name().clone()], Some(&[]), 0)?;
        }
        let all: Vec<usize> = (0..table.fields().len()).collect();
        let columns: Vec<&Field> = projection.unwrap_or(&all).iter().map(|&column| table.field(column)).collect();
        let nodes: Result<Vec<Node>, _> =
            columns.iter().map(|field| node(events, field, &[field.name().clone()], used, COLUMN_ROWS)).collect();
        let nodes = nodes?;
        let row = nodes.iter().map(|node| bytes(node, &settings)).fold(1, u64::saturating_add);
        let block = block(events, &settings, (FRAME_BYTES / row).clamp(1, COLUMN_ROWS as u64));
        let channels = nodes.iter().any(has_channel).then(|| Channels::new(settings.seed));
        crate::model::prepare();
        let schema = Arc::new(Schema::new(columns.into_iter().cloned().collect::<Vec<_>>()));
        Ok(Self { settings, events, schema, nodes, channels, block })
    }

    /// The columns of the frames.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What was set.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// How many events make about a frame, and no more than that if the first is a multiple of it.
    #[must_use]
    pub fn block(&self) -> u64 {
        self.block
    }

    /// The frame of those events that the table holds, with their times, from the events `from..to` counted from 0; at most a
    /// [`block`](Self::block).
    ///
    /// # Panics
    /// If there are more.
    #[must_use]
    pub fn frame(&self, from: u64, to: u64) -> Frame {
        assert!(to - from <= self.block, "at most a block of events at once");
        let (events, times) = self.rows(from, to);
        let rows = Rows { events: &events, times: &times, settings: &self.settings, channels: self.channels.as_ref() };
        let arrays = self.nodes.iter().map(|node| rows.array(node, None)).collect();
        let times = times.iter().map(|time| Timestamp(*time)).collect();
        let frame = ColumnBatch::of(Arc::clone(&self.schema), arrays, times, Vec::new());
        frame.expect("arrays are made after the schema, each of all rows")
    }

    /// The events that are rows, and their times.
    fn rows(&self, from: u64, to: u64) -> (Vec<Event>, Vec<i64>) {
        let settings = &self.settings;
        let (from, to) = (from.saturating_add(FIRST_EVENT), to.saturating_add(FIRST_EVENT));
        let [persons, auctions, _] = settings.proportions;
        let (length, rate) = (settings.round(), settings.rate);
        let (mut round, mut offset) = (from / length, from % length);
        // Times go up by 1000 / rate, and what that division leaves.
        let mut time = settings.time(from);
        let mut left = (u128::from(from - 1) * 1000 % u128::from(rate)) as u64;
        let (step, step_left) = ((1000 / rate) as i64, 1000 % rate);
        let (mut events, mut times) = (Vec::with_capacity(COLUMN_ROWS), Vec::with_capacity(COLUMN_ROWS));
        for number in from..to {
            let kind = match offset {
                offset if offset < persons => Kind::Person,
                offset if offset < persons + auctions => Kind::Auction,
                _ => Kind::Bid,
            };
            if self.events == Events::All || self.events == Events::Only(kind) {
                let last_auction = (round * auctions + (offset + 1).saturating_sub(persons).min(auctions)) as i64 - 1;
                let last_person = round * persons + offset.min(persons - 1);
                events.push(Event { number, kind, last_person, last_auction });
                times.push(time);
            }
            (time, left) = (time.saturating_add(step), left + step_left);
            if left >= rate {
                (time, left) = (time.saturating_add(1), left - rate);
            }
            offset += 1;
            if offset == length {
                (round, offset) = (round + 1, 0);
            }
        }
        (events, times)
    }
}

/// How many events are gone through for a frame of at most `rows` rows, wherever in the pattern it begins: as many rounds as have
/// so many rows of the kind; or as many events, if one round has more.
fn block(events: Events, settings: &Settings, rows: u64) -> u64 {
    let Events::Only(kind) = events else { return rows };
    let (share, round) = (settings.proportions[kind.number() as usize].max(1), settings.round().max(1));
    if share > rows {
        return rows;
    }
    match (rows / share).min(MOST_EVENTS / round) {
        0 => MOST_EVENTS,
        rounds => rounds * round,
    }
}

/// About how many bytes a row has of a node.
fn bytes(node: &Node, settings: &Settings) -> u64 {
    const FEW: u64 = 32;
    let [person, auction, bid] = settings.sizes;
    match node {
        Node::Leaf(Leaf::Text(Text::PersonExtra), ..) => FEW + person,
        Node::Leaf(Leaf::Text(Text::AuctionExtra), ..) => FEW + auction,
        Node::Leaf(Leaf::Text(Text::BidExtra), ..) => FEW + bid,
        Node::Leaf(..) => FEW,
        Node::Row(_, _, children) => children.iter().map(|child| bytes(child, settings)).sum(),
        Node::Unused(_) => 0,
    }
}

fn has_channel(node: &Node) -> bool {
    match node {
        Node::Leaf(leaf, ..) => matches!(leaf, Leaf::Channel | Leaf::Url),
        Node::Row(_, _, children) => children.iter().any(has_channel),
        Node::Unused(_) => false,
    }
}

/// How a column, or a field of the row of a kind, is made. What is unused is kept for `rows` rows.
fn node(
    events: Events,
    field: &Field,
    path: &[String],
    used: Option<&[Vec<String>]>,
    rows: usize,
) -> Result<Node, UnknownColumn> {
    let unknown = |what: String, known: Vec<String>| UnknownColumn { name: path.join("."), what, known };
    let wanted = |used: &[Vec<String>]| used.iter().any(|used| path.starts_with(used) || used.starts_with(path));
    let is_used = used.is_none_or(wanted);
    let found = match events {
        Events::All if field.name() == "event_type" => Some((Leaf::EventType, Kind::Person)),
        Events::All => {
            let kind = KINDS.iter().find(|(name, _)| name == field.name()).map(|(_, kind)| *kind);
            let Some(kind) = kind else {
                let known =
                    std::iter::once("event_type").chain(KINDS.map(|(name, _)| name)).map(str::to_owned).collect();
                return Err(unknown("is none of the events' columns".to_owned(), known));
            };
            let DataType::Struct(inner) = field.data_type() else {
                let what = format!("is of type {}, and has to be a ROW", field.data_type());
                return Err(unknown(what, leaves(kind).iter().map(|(name, _)| (*name).to_owned()).collect()));
            };
            if !field.is_nullable() {
                let what = "is NOT NULL, and is null in events of other kinds".to_owned();
                return Err(unknown(what, vec![format!("{} ROW<...> without it", field.name())]));
            }
            let children: Result<Vec<Node>, _> = inner
                .iter()
                .map(|field| node(Events::Only(kind), field, &[path, &[field.name().clone()]].concat(), used, rows))
                .collect();
            let row = Node::Row(kind, inner.clone(), children?);
            return Ok(if is_used { row } else { unused(field, rows) });
        }
        Events::Only(kind) => leaves(kind).iter().find(|(name, _)| name == field.name()).map(|(_, leaf)| (*leaf, kind)),
    };
    match (found, events) {
        (Some((leaf, kind)), _) if leaf.data_type() == *field.data_type() => {
            Ok(if is_used { Node::Leaf(leaf, kind, field.is_nullable()) } else { unused(field, rows) })
        }
        (Some((leaf, _)), _) => {
            let what = format!("is of type {}, and has to be of type {}", field.data_type(), leaf.data_type());
            Err(unknown(what, vec![format!("{} {}", field.name(), leaf.data_type())]))
        }
        (None, Events::Only(kind)) => {
            let known = leaves(kind).iter().map(|(name, _)| (*name).to_owned()).collect();
            Err(unknown(format!("is none of a {kind:?}'s"), known))
        }
        (None, Events::All) => unreachable!("looked up before"),
    }
}

fn unused(field: &Field, rows: usize) -> Node {
    let nulls = new_null_array(field.data_type(), rows);
    if field.is_nullable() {
        return Node::Unused(nulls);
    }
    // The values under nulls are zeros: without the nulls they count.
    Node::Unused(match nulls.as_any().downcast_ref::<StructArray>() {
        Some(row) => {
            let arrays = row.fields().iter().map(|field| match unused(field, rows) {
                Node::Unused(array) => array,
                _ => unreachable!("what is unused is not made"),
            });
            Arc::new(StructArray::new(row.fields().clone(), arrays.collect(), None))
        }
        None => make_array(nulls.to_data().into_builder().nulls(None).build().expect("zeros are values")),
    })
}

/// The rows of one frame.
struct Rows<'t> {
    events: &'t [Event],
    times: &'t [i64],
    settings: &'t Settings,
    channels: Option<&'t Channels>,
}

impl Rows<'_> {
    /// The array of a node. `within`: in the row of its kind, which is not null in these rows.
    fn array(&self, node: &Node, within: Option<&Option<NullBuffer>>) -> ArrayRef {
        match node {
            Node::Unused(array) => array.slice(0, self.events.len()),
            Node::Leaf(leaf, kind, nullable) => {
                // A column of its own is there in every row.
                let nulls = within.filter(|_| *nullable).cloned().flatten();
                self.leaf(*leaf, within.map(|_| *kind), nulls)
            }
            Node::Row(kind, fields, children) => {
                let is = BooleanBuffer::collect_bool(self.events.len(), |row| self.events[row].kind == *kind);
                let nulls = Some(NullBuffer::new(is));
                let arrays = children.iter().map(|child| self.array(child, Some(&nulls))).collect();
                let rows = self.events.len();
                let array = StructArray::try_new_with_length(fields.clone(), arrays, nulls, rows);
                Arc::new(array.expect("fields are null where their row is, and nowhere else"))
            }
        }
    }

    fn leaf(&self, leaf: Leaf, only: Option<Kind>, nulls: Option<NullBuffer>) -> ArrayRef {
        let settings = self.settings;
        match leaf {
            Leaf::EventType => {
                Arc::new(Int32Array::from_iter_values(self.events.iter().map(|event| event.kind.number())))
            }
            Leaf::Id if only == Some(Kind::Person) => self.numbers(only, nulls, Event::person_id),
            Leaf::Id => self.numbers(only, nulls, |event| match event.kind {
                Kind::Person => event.person_id(),
                _ => event.auction_id(),
            }),
            Leaf::Seller => self.numbers(only, nulls, |event| event.seller(settings)),
            Leaf::Category => self.numbers(only, nulls, |event| event.category(settings)),
            Leaf::InitialBid => self.numbers(only, nulls, |event| event.price(settings, Draw::InitialBid)),
            Leaf::Reserve => self.numbers(only, nulls, |event| {
                event.price(settings, Draw::InitialBid) + event.price(settings, Draw::Reserve)
            }),
            Leaf::Auction => self.numbers(only, nulls, |event| event.auction(settings)),
            Leaf::Bidder => self.numbers(only, nulls, |event| event.bidder(settings)),
            Leaf::Price => self.numbers(only, nulls, |event| event.price(settings, Draw::Price)),
            Leaf::Time => Arc::new(TimestampMillisecondArray::new(self.times.to_vec().into(), nulls)),
            Leaf::Expires => {
                let values = self.values(only, |event| event.expires(settings));
                Arc::new(TimestampMillisecondArray::new(values.into(), nulls))
            }
            Leaf::Channel => self.texts(only, nulls, |event, out| out.push(&self.channel(event).0)),
            Leaf::Url => self.texts(only, nulls, |event, out| out.push(&self.channel(event).1)),
            Leaf::Text(text) => {
                let mut scratch = String::new();
                self.texts(only, nulls, |event, out| {
                    scratch.clear();
                    write_text(text, event, settings, &mut scratch);
                    out.push(&scratch);
                })
            }
        }
    }

    fn channel(&self, event: &Event) -> &(String, String) {
        self.channels.expect("they were made if a column needs them").of(event, self.settings)
    }

    #[inline(always)]
    fn values(&self, only: Option<Kind>, value: impl Fn(&Event) -> i64) -> Vec<i64> {
        let value = |event: &Event| if only.is_none_or(|kind| kind == event.kind) { value(event) } else { 0 };
        self.events.iter().map(value).collect()
    }

    #[inline(always)]
    fn numbers(&self, only: Option<Kind>, nulls: Option<NullBuffer>, value: impl Fn(&Event) -> i64) -> ArrayRef {
        Arc::new(Int64Array::new(self.values(only, value).into(), nulls))
    }

    fn texts(
        &self,
        only: Option<Kind>,
        nulls: Option<NullBuffer>,
        mut write: impl FnMut(&Event, &mut TextBuilder),
    ) -> ArrayRef {
        let mut out = TextBuilder::default();
        for (row, event) in self.events.iter().enumerate() {
            if only.is_none_or(|kind| kind == event.kind) {
                out.resize(row);
                write(event, &mut out);
            }
        }
        out.resize(self.events.len());
        Arc::new(out.finish(nulls))
    }
}

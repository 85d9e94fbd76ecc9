//! What it costs to build, read, split and map frames: the floor under every job.

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::{DataType, Field, Schema as ColumnSchema};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use yeoul_bench::memory_source::MemorySource;
use yeoul_bench::run::{config, time};
use yeoul_frame::{
    Cell, ColumnBatch, Columns, FRAME_ROWS, Frame, KeyHash, Pool, PushError, Record, RowBuilder, RowKind, Scatter,
    Schema, Selection, Timestamp, hash_u64, record,
};
use yeoul_operator::{
    Chaining, Context, InputId, JobGraph, MakeOperator, Node, NodeKind, Operator, OperatorError, OutputId,
    Partitioning, Source, WatermarkSpec,
};

/// 64 bytes without text.
#[record]
#[derive(Clone, Copy)]
struct Plain {
    id: u64,
    key: u64,
    amounts: [i64; 4],
    rate: f64,
    time: Timestamp,
}

const _: () = assert!(size_of::<ArchivedPlain>() == 64);

/// About 200 bytes, most of them text.
#[record]
struct Bid {
    auction: u64,
    bidder: u64,
    price: u64,
    channel: String,
    url: String,
    date_time: Timestamp,
    extra: String,
}

fn plain() -> Vec<Plain> {
    let row = |id| Plain { id, key: hash_u64(id).0 % 1000, amounts: [7; 4], rate: 0.5, time: Timestamp(id as i64) };
    (0..FRAME_ROWS as u64).map(row).collect()
}

fn fill<T: Record>(rows: &mut RowBuilder<T>, records: &[T]) -> Frame {
    for record in records {
        rows.push(record, Timestamp(0), RowKind::Insert).expect("a frame holds them all");
    }
    rows.finish()
}

fn build(criterion: &mut Criterion) {
    let pool = Pool::new();
    let mut group = criterion.benchmark_group("build");
    group.throughput(Throughput::Elements(FRAME_ROWS as u64));

    let records = plain();
    let mut rows = RowBuilder::new(&pool, FRAME_ROWS);
    group.bench_function("rows of 64 bytes", |bench| bench.iter(|| fill(&mut rows, black_box(&records))));

    let row = BidRow {
        auction: 1,
        bidder: 2,
        price: 3,
        channel: "channel-1234",
        url: "https://www.nexmark.com/gfl/kum_/f_fp/item.htm?query=1",
        date_time: Timestamp(4),
        extra: "UQWNY^RXRPQqmkzebaRJHRHW_PUHaSQVITlxlwzcaKXI[VUZK_aUJZTYLXNSP`KYW[[KQP_PII",
    };
    let mut rows = RowBuilder::<Bid>::new(&pool, FRAME_ROWS);
    group.bench_function("rows of 200 bytes with text", |bench| {
        bench.iter(|| {
            for _ in 0..FRAME_ROWS {
                push(&mut rows, black_box(&row));
            }
        });
    });

    let cells = [
        Cell::U64(1),
        Cell::U64(2),
        Cell::U64(3),
        Cell::Str(row.channel),
        Cell::Str(row.url),
        Cell::Timestamp(Timestamp(4)),
        Cell::Str(row.extra),
    ];
    group.bench_function("the same from cells", |bench| {
        bench.iter(|| {
            for _ in 0..FRAME_ROWS {
                push(&mut rows, &Bid::row(black_box(&cells)).expect("the cells fit"));
            }
        });
    });

    group.throughput(Throughput::Elements(1));
    let mut rows = RowBuilder::new(&pool, FRAME_ROWS);
    group.bench_function("frame of one row", |bench| bench.iter(|| fill(&mut rows, black_box(&records[..1]))));
    group.finish();
}

fn push(rows: &mut RowBuilder<Bid>, row: &BidRow<'_>) {
    if let Err(PushError::Full) = rows.push_as(row, Timestamp(0), RowKind::Insert) {
        black_box(rows.finish());
        rows.push_as(row, Timestamp(0), RowKind::Insert).expect("the frame is empty");
    }
}

fn read(criterion: &mut Criterion) {
    let frame = fill(&mut RowBuilder::new(&Pool::new(), FRAME_ROWS), &plain());
    let half = frame.select(Selection::matching(FRAME_ROWS as u32, |row| row % 2 == 0));
    let mut group = criterion.benchmark_group("read");
    for (name, frame) in [("all rows of 64 bytes", &frame), ("every other row", &half)] {
        group.throughput(Throughput::Elements(frame.len() as u64));
        group.bench_function(name, |bench| {
            bench.iter(|| black_box(frame).rows::<Plain>().iter().map(|(_, row)| row.id()).sum::<u64>());
        });
    }

    group.throughput(Throughput::Elements(FRAME_ROWS as u64));
    let (mut scatter, mut hashes) = (Scatter::new(4), Vec::<KeyHash>::new());
    group.bench_function("hash and scatter to 4", |bench| {
        bench.iter(|| {
            hashes.clear();
            hashes.extend(frame.rows::<Plain>().iter().map(|(_, row)| hash_u64(row.key())));
            let destination = |hash: KeyHash| (hash.0 >> 62) as usize;
            scatter.split(&frame, &hashes, destination, |to, part| drop(black_box((to, part))));
        });
    });
    group.finish();
}

/// Keeps half of the records and makes a new column of them, as a stateless chain does.
fn chain(criterion: &mut Criterion) {
    let fields = ["auction", "price"].map(|name| Field::new(name, DataType::Int64, false));
    let schema = Arc::new(ColumnSchema::new(fields.to_vec()));
    let values = |salt| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values((0..FRAME_ROWS as u64).map(|n| (hash_u64(n ^ salt).0 % 1000) as i64)))
    };
    let times = vec![Timestamp(0); FRAME_ROWS];
    let columns = ColumnBatch::of(Arc::clone(&schema), vec![values(1), values(2)], times, vec![]).expect("they agree");

    let mut group = criterion.benchmark_group("filter and map");
    group.throughput(Throughput::Elements(FRAME_ROWS as u64));
    group.bench_function("columns", |bench| {
        bench.iter(|| {
            let input = black_box(&columns).columns().expect("columns");
            let price = input.arrays()[1].as_primitive::<Int64Type>();
            let kept = columns.select(Selection::matching_values(price.values(), |price| price < 500));
            let euros = price.unary::<_, Int64Type>(|price| price.wrapping_mul(908));
            let arrays = vec![Arc::clone(&input.arrays()[0]), Arc::new(euros)];
            kept.with_columns(Columns::new(Arc::clone(&schema), arrays).expect("they agree"))
        });
    });

    let frame = fill(&mut RowBuilder::new(&Pool::new(), FRAME_ROWS), &plain());
    let mut out = RowBuilder::<(u64, f64)>::new(&Pool::new(), FRAME_ROWS);
    group.bench_function("rows", |bench| {
        bench.iter(|| {
            let rows = black_box(&frame).rows::<Plain>();
            for (row, plain) in rows {
                if plain.key() < 500 {
                    let mapped = (plain.id(), plain.rate() * 0.908);
                    out.push(&mapped, rows.time(row), RowKind::Insert).expect("no more than came in");
                }
            }
            out.finish()
        });
    });
    group.finish();
}

/// Keeps rows whose price is below 500.
struct Cheap;

impl Operator for Cheap {
    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let input = frame.columns().expect("columns");
        let price = input.arrays()[1].as_primitive::<Int64Type>();
        cx.emit(OutputId::MAIN, frame.select(Selection::matching_values(price.values(), |price| price < 500)));
        Ok(())
    }
}

/// Makes euros of the price.
struct Euros;

impl Operator for Euros {
    fn process(&mut self, _: InputId, frame: &Frame, cx: &mut Context<'_>) -> Result<(), OperatorError> {
        let input = frame.columns().expect("columns");
        let euros =
            input.arrays()[1].as_primitive::<Int64Type>().unary::<_, Int64Type>(|price| price.wrapping_mul(908));
        let arrays = vec![Arc::clone(&input.arrays()[0]), Arc::new(euros) as ArrayRef];
        let columns = Columns::new(Arc::clone(input.schema()), arrays).expect("they agree");
        cx.emit(OutputId::MAIN, frame.clone().with_columns(columns));
        Ok(())
    }
}

/// Looks at one row of each frame, so that the rows are there.
struct Nothing;

impl Operator for Nothing {
    fn process(&mut self, _: InputId, frame: &Frame, _: &mut Context<'_>) -> Result<(), OperatorError> {
        black_box(frame.selection().iter().next());
        Ok(())
    }
}

/// The same chain as a job of one shard: memory source, filter, map, a sink that looks at one row a frame. 64 MiB of columns.
fn chain_in_a_job(criterion: &mut Criterion) {
    const RECORDS: u64 = 1 << 22;
    let fields = ["auction", "price"].map(|name| Field::new(name, DataType::Int64, false));
    let schema = Arc::new(ColumnSchema::new(fields.to_vec()));
    let frames: Arc<[Frame]> = (0..RECORDS / FRAME_ROWS as u64)
        .map(|part| {
            let first = part * FRAME_ROWS as u64;
            let values = |salt| -> ArrayRef {
                let of = |n: u64| (hash_u64((first + n) ^ salt).0 % 1000) as i64;
                Arc::new(Int64Array::from_iter_values((0..FRAME_ROWS as u64).map(of)))
            };
            let times = vec![Timestamp(0); FRAME_ROWS];
            ColumnBatch::of(Arc::clone(&schema), vec![values(1), values(1 << 40)], times, vec![]).expect("they agree")
        })
        .collect();
    let job = |records: u64| {
        let frames = frames.clone();
        let make = Arc::new(move || Box::new(MemorySource::new(frames.clone(), records)) as Box<dyn Source>);
        let node = |uid: &str, kind| Node {
            uid: uid.to_owned(),
            name: uid.to_owned(),
            parallelism: None,
            chaining: Chaining::Always,
            kind,
        };
        let mut graph = JobGraph { name: "chain".to_owned(), ..JobGraph::default() };
        let mut last = graph.add(node("memory", NodeKind::Source { make, watermarks: WatermarkSpec::default() }));
        let operators: [(&str, MakeOperator); 3] = [
            ("cheap", Arc::new(|| Box::new(Cheap))),
            ("euros", Arc::new(|| Box::new(Euros))),
            ("nothing", Arc::new(|| Box::new(Nothing))),
        ];
        for (uid, make) in operators {
            let next = graph.add(node(uid, NodeKind::Operator { make }));
            graph.connect(last, OutputId::MAIN, next, InputId(0), Partitioning::Forward);
            last = next;
        }
        graph
    };
    let mut group = criterion.benchmark_group("filter and map, a job of one shard");
    group.sample_size(10).throughput(Throughput::Elements(RECORDS));
    // Sixteen rounds over the input in each job, so that starting it does not count.
    group.bench_function("columns", |bench| {
        bench.iter_custom(|rounds| (0..rounds).map(|_| time(job(16 * RECORDS), config(1, None, None)) / 16).sum());
    });
    group.bench_function("limit: reading the same columns", |bench| {
        bench.iter(|| {
            let sum = |frame: &Frame| -> i64 {
                let arrays = frame.columns().expect("columns").arrays();
                arrays.iter().map(|array| array.as_primitive::<Int64Type>().values().iter().sum::<i64>()).sum()
            };
            frames.iter().map(sum).sum::<i64>()
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(200))
        .measurement_time(std::time::Duration::from_millis(600));
    targets = build, read, chain, chain_in_a_job
}
criterion_main!(benches);

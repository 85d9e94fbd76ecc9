//! What the state of a job is given back to: uids stay as long as an operator computes the same, and change when it does not.
//!
//! `uids.txt` holds those of one script as they are in savepoints. To accept others: `ACCEPT=1 cargo test -p yeoul-sql --test uids`; who
//! does so takes every savepoint away from its job.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use yeoul_frame::Timestamp;
use yeoul_operator::{
    Accepts, NodeKind, TableConnectors, TableDefinition, TableError, TableScan, TableSink, TableSource,
};
use yeoul_sql::build::{Built, Doors, build};
use yeoul_sql::session::{Job, Session, Step};

const PRELUDE: &str = include_str!("prelude.sql");

/// Tables that are declared and never read.
struct Declared;

impl TableConnectors for Declared {
    fn names(&self) -> Vec<&'static str> {
        vec!["datagen", "filesystem", "print"]
    }

    fn source(&self, table: &TableDefinition, scan: &TableScan) -> Result<TableSource, TableError> {
        let read = scan.projection.clone().unwrap_or_else(|| (0..table.columns.fields().len()).collect());
        let fields: Vec<_> = read.iter().map(|column| table.columns.field(*column).clone()).collect();
        Ok(TableSource {
            make: Arc::new(|| panic!("nothing is run")),
            schema: Arc::new(Schema::new(fields)),
            errors: None,
            bounded: true,
            parallelism: None,
        })
    }

    fn sink(&self, _: &TableDefinition) -> Result<TableSink, TableError> {
        Ok(nowhere())
    }
}

fn nowhere() -> TableSink {
    let kind = NodeKind::Operator { make: Arc::new(|| panic!("nothing is run")) };
    TableSink { kind, accepts: Accepts::Changes, parallelism: None }
}

/// The last job of a script, built at some time of day.
fn built_at(script: &str, now: i64) -> Built {
    built_for(script, "print", now)
}

fn built_for(script: &str, collected: &str, now: i64) -> Built {
    let mut session = Session::default();
    let mut last: Option<Job> = None;
    session.script(PRELUDE, |_, _| {}).expect("the prelude is good");
    let taken = session.script(script, |_, step| {
        if let Step::Job(job) = step {
            last = Some(job);
        }
    });
    taken.unwrap_or_else(|error| panic!("{script}: {error}"));
    let collect = |_: &SchemaRef| Ok(nowhere());
    let doors = Doors { connectors: &Declared, collect: &collect, collected, now: Timestamp(now) };
    build(&last.expect("a job"), "test", &doors).unwrap_or_else(|error| panic!("{script}: {error}"))
}

fn built(script: &str) -> Built {
    built_at(script, 0)
}

/// The uids of a script's operators whose name begins with `of`.
fn uids(script: &str, of: &str) -> BTreeSet<String> {
    let found: BTreeSet<String> = built(script)
        .graph
        .nodes
        .iter()
        .filter(|node| node.name.starts_with(of))
        .map(|node| node.uid.clone())
        .collect();
    assert!(!found.is_empty(), "no {of} in {script}");
    found
}

/// No operator of this name in one script has a uid that one in the other has, and the jobs are not taken for each other.
fn differ(of: &str, one: &str, other: &str) {
    let (first, second) = (uids(one, of), uids(other, of));
    assert!(first.is_disjoint(&second), "{first:?} in both:\n{one}\n{other}");
    assert_ne!(built(one).identity, built(other).identity, "{one}\n{other}");
}

/// What the first script has of this name, the second has.
fn kept(of: &str, one: &str, other: &str) {
    let (first, second) = (uids(one, of), uids(other, of));
    assert!(first.is_subset(&second), "{first:?} is not in {second:?}:\n{one}\n{other}");
}

#[test]
fn another_computation_has_another_uid() {
    let sum = "SELECT auction, SUM(price) FROM bid GROUP BY auction";
    for other in [
        "SELECT auction, SUM(bidder) FROM bid GROUP BY auction",
        "SELECT bidder, SUM(price) FROM bid GROUP BY bidder",
        "SELECT auction, SUM(price + 1) FROM bid GROUP BY auction",
        "SELECT auction, SUM(price) FROM bid WHERE price > 1 GROUP BY auction",
        "SELECT auction, SUM(price) FILTER (WHERE price > 1) FROM bid GROUP BY auction",
        "SELECT auction, SUM(DISTINCT price) FROM bid GROUP BY auction",
        "SELECT /*+ STATE_TTL('bid' = '1d') */ auction, SUM(price) FROM bid GROUP BY auction",
        "SELECT auction, SUM(price) FROM (SELECT id AS auction, seller AS price FROM auction) GROUP BY auction",
        "CREATE VIEW v AS SELECT bidder AS auction, price FROM bid; SELECT auction, SUM(price) FROM v GROUP BY auction",
        "SELECT auction, SUM(price) FROM bid /*+ OPTIONS('rows-per-second' = '5') */ WHERE bidder = 1 GROUP BY auction",
    ] {
        differ("GroupAggregate", sum, other);
    }
    let view = |column: &str| {
        format!("CREATE VIEW v AS SELECT {column} AS k FROM bid; INSERT INTO sink SELECT k, COUNT(*) FROM v GROUP BY k")
    };
    differ("GroupAggregate", &view("auction"), &view("bidder"));
    // With UPDATE_BEFORE an operator keeps more than without.
    let first = |key: &str| {
        format!(
            "CREATE TABLE out (auction BIGINT, price BIGINT{key}) WITH ('connector' = 'print'); INSERT INTO out \
             SELECT auction, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY ts DESC) AS r FROM bid) WHERE r = 1"
        )
    };
    differ("Deduplicate", &first(""), &first(", PRIMARY KEY (auction) NOT ENFORCED"));
    let joined = |hint: &str, condition: &str| {
        format!("SELECT {hint} a.price FROM bid AS a JOIN bid AS b ON a.auction = b.auction AND {condition}")
    };
    let join = joined("", "a.price < b.price");
    differ("Join", &join, &joined("/*+ STATE_TTL('a' = '1d', 'b' = '1d') */", "a.price < b.price"));
    differ(
        "Join",
        &joined("/*+ STATE_TTL('a' = '2d') */", "a.price < b.price"),
        &joined("/*+ STATE_TTL('a' = '1d') */", "a.price < b.price"),
    );
    // The columns have one name on both sides.
    differ("Join", &join, &joined("", "b.price < a.price"));
    // What was printed is not in the file of a final table.
    assert_ne!(built_for(sum, "print", 0).identity, built_for(sum, "changelog", 0).identity);
    // Which event time it is.
    let timed = |column: &str| {
        format!(
            "CREATE TABLE t (a TIMESTAMP(3), b TIMESTAMP(3), WATERMARK FOR {column} AS {column}) WITH ('connector' = 'datagen'); \
             SELECT COUNT(*) FROM t GROUP BY TUMBLE({column}, INTERVAL '1' MINUTE)"
        )
    };
    differ("WindowAggregate", &timed("a"), &timed("b"));
    let zoned = |zone: &str| {
        format!(
            "SET 'table.local-time-zone' = '{zone}'; SELECT COUNT(*) FROM bid WHERE LOCALTIMESTAMP > ts GROUP BY auction"
        )
    };
    differ("GroupAggregate", &zoned("UTC"), &zoned("Asia/Shanghai"));
}

/// Who sends to whom, by uid, where `keeps` holds for who receives.
fn edges(script: &str, keeps: impl Fn(&str) -> bool) -> BTreeSet<(String, String)> {
    let graph = built(script).graph;
    let uid = |node: yeoul_operator::NodeId| graph.nodes[node.0].uid.clone();
    let all = graph.edges.iter().map(|edge| (uid(edge.from), uid(edge.to)));
    all.filter(|(_, to)| keeps(to)).collect()
}

#[test]
fn operators_that_are_equal_but_for_what_they_read_do_not_change_places() {
    let set = |first: &str, second: &str| {
        format!("EXECUTE STATEMENT SET BEGIN INSERT INTO sink {first}; INSERT INTO other {second}; END")
    };
    let with = |set: &str| format!("CREATE TABLE other (a BIGINT, b BIGINT) WITH ('connector' = 'print'); {set}");
    let (a, b) = ("SELECT auction, COUNT(*) FROM bid GROUP BY auction", "SELECT id, COUNT(*) FROM auction GROUP BY id");
    let (one, other) = (with(&set(a, b)), with(&set(b, a)));
    let by_edge = |script: &str| edges(script, |to| to.starts_with("GroupAggregate"));
    assert_eq!(by_edge(&one), by_edge(&other));
    assert_eq!(uids(&one, "GroupAggregate").len(), 2);
    // Two ways to read one table.
    let scans = |first: u8, second: u8| {
        let read = |rate: u8| {
            format!(
                "INSERT INTO sink SELECT auction, price FROM bid /*+ OPTIONS('rows-per-second' = '{rate}') */ WHERE price > {rate}"
            )
        };
        format!("EXECUTE STATEMENT SET BEGIN {}; {}; END", read(first), read(second))
    };
    // Sinks of one table may change places: what they write goes to the same one.
    let by_table = |script: &str| edges(script, |to| !to.starts_with("Sink"));
    assert_eq!(by_table(&scans(1, 2)), by_table(&scans(2, 1)));
    assert_eq!(uids(&scans(1, 2), "Source(bid)").len(), 2);
    assert_eq!(built(&scans(1, 2)).identity, built(&scans(2, 1)).identity);
}

#[test]
fn what_else_a_script_does_is_no_part_of_it() {
    let sum = "SELECT auction, SUM(price) FROM bid GROUP BY auction";
    for other in [
        "SELECT auction AS a, SUM(price) AS s FROM bid AS b GROUP BY auction",
        "SELECT auction, SUM(price) FROM bid GROUP BY auction HAVING SUM(price) > 10",
        "SELECT auction, SUM(price) FROM bid /*+ OPTIONS('rows-per-second' = '5') */ GROUP BY auction",
        "CREATE VIEW v AS SELECT auction, price FROM bid; SELECT auction, SUM(price) FROM v GROUP BY auction",
        "CREATE TABLE t (a INT) WITH ('connector' = 'datagen'); SELECT auction, SUM(price) FROM bid GROUP BY auction",
    ] {
        // Every operator of the first is in the second: a savepoint fits.
        kept("", sum, other);
    }
    // Another query reads other columns of the table, and wants its event times.
    let alone = "INSERT INTO sink SELECT auction, SUM(price) FROM bid GROUP BY auction";
    let beside = format!(
        "EXECUTE STATEMENT SET BEGIN INSERT INTO files SELECT bidder, COUNT(*) FROM bid GROUP BY bidder, TUMBLE(ts, INTERVAL '1' MINUTE); \
         {alone}; END"
    );
    kept("", alone, &beside);
    // A join of times elsewhere in the job, before a window and after it.
    let window = "INSERT INTO sink SELECT bidder, COUNT(*) FROM bid GROUP BY bidder, TUMBLE(ts, INTERVAL '1' MINUTE)";
    let join = "INSERT INTO files SELECT a.auction, b.price FROM bid AS a JOIN bid AS b ON a.auction = b.auction \
                AND a.ts BETWEEN b.ts - INTERVAL '1' HOUR AND b.ts";
    for set in [format!("{join}; {window}"), format!("{window}; {join}")] {
        kept("WindowAggregate", window, &format!("EXECUTE STATEMENT SET BEGIN {set}; END"));
    }
    let spaced = "INSERT INTO sink\n  SELECT auction, SUM(price) -- all of them\n  FROM bid GROUP BY auction";
    assert_eq!(built(alone).identity, built(spaced).identity);
    let now = "INSERT INTO sink SELECT a, b FROM (VALUES (1, EXTRACT(YEAR FROM CURRENT_DATE))) AS v (a, b)";
    assert_eq!(built_at(now, 1).identity, built_at(now, 2).identity);
}

#[test]
fn uids_are_those_of_savepoints() {
    let script = "EXECUTE STATEMENT SET BEGIN \
        INSERT INTO sink SELECT auction, SUM(price) FILTER (WHERE channel LIKE 'a%') FROM bid WHERE price > 1 GROUP BY auction; \
        INSERT INTO sink SELECT bidder, COUNT(*) FROM bid GROUP BY bidder, TUMBLE(ts, INTERVAL '1' MINUTE); \
        INSERT INTO sink SELECT a.auction, b.price FROM bid AS a JOIN bid AS b ON a.auction = b.auction AND a.price < b.price \
          AND a.ts BETWEEN b.ts - INTERVAL '1' HOUR AND b.ts; \
        INSERT INTO sink SELECT auction, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS r FROM bid) WHERE r <= 3; \
        INSERT INTO sink SELECT id, seller FROM auction LEFT JOIN side ON id = key; END";
    let mut found = String::new();
    for node in built(script).graph.nodes {
        writeln!(found, "{}", node.uid).expect("text grows");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/uids.txt");
    if std::env::var_os("ACCEPT").is_some() {
        std::fs::write(&path, &found).expect("the uids are written");
    }
    assert_eq!(found, std::fs::read_to_string(&path).expect("the uids"));
}

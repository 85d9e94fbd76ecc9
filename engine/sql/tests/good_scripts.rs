//! Scripts that plan, by kind of query, with the operators that they become; and what statements show.

use yeoul_sql::session::{Session, Step};

const PRELUDE: &str = include_str!("prelude.sql");

/// What a script shows last: text, a table, or a plan.
fn shown(script: &str) -> String {
    let mut session = Session::default();
    session.script(PRELUDE, |_, _| {}).expect("the prelude is good");
    let mut last = String::new();
    let result = session.script(script, |_, step| {
        last = match step {
            Step::Done => "done".to_owned(),
            Step::Text(text) => text,
            Step::Table { head, rows } => {
                let rows = std::iter::once(head).chain(rows);
                rows.map(|row| row.join(" | ")).collect::<Vec<_>>().join("\n")
            }
            Step::Job(job) => job.plan.explain(true),
        };
    });
    result.map_or_else(|error| error.to_string(), |()| last)
}

/// The plan holds all of these.
fn plans(script: &str, parts: &[&str]) {
    let plan = shown(script);
    for part in parts {
        assert!(plan.contains(part), "no '{part}' in the plan of {script}:\n{plan}");
    }
}

const WINDOW: &str = "TABLE(TUMBLE(TABLE bid, DESCRIPTOR(ts), INTERVAL '1' MINUTE))";

#[test]
fn windows_by_position_by_name_and_in_the_old_form() {
    for from in [
        WINDOW,
        "TUMBLE(TABLE bid, DESCRIPTOR(ts), INTERVAL '1' MINUTE)",
        "TABLE(TUMBLE(DATA => TABLE bid, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '60' SECOND))",
    ] {
        plans(
            &format!("SELECT window_start, SUM(price) FROM {from} GROUP BY window_start, window_end"),
            &["WindowAggregate(groupBy=[], window=[TUMBLE(1 min)], time=rowtime, select=[SUM(price)]) [I]"],
        );
    }
    plans(
        "SELECT auction, TUMBLE_START(ts, INTERVAL '1' MINUTE), TUMBLE_ROWTIME(ts, INTERVAL '1' MINUTE), COUNT(*) FROM bid \
         GROUP BY auction, TUMBLE(ts, INTERVAL '1' MINUTE)",
        &[
            "WindowAggregate(groupBy=[auction], window=[TUMBLE(1 min)], time=rowtime, select=[COUNT(*)]) [I]",
            "window_start AS EXPR$1",
        ],
    );
    plans(
        "SELECT window_end, COUNT(*) FROM TABLE(CUMULATE(TABLE bid, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '1' HOUR)) \
         GROUP BY window_start, window_end",
        &["window=[CUMULATE(size 1 h, step 1 min)]"],
    );
    plans(&format!("SELECT * FROM {WINDOW}"), &["WindowTableFunction(window=[TUMBLE(1 min)], time=ts) [I]"]);
    plans(
        "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(pt), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
        &["time=proctime"],
    );
}

#[test]
fn windows_after_windows() {
    let inner = format!(
        "SELECT window_start AS s, window_end AS e, window_time AS wt, auction, COUNT(*) AS n FROM {WINDOW} GROUP BY window_start, window_end, window_time, auction"
    );
    plans(
        &format!(
            "CREATE VIEW v AS {inner}; SELECT window_start, SUM(n) FROM TABLE(TUMBLE(TABLE v, DESCRIPTOR(wt), INTERVAL '1' HOUR)) GROUP BY window_start, window_end"
        ),
        &["window=[TUMBLE(1 h)], time=rowtime, select=[SUM(n)]", "window=[TUMBLE(1 min)]"],
    );
    plans(
        &format!(
            "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY s, e ORDER BY n DESC) AS r FROM ({inner})) WHERE r <= 3"
        ),
        &["WindowRank(strategy=AppendFast, rankRange=[1..3]"],
    );
}

#[test]
fn windows_of_the_clock_after_others_may_have_two_rows() {
    let joined = |time: &str| {
        format!(
            "CREATE VIEW w AS SELECT window_start AS s, window_end AS e, SUM(n) AS n FROM (SELECT window_start, window_end, auction, COUNT(*) AS n \
             FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR({time}), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, auction) \
             GROUP BY window_start, window_end; SELECT b.price, w.n FROM bid AS b JOIN w ON b.ts = w.s AND b.ts = w.e"
        )
    };
    plans(&joined("ts"), &["rightUnique=joinKey"]);
    plans(&joined("pt"), &["rightUnique=no"]);
}

#[test]
fn what_reads_a_bound_within_the_aggregate_has_it() {
    // A bound that is more than a key: rows are put into windows before the aggregate, and bring their bounds along.
    let attached = ["time=[window_start, window_end]", "WindowTableFunction(window=[TUMBLE(1 min)], time=ts) [I]"];
    for select in [
        "MAX(window_end) FROM {} GROUP BY window_start, window_end",
        "COUNT(*) FILTER (WHERE price > 1 AND window_start > ts) FROM {} GROUP BY window_start, window_end",
        "COUNT(*) FROM {} GROUP BY window_start, window_end, DATE_FORMAT(window_start, 'HH')",
    ] {
        plans(&format!("SELECT {}", select.replace("{}", WINDOW)), &attached);
    }
    plans(
        &format!("SELECT window_end, MAX(ts) FROM {WINDOW} GROUP BY window_start, window_end"),
        &["window=[TUMBLE(1 min)], time=rowtime, select=[MAX(ts)]"],
    );
}

#[test]
fn sessions_are_by_what_they_are_partitioned_by() {
    plans(
        "SELECT auction, COUNT(*) FROM TABLE(SESSION(TABLE bid PARTITION BY auction, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) \
         GROUP BY auction, window_start, window_end",
        &["WindowAggregate(groupBy=[auction], window=[SESSION(gap 1 min)]"],
    );
    plans(
        "SELECT COUNT(*) FROM TABLE(SESSION(TABLE bid, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
        &["WindowAggregate(groupBy=[], window=[SESSION(gap 1 min)]"],
    );
}

#[test]
fn windows_over_joined_rows_are_of_the_time_that_is_named() {
    let joined = "bid AS a JOIN bid AS b ON a.auction = b.auction AND a.ts BETWEEN b.ts - INTERVAL '1' HOUR AND b.ts";
    plans(
        &format!("SELECT COUNT(*) FROM {joined} GROUP BY TUMBLE(a.ts, INTERVAL '1' MINUTE)"),
        &["window=[TUMBLE(1 min)], time=$t, select=[COUNT(*)]", "ts AS $t"],
    );
    plans(
        "SELECT COUNT(*) FROM bid GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)",
        &["window=[TUMBLE(1 min)], time=rowtime, select=[COUNT(*)]"],
    );
}

#[test]
fn bounds_of_an_interval_join_keep_their_casts() {
    let joined = |condition: &str| {
        format!(
            "SELECT a.price FROM bid AS a JOIN bid AS b ON a.auction = b.auction AND a.ts >= b.ts - INTERVAL '1' HOUR AND {condition}"
        )
    };
    // The day of a time is no bound of the time.
    plans(&joined("CAST(a.ts AS DATE) <= CAST(b.ts AS DATE)"), &["Join(type=Inner", "where=["]);
    plans(
        &joined("a.ts <= b.ts AND CAST(a.ts AS DATE) <= CAST(b.ts AS DATE)"),
        &["bounds=[-1 h <= ts - ts <= 0 ms], where=["],
    );
    plans(&joined("CAST(a.ts AS TIMESTAMP(3)) <= b.ts"), &["bounds=[-1 h <= ts - ts <= 0 ms]"]);
}

#[test]
fn calls_of_one_over_see_the_frame_that_they_name() {
    let over = "OVER (PARTITION BY auction ORDER BY ts)";
    let rows = "OVER (PARTITION BY auction ORDER BY ts ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)";
    for calls in [format!("ROW_NUMBER() {over}, SUM(price) {rows}"), format!("SUM(price) {rows}, ROW_NUMBER() {over}")]
    {
        plans(&format!("SELECT {calls} FROM bid"), &["frame=[ROWS 2 PRECEDING]", "SUM(price)", "ROW_NUMBER()"]);
    }
    plans(
        &format!("SELECT ROW_NUMBER() {over}, SUM(price) {over} FROM bid"),
        &["frame=[RANGE UNBOUNDED PRECEDING]", "ROW_NUMBER()"],
    );
}

#[test]
fn places_that_are_none_have_no_rows() {
    for condition in ["r <= 0", "r < 1", "r >= 3 AND r <= 2", "r = 0"] {
        let query = format!(
            "SELECT auction, r FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price) AS r FROM bid) WHERE {condition}"
        );
        let plan = shown(&query);
        // Whoever finds out first, the optimiser or the lowering.
        assert!(
            !plan.contains("Rank(") && (plan.contains("where=[false]") || plan.contains("rows=0")),
            "{query}:\n{plan}"
        );
    }
}

#[test]
fn conditions_over_columns_of_one_name_are_told_apart() {
    let join = |condition: &str| {
        format!("SELECT a.auction, a.price FROM bid AS a JOIN bid AS b ON a.auction = b.auction AND {condition}")
    };
    let plan = shown(&format!(
        "EXECUTE STATEMENT SET BEGIN INSERT INTO sink {}; INSERT INTO sink {}; END",
        join("a.price < b.price"),
        join("b.price < a.price")
    ));
    assert_eq!(plan.matches("Join(type=Inner").count(), 2, "{plan}");
}

#[test]
fn aggregates_with_and_without_retraction() {
    plans(
        "SELECT auction, AVG(price) FROM bid GROUP BY auction HAVING COUNT(*) > 1",
        &["GroupAggregate(groupBy=[auction]", "[I,UB,UA]"],
    );
    plans("SELECT DISTINCT auction FROM bid", &["GroupAggregate(groupBy=[auction], select=[])"]);
    plans(
        "SELECT auction, bidder, GROUPING(auction), COUNT(*) FROM bid GROUP BY GROUPING SETS ((auction), (bidder), ())",
        &["Expand(sets=[(auction), (bidder), ()])"],
    );
    plans(
        "SELECT auction, bidder, COUNT(*) FROM bid GROUP BY CUBE (auction, bidder)",
        &["Expand(sets=[(auction, bidder), (bidder), (auction), ()])"],
    );
    plans("SELECT /*+ STATE_TTL('bid' = '1d') */ auction, COUNT(*) FROM bid GROUP BY auction", &["ttl=1 d"]);
    plans("SELECT LISTAGG(channel, ';') FROM bid", &["LISTAGG(channel, ';')", "Exchange(single)"]);
}

#[test]
fn joins_of_each_kind() {
    plans(
        "SELECT a.price FROM bid AS a JOIN bid AS b ON a.auction = b.auction AND a.ts BETWEEN b.ts - INTERVAL '1' HOUR AND b.ts",
        &["IntervalJoin(type=Inner", "bounds=[-1 h <= ts - ts <= 0 ms]"],
    );
    plans(
        "SELECT a.price FROM bid AS a LEFT JOIN auction AS b ON a.auction = b.id",
        &["Join(type=Left", "[I,UB,UA,D]"],
    );
    plans("SELECT price FROM bid WHERE auction IN (SELECT id FROM auction)", &["Join(type=Semi"]);
    plans("SELECT price FROM bid WHERE auction NOT IN (SELECT id FROM auction)", &["Join(type=Anti"]);
    plans(
        "SELECT price FROM bid AS b WHERE EXISTS (SELECT 1 FROM auction AS a WHERE a.id = b.auction)",
        &["Join(type=Semi"],
    );
    plans(
        "SELECT b.price, s.name FROM bid AS b LEFT JOIN side FOR SYSTEM_TIME AS OF b.pt AS s ON b.auction = s.key",
        &["LookupJoin(type=Left, table=[side], on=[auction = key])"],
    );
    plans(
        "CREATE TABLE rates (id BIGINT, rate DECIMAL(10, 4), valid TIMESTAMP(3), WATERMARK FOR valid AS valid, \
         PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'datagen'); \
         SELECT b.price * r.rate FROM bid AS b JOIN rates FOR SYSTEM_TIME AS OF b.ts AS r ON b.auction = r.id",
        &["TemporalJoin(type=Inner, on=[auction = id], asOf=[ts], versions=[valid by id])"],
    );
}

#[test]
fn rows_are_joined_with_the_ends_of_windows() {
    let joined = |kind: &str, window: &str, keys: &str, to: &str| {
        format!(
            "SELECT b.auction, m.top FROM bid AS b {kind} JOIN (SELECT MAX(price) AS top, window_end AS e FROM {window} \
             GROUP BY window_start, window_end{keys}) AS m ON b.price = m.top AND b.ts BETWEEN m.e - INTERVAL '1' {to} AND m.e"
        )
    };
    let by_end =
        ["WindowEndJoin(ends=right, on=[price = top], bounds=[-1 min <= ts - e <= 0 ms])", "Exchange(broadcast) <- "];
    plans(&joined("INNER", WINDOW, "", "MINUTE"), &by_end);
    let hop = "TABLE(HOP(TABLE bid, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '1' MINUTE))";
    plans(&joined("INNER", hop, "", "MINUTE"), &by_end);
    plans(
        &format!(
            "SELECT b.auction, m.n FROM (SELECT COUNT(*) AS n, window_end AS e FROM {WINDOW} GROUP BY window_start, window_end) AS m \
             JOIN bid AS b ON m.e - b.ts BETWEEN INTERVAL '0' SECOND AND INTERVAL '1' MINUTE OR m.n > 1"
        ),
        &["Join(type=Inner"],
    );
    // Several rows a window, windows whose ends are too near each other, other kinds, and state that is forgotten.
    plans(&joined("INNER", WINDOW, ", bidder", "MINUTE"), &[" Join(type=Inner"]);
    plans(&joined("INNER", hop, "", "HOUR"), &[" Join(type=Inner"]);
    plans(&joined("LEFT", WINDOW, "", "MINUTE"), &[" Join(type=Left"]);
    plans(
        &joined("INNER", WINDOW, "", "MINUTE").replacen("SELECT", "SELECT /*+ STATE_TTL('b' = '1d') */", 1),
        &[" Join(type=Inner"],
    );
    // A silent source may end windows that the watermark has passed.
    let idle = "SET 'table.exec.source.idle-timeout' = '1 s'; ";
    plans(&format!("{idle}{}", joined("INNER", WINDOW, "", "MINUTE")), &[" Join(type=Inner"]);
}

#[test]
fn arrays_sets_and_values_of_subqueries() {
    // The array itself is not repeated where nobody reads it.
    plans(
        "SELECT auction, x FROM bid CROSS JOIN UNNEST(ARRAY[price, 1]) AS u (x)",
        &["Unnest(array=[unnested])", "Calc(select=[auction, array_of(price"],
    );
    // A multiset's values with their counts, then as often as they count.
    plans(
        "CREATE TABLE bags (id INT, bag MULTISET<STRING>) WITH ('connector' = 'datagen'); \
         SELECT id, x FROM bags LEFT JOIN UNNEST(bag) AS u (x) ON TRUE",
        &["Repeat(times=[count])", "Unnest(array=[unnested])"],
    );
    plans(
        "SELECT auction FROM bid EXCEPT ALL SELECT id FROM auction",
        &["Repeat(times=[unnested]) [I,D]", "GroupAggregate(groupBy=[", "Union(all)"],
    );
    // All columns are shown as people read them, and told apart from the counts.
    let plan = shown("SELECT auction, bidder AS `left count` FROM bid INTERSECT ALL SELECT id, seller FROM auction");
    assert!(plan.contains("GroupAggregate(groupBy=[auction, left count'], ") && !plan.contains('\u{1}'), "{plan}");
    plans("SELECT a.price FROM bid AS a, bid AS b", &["Join(type=Inner, on=[]", "Exchange(single)"]);
    plans(
        "SELECT auction FROM bid WHERE price = (SELECT MAX(price) FROM bid)",
        &["Join(type=Inner, on=[price = ", "GroupAggregate(groupBy=[], select=[MAX(price)])"],
    );
    let session = "TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(ts), INTERVAL '1' MINUTE))";
    plans(
        &format!("SELECT auction, COUNT(*) FROM {session} GROUP BY auction, window_start, window_end"),
        &[
            "WindowAggregate(groupBy=[auction]",
            "WindowTableFunction(window=[SESSION(gap 1 min)]",
            "Exchange(hash[bidder])",
        ],
    );
    plans(
        &format!("SELECT auction, COUNT(*) FROM {WINDOW} GROUP BY window_start, window_end, ROLLUP (auction)"),
        &["Expand(sets=[(), (auction)])", "window=[TUMBLE(1 min)], time=rowtime", "[I]"],
    );
}

#[test]
fn first_and_last_rows() {
    let ranked = |order: &str, most: u32| {
        format!(
            "SELECT auction, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY {order}) AS r FROM bid) WHERE r <= {most}"
        )
    };
    plans(&ranked("ts", 1), &["Deduplicate(keep=first, key=[auction], order=[RowTime]) [I,UB,UA]"]);
    plans(&ranked("pt", 1), &["Deduplicate(keep=first, key=[auction], order=[ProcTime]) [I]"]);
    plans(&ranked("ts DESC", 1), &["Deduplicate(keep=last"]);
    plans(&ranked("price DESC", 3), &["Rank(strategy=AppendFast, rankRange=[1..3]"]);
    plans(
        "SELECT auction FROM bid QUALIFY ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price) <= 2",
        &["rankRange=[1..2]"],
    );
    plans(
        "SELECT SUM(price) OVER (PARTITION BY auction ORDER BY ts RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW) FROM bid",
        &["frame=[RANGE 1 h PRECEDING], select=[SUM(price)]) [I]"],
    );
    plans("SELECT price FROM bid ORDER BY price DESC LIMIT 3", &["SortLimit(orderBy=[price DESC], offset=0, limit=3)"]);
    plans("SELECT price FROM bid ORDER BY ts, price", &["TemporalSort(time=RowTime, then=[price ASC])"]);
}

#[test]
fn update_before_is_sent_only_where_it_is_needed() {
    // A sink with a key takes the new form alone; one without wants both.
    let sink = |key: &str| {
        format!(
            "CREATE TABLE out (auction BIGINT, n BIGINT{key}) WITH ('connector' = 'print'); INSERT INTO out SELECT auction, COUNT(*) FROM bid GROUP BY auction"
        )
    };
    plans(
        &sink(", PRIMARY KEY (auction) NOT ENFORCED"),
        &["GroupAggregate(groupBy=[auction], select=[COUNT(*)]) [I,UA]"],
    );
    plans(&sink(""), &["GroupAggregate(groupBy=[auction], select=[COUNT(*)]) [I,UB,UA]"]);
    let into = |query: &str| {
        format!(
            "CREATE TABLE out (k BIGINT, n BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ('connector' = 'print'); INSERT INTO out {query}"
        )
    };
    // The sink's key is another than the rows': what was there of them goes.
    for query in [
        "SELECT a, n FROM (SELECT auction, MAX(bidder) AS a, COUNT(*) AS n FROM bid GROUP BY auction)",
        "SELECT auction, n FROM (SELECT auction, bidder, COUNT(*) AS n FROM bid GROUP BY auction, bidder)",
        "SELECT COUNT(*), MAX(price) FROM bid",
    ] {
        plans(&into(query), &["select=[", "[I,UB,UA]"]);
    }
    plans(
        &into("SELECT auction + 0, n FROM (SELECT auction, COUNT(*) AS n FROM bid GROUP BY auction)"),
        &["[I,UB,UA]"],
    );
    // By the key in another place it is the same row still; by a key that the table does not get, none is told apart.
    plans(
        &into("(n, k) SELECT n, auction FROM (SELECT auction, COUNT(*) AS n FROM bid GROUP BY auction)"),
        &["GroupAggregate(groupBy=[auction], select=[COUNT(*)]) [I,UA]"],
    );
    // What a row found before it changed is taken back, for it may find less now.
    for (kind, condition) in [("", ""), ("", " AND s.name = 'a'"), ("LEFT ", ""), ("LEFT ", " AND s.name = 'a'")] {
        plans(
            &into(&format!(
                "SELECT g.auction, g.m FROM (SELECT auction, MAX(price) AS m, PROCTIME() AS pt FROM bid GROUP BY auction) AS g \
                 {kind}JOIN side FOR SYSTEM_TIME AS OF g.pt AS s ON g.m = s.key{condition}"
            )),
            &["GroupAggregate(groupBy=[auction], select=[MAX(price)]) [I,UB,UA]"],
        );
    }
}

#[test]
fn several_sinks_share_what_they_have_in_common() {
    let plan = shown(
        "EXECUTE STATEMENT SET BEGIN INSERT INTO sink SELECT auction, price FROM bid; \
         INSERT INTO files SELECT auction, price FROM bid WHERE price > 1; END",
    );
    assert_eq!(plan.matches("TableSourceScan(table=[bid], fields=[auction, price])").count(), 2, "{plan}");
}

#[test]
fn tables_are_shown_as_they_were_made() {
    assert_eq!(
        shown("DESCRIBE bid"),
        "name | type | null | key | extras | watermark\n\
         auction | BIGINT | TRUE |  |  | \n\
         bidder | BIGINT | TRUE |  |  | \n\
         price | BIGINT | TRUE |  |  | \n\
         channel | STRING | TRUE |  |  | \n\
         info | ROW<`name` STRING> | TRUE |  |  | \n\
         ts | TIMESTAMP(3) *ROWTIME* | TRUE |  |  | ts - INTERVAL '4' SECOND\n\
         pt | TIMESTAMP_LTZ(3) *PROCTIME* | FALSE |  | AS PROCTIME() | "
    );
    assert_eq!(shown("SHOW TABLES"), "table name\nauction\nbid\nfiles\nside\nsink");
    assert_eq!(
        shown(
            "CREATE TABLE t (x INT COMMENT 'it''s', PRIMARY KEY (a) NOT ENFORCED, a STRING) COMMENT 'c' PARTITIONED BY (x) WITH ('connector' = 'print'); SHOW CREATE TABLE t"
        ),
        "CREATE TABLE `t` (\n  `x` INT COMMENT 'it''s',\n  `a` STRING NOT NULL,\n  PRIMARY KEY (`a`) NOT ENFORCED\n)\nCOMMENT 'c'\n\
         PARTITIONED BY (`x`)\nWITH (\n  'connector' = 'print'\n)"
    );
    assert_eq!(
        shown("CREATE TABLE t (extra INT) WITH ('rows-per-second' = '5') LIKE bid (EXCLUDING GENERATED); DESCRIBE t")
            .lines()
            .count(),
        8
    );
    assert_eq!(shown("SET 'table.exec.state.ttl' = '1 h'; SET"), "key | value\ntable.exec.state.ttl | 1 h");
    assert_eq!(
        shown("CREATE VIEW v AS SELECT price FROM bid; SHOW CREATE VIEW v"),
        "CREATE VIEW `v` AS\nSELECT price FROM bid"
    );
    assert!(shown("EXPLAIN CHANGELOG_MODE SELECT COUNT(*) FROM bid").contains("[I,UB,UA]"));
    assert!(
        shown("EXPLAIN PLAN_ADVICE SELECT auction, COUNT(*) FROM bid GROUP BY auction")
            .contains("for good: SET 'table.exec.state.ttl'")
    );
}

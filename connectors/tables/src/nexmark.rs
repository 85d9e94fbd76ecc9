//! `nexmark`: the benchmark's events, by the names that its own Flink connector gives to options.
//!
//! Yeoul's own options: `table` (`all`, or one of `person`, `auction`, `bid` as a flat table), `seed`, `base-time`.

use yeoul_formats::options::{OptionError, Options};
use yeoul_formats::time_text::TimeParser;
use yeoul_nexmark::model::Kind;
use yeoul_nexmark::{EventTable, Events, NexmarkSource, Settings};
use yeoul_operator::{TableDefinition, TableError, TableScan, TableSource};

use crate::refused;

pub(crate) fn source(
    table: &TableDefinition,
    scan: &TableScan,
    options: &mut Options<'_>,
) -> Result<TableSource, TableError> {
    let (settings, events) = settings(options).map_err(refused)?;
    settings.check().map_err(|what| TableError::new(format!("table '{}': {what}", table.name)))?;
    let bounded = settings.events.is_some();
    let events = EventTable::new(settings, events, &table.columns, scan.projection.as_deref(), scan.used.as_deref());
    let events = events.map_err(|error| {
        TableError::new(format!("table '{}': column `{}` {}", table.name, error.name, error.what))
            .hint(format!("there are {}", error.known.join(", ")))
            .column(error.name)
    })?;
    let schema = events.schema().clone();
    Ok(TableSource { make: NexmarkSource::new(events).make(), schema, errors: None, bounded, parallelism: None })
}

fn settings(options: &mut Options<'_>) -> Result<(Settings, Events), OptionError> {
    let default = Settings::default();
    let rate = options.number("first-event.rate", default.rate)?;
    // The benchmark's generator goes on at the first rate, too, and has no other shape than that.
    for key in ["next-event.rate", "rate.shape", "rate.period"] {
        options.text(key);
    }
    // How its source runs: no event changes by it.
    options.flag("max-emit-speed", true)?;
    if options.flag("keep-alive", false)? {
        return Err(OptionError::value("keep-alive", "true", "false: a job ends with its input"));
    }
    let number = options.number("events.num", 0u64)?;
    let stop = options.number("stop-at", -1i64)?;
    let stop = u64::try_from(stop).ok();
    let events = (number > 0).then_some(number).into_iter().chain(stop).min();
    let base_time = match options.text("base-time") {
        None => default.base_time,
        Some(text) => match (text.parse::<i64>(), TimeParser::default().parse(text.as_bytes())) {
            (Ok(millis), _) => millis,
            (_, Some(time)) => time.0,
            _ => {
                return Err(OptionError::value("base-time", text, "a timestamp or milliseconds since 1970"));
            }
        },
    };
    let mut number = |key: &str, default| options.number(key, default);
    let proportions = [
        number("person.proportion", default.proportions[0])?,
        number("auction.proportion", default.proportions[1])?,
        number("bid.proportion", default.proportions[2])?,
    ];
    let hot_auctions = number("bid.hot-ratio.auctions", default.hot_auctions)?;
    let hot_bidders = number("bid.hot-ratio.bidders", default.hot_bidders)?;
    let hot_sellers = number("auction.hot-ratio.sellers", default.hot_sellers)?;
    let seed = number("seed", default.seed)?;
    let mut bytes = |key: &str, default: u64| Ok::<_, OptionError>(options.bytes(key)?.unwrap_or(default));
    let sizes = [
        bytes("person.avg-size", default.sizes[0])?,
        bytes("auction.avg-size", default.sizes[1])?,
        bytes("bid.avg-size", default.sizes[2])?,
    ];
    let paced = options.flag("rate.limited", false)?;
    let tables = [
        ("all", Events::All),
        ("person", Events::Only(Kind::Person)),
        ("auction", Events::Only(Kind::Auction)),
        ("bid", Events::Only(Kind::Bid)),
    ];
    let table = options.choice("table", &tables, Events::All)?;
    let settings =
        Settings { seed, events, rate, base_time, proportions, hot_auctions, hot_bidders, hot_sellers, sizes, paced };
    Ok((settings, table))
}

//! Which event is what: kinds, times, ids, and the numbers of auctions and bids.
//!
//! Of every fifty events (by default) the first is a person, the next three are auctions, the rest bids; the pattern repeats.
//! The benchmark's first event is number 2, an auction: person and auction 1000 never come. Ids count up; a bid or an auction
//! refers to ids near the last, half of the bids to one hot auction of the last hundred, three of four to one hot bidder, and
//! three of four auctions to one hot seller.
//!
//! Invariants:
//! 1. A value depends on the settings, its event's number and its field, and on nothing else.

/// What the benchmark lets one set. The defaults are its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Another seed gives other events.
    pub seed: u64,
    /// How many events there are; `None`: without end.
    pub events: Option<u64>,
    /// Events in a second of event time.
    pub rate: u64,
    /// What the events' times are counted from, in milliseconds.
    pub base_time: i64,
    /// Persons, auctions and bids in one round of the pattern.
    pub proportions: [u64; 3],
    /// One bid in so many goes to any auction, the others to a hot one.
    pub hot_auctions: u64,
    /// One bid in so many is by any bidder, the others by a hot one.
    pub hot_bidders: u64,
    /// One auction in so many is by any seller, the others by a hot one.
    pub hot_sellers: u64,
    /// How many bytes a person, an auction and a bid have on average.
    pub sizes: [u64; 3],
    /// Events are held back until the clock has gone as far as their times.
    pub paced: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            events: None,
            rate: 10_000,
            base_time: 1_767_225_600_000,
            proportions: [1, 3, 46],
            hot_auctions: 2,
            hot_bidders: 4,
            hot_sellers: 4,
            sizes: [200, 500, 100],
            paced: false,
        }
    }
}

/// Limits of what is set: events in a round, and others of which one is hot; events a second; bytes of an event.
const MOST_EVENTS: u64 = 1_000_000;
const MOST_RATE: u64 = 1_000_000_000_000;
const MOST_BYTES: u64 = 1 << 20;

impl Settings {
    /// Events in one round of the pattern.
    #[must_use]
    pub fn round(&self) -> u64 {
        self.proportions.iter().copied().fold(0, u64::saturating_add)
    }

    /// The time of an event, by its number. Event 1 is the first that would have one after the base time.
    #[must_use]
    pub fn time(&self, event: u64) -> i64 {
        let after = u128::from(event.saturating_sub(1)) * 1000 / u128::from(self.rate.max(1));
        self.base_time.saturating_add(i64::try_from(after).unwrap_or(i64::MAX))
    }

    /// Whether events can be made so, or what is wrong.
    ///
    /// # Errors
    /// A setting that makes no sense.
    pub fn check(&self) -> Result<(), String> {
        let hot = [self.hot_auctions, self.hot_bidders, self.hot_sellers];
        let wrong = [
            (!(1..=MOST_RATE).contains(&self.rate), "there are from one to a million million events a second"),
            (self.proportions[0] == 0, "there is at least one person a round: others refer to persons"),
            (self.proportions[1] == 0, "there is at least one auction a round: bids refer to auctions"),
            (self.round() > MOST_EVENTS, "a round has at most a million events"),
            (hot.iter().any(|ratio| !(1..=MOST_EVENTS).contains(ratio)), "hot ratios go from 1 to a million"),
            (self.sizes.iter().any(|size| *size > MOST_BYTES), "events have at most a megabyte"),
        ];
        wrong.iter().find(|(is, _)| *is).map_or(Ok(()), |(_, what)| Err((*what).to_owned()))
    }
}

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Someone registers.
    Person,
    /// Someone offers an item.
    Auction,
    /// Someone bids.
    Bid,
}

impl Kind {
    /// The `event_type` of the benchmark's table.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Person => 0,
            Self::Auction => 1,
            Self::Bid => 2,
        }
    }
}

/// The number of the first event, which the benchmark's generator begins with.
pub const FIRST_EVENT: u64 = 2;

/// One event: its number, and the ids that were given out last before or at it.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    /// Its number, from [`FIRST_EVENT`].
    pub number: u64,
    /// What it is.
    pub kind: Kind,
    /// The number of the last person, from 0.
    pub last_person: u64,
    /// The number of the last auction, from 0; before the first, -1.
    pub last_auction: i64,
}

const FIRST_ID: i64 = 1000;
const FIRST_CATEGORY: i64 = 10;
const CATEGORIES: u64 = 5;
/// Hot keys change after so many persons or auctions.
const HOT_EVERY: i64 = 100;
/// References go this far ahead of the last id, so that some events seem to have come in the wrong order.
const LEAD: u64 = 10;
const ACTIVE_PERSONS: u64 = 1000;
const AUCTIONS_IN_FLIGHT: i64 = 100;

/// Fields that take random numbers: each has a stream of its own.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(crate) enum Draw {
    Auction = 1,
    Bidder,
    Price,
    Channel,
    BidExtra,
    Seller,
    Category,
    InitialBid,
    Reserve,
    Expires,
    ItemName,
    Description,
    AuctionExtra,
    Name,
    Email,
    CreditCard,
    City,
    State,
    PersonExtra,
}

/// The random number of an event's field: the finalizer of SplitMix64 over both.
#[inline]
pub(crate) fn draw(seed: u64, event: u64, field: Draw) -> u64 {
    let state = seed.wrapping_add(event.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add((field as u64) << 57);
    let mut z = state ^ (field as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number below `bound`, from the upper half of a random number; bounds are far below 2³².
#[inline]
pub(crate) fn below(random: u64, bound: u64) -> u64 {
    ((random >> 32) * bound) >> 32
}

/// The same from the lower half.
#[inline]
pub(crate) fn below_low(random: u64, bound: u64) -> u64 {
    ((random & 0xffff_ffff) * bound) >> 32
}

impl Event {
    /// The id of the person that this event is.
    #[must_use]
    pub fn person_id(&self) -> i64 {
        FIRST_ID + self.last_person as i64
    }

    /// The id of the auction that this event is.
    #[must_use]
    pub fn auction_id(&self) -> i64 {
        FIRST_ID + self.last_auction
    }

    /// Any of the persons who are active, or soon will be.
    #[inline]
    fn any_person(&self, random: u64) -> i64 {
        let persons = self.last_person + 1;
        let active = persons.min(ACTIVE_PERSONS);
        (persons - active + below_low(random, active + LEAD)) as i64
    }

    /// The seller of this auction.
    #[inline]
    pub(crate) fn seller(&self, settings: &Settings) -> i64 {
        let random = draw(settings.seed, self.number, Draw::Seller);
        let hot = self.last_person as i64 / HOT_EVERY * HOT_EVERY;
        FIRST_ID + if below(random, settings.hot_sellers) > 0 { hot } else { self.any_person(random) }
    }

    /// The auction of this bid.
    #[inline]
    pub(crate) fn auction(&self, settings: &Settings) -> i64 {
        let random = draw(settings.seed, self.number, Draw::Auction);
        // The benchmark's integer division: also before the first auction.
        let hot = self.last_auction / HOT_EVERY * HOT_EVERY;
        let lowest = (self.last_auction - AUCTIONS_IN_FLIGHT).max(0);
        let span = (self.last_auction - lowest + 1) as u64 + LEAD;
        FIRST_ID + if below(random, settings.hot_auctions) > 0 { hot } else { lowest + below_low(random, span) as i64 }
    }

    /// The bidder of this bid: the second person of a hundred, where sellers take the first. The benchmark adds the first id
    /// twice, so that a bidder is someone who registers a thousand persons later, if ever: joins of bids with persons are
    /// as selective as that makes them.
    #[inline]
    pub(crate) fn bidder(&self, settings: &Settings) -> i64 {
        let random = draw(settings.seed, self.number, Draw::Bidder);
        let hot = self.last_person as i64 / HOT_EVERY * HOT_EVERY + 1;
        2 * FIRST_ID + if below(random, settings.hot_bidders) > 0 { hot } else { self.any_person(random) }
    }

    /// A price: from 100 to 100 million, each power of ten as likely as another.
    #[inline]
    pub(crate) fn price(&self, settings: &Settings, field: Draw) -> i64 {
        price(draw(settings.seed, self.number, field))
    }

    pub(crate) fn category(&self, settings: &Settings) -> i64 {
        FIRST_CATEGORY + below(draw(settings.seed, self.number, Draw::Category), CATEGORIES) as i64
    }

    /// When the auction ends: on average when as many auctions have begun after it as are in flight.
    pub(crate) fn expires(&self, settings: &Settings) -> i64 {
        let time = settings.time(self.number);
        let ahead = AUCTIONS_IN_FLIGHT as u64 * settings.round() / settings.proportions[1];
        let horizon = settings.time(self.number.saturating_add(ahead)).saturating_sub(time);
        let random = draw(settings.seed, self.number, Draw::Expires);
        // A horizon may be longer than 2³² ms, so this takes all bits.
        let length = (u128::from(random) * (horizon.max(1) as u128 * 2).max(1)) >> 64;
        time.saturating_add(1).saturating_add(i64::try_from(length).unwrap_or(i64::MAX))
    }
}

/// Steps of the table of powers.
const STEPS: usize = 4096;

/// Ten to the power of `6 × i / STEPS`, times 100.
static POWERS: std::sync::LazyLock<Box<[f64]>> =
    std::sync::LazyLock::new(|| (0..STEPS).map(|i| 100.0 * 10f64.powf(6.0 * i as f64 / STEPS as f64)).collect());

/// Makes the table of powers now, and not in the middle of the first frame.
pub(crate) fn prepare() {
    std::sync::LazyLock::force(&POWERS);
}

/// `round(100 × 10^(6u))` for a random u: a table for the first twelve bits and a parabola between its entries, which is off by
/// less than 1 in 10⁸.
#[inline]
fn price(random: u64) -> i64 {
    let (step, rest) = ((random >> 52) as usize, (random & 0xf_ffff_ffff_ffff) as f64);
    let x = rest * (6.0 * std::f64::consts::LN_10 / (STEPS as f64 * (1u64 << 52) as f64));
    (POWERS[step] * (1.0 + x + 0.5 * x * x)).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_powers_of_ten() {
        for i in 0..100_000u64 {
            let random = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let exact = 100.0 * 10f64.powf(6.0 * (random as f64 / 2f64.powi(64)));
            let found = price(random) as f64;
            assert!((found - exact).abs() <= 0.5 + exact * 1e-8, "{random}: {found}, {exact}");
        }
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        assert_eq!(Settings::default().check(), Ok(()));
        let check = |settings: Settings, what: &str| {
            let error = settings.check().unwrap_err();
            assert!(error.contains(what), "{settings:?}: {error}");
        };
        check(Settings { rate: 0, ..Settings::default() }, "from one to");
        check(Settings { rate: u64::MAX, ..Settings::default() }, "from one to");
        check(Settings { proportions: [0, 1, 46], ..Settings::default() }, "person");
        check(Settings { proportions: [1, 0, 46], ..Settings::default() }, "auction");
        check(Settings { proportions: [u64::MAX; 3], ..Settings::default() }, "a million events");
        check(Settings { hot_bidders: 0, ..Settings::default() }, "hot ratios");
        check(Settings { hot_auctions: 5_000_000_000, ..Settings::default() }, "hot ratios");
        check(Settings { sizes: [200, 500, 1 << 30], ..Settings::default() }, "a megabyte");
    }
}

//! The texts of events: names, addresses, descriptions, channels, and what fills an event up to its size.

use std::fmt::Write;

use crate::model::{Draw, Event, Settings, below, below_low, draw};

const FIRST_NAMES: [&str; 11] =
    ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const CITIES: [&str; 10] =
    ["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
/// Half of all bids come by a hot channel, the others by one of so many.
const CHANNELS: u64 = 10_000;

/// The channels with their addresses, which are the same for all events of a seed.
#[derive(Debug)]
pub struct Channels {
    /// Names, then addresses, by channel; the hot ones come first.
    names: Vec<(String, String)>,
}

impl Channels {
    /// The channels of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let hot = HOT_CHANNELS.iter().map(|name| (*name).to_owned());
        let all = hot.chain((0..CHANNELS).map(|number| format!("channel-{number}")));
        let names = (0u64..).zip(all).map(|(i, name)| {
            let mut stream = Stream::new(seed, !i, Draw::Channel);
            let mut url = "https://www.nexmark.com".to_owned();
            for _ in 0..3 {
                url.push('/');
                stream.word(&mut url, 5, '_');
            }
            url.push_str("/item.htm?query=1");
            if let Some(number) = i.checked_sub(HOT_CHANNELS.len() as u64) {
                // One channel in ten has no id in its address.
                if stream.below(10) > 0 {
                    let id = (number as u32).reverse_bits().cast_signed().unsigned_abs();
                    write!(url, "&channel_id={id}").expect("writing to a String cannot fail");
                }
            }
            (name, url)
        });
        Self { names: names.collect() }
    }

    /// The channel of a bid, and its address.
    #[inline]
    pub(crate) fn of(&self, event: &Event, settings: &Settings) -> &(String, String) {
        let random = draw(settings.seed, event.number, Draw::Channel);
        let hot = HOT_CHANNELS.len() as u64;
        let number = if random & 1 == 0 { below(random, hot) } else { hot + below(random, CHANNELS) };
        &self.names[number as usize]
    }
}

/// More random numbers for one field of one event.
struct Stream {
    seed: u64,
    event: u64,
    field: Draw,
}

impl Stream {
    fn new(seed: u64, event: u64, field: Draw) -> Self {
        Self { seed, event, field }
    }

    #[inline]
    fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0xa076_1d64_78bd_642f);
        draw(self.seed, self.event, self.field)
    }

    fn below(&mut self, bound: u64) -> u64 {
        below(self.next(), bound)
    }

    /// A word of three to `longest - 1` letters, one in thirteen of them `special`, and none at the ends if that is a blank.
    fn word(&mut self, out: &mut String, longest: u64, special: char) {
        let start = out.len();
        for _ in 0..3 + self.below(longest - 3) {
            let random = self.next();
            let letter = char::from(b'a' + below_low(random, 26) as u8);
            out.push(if below(random, 13) == 0 { special } else { letter });
        }
        if special == ' ' {
            out.truncate(start + out[start..].trim_end().len());
            let blanks = out[start..].len() - out[start..].trim_start().len();
            out.drain(start..start + blanks);
        }
    }

    /// Letters from H to z, as many as make up for what an event of `now` bytes lacks to `average`, a fifth more or less. Runs of
    /// six are either all from `a` on or all up to it, which is how the benchmark's numbers with signs come out.
    fn filling(&mut self, out: &mut String, now: u64, average: u64) {
        let Some(lacking) = average.checked_sub(now) else { return };
        let spread = (lacking + 2) / 5;
        let mut left = lacking - spread + if spread == 0 { 0 } else { self.below(2 * spread) };
        out.reserve(left as usize);
        while left > 0 {
            let random = self.next();
            for mut run in [random as u32, (random >> 32) as u32] {
                let negative = run >> 31 == 1;
                run &= 0x7fff_ffff;
                for _ in 0..left.min(6) {
                    let digit = (run % 26) as u8;
                    run /= 26;
                    out.push(char::from(if negative { b'a' - digit } else { b'a' + digit }));
                    left -= 1;
                }
            }
        }
    }
}

fn one_of<const N: usize>(names: [&'static str; N], random: u64) -> &'static str {
    names[below(random, N as u64) as usize]
}

/// A text of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Text {
    Name,
    Email,
    CreditCard,
    City,
    State,
    PersonExtra,
    ItemName,
    Description,
    AuctionExtra,
    BidExtra,
}

/// Writes a text of an event to `out`, which is empty.
pub(crate) fn write_text(text: Text, event: &Event, settings: &Settings, out: &mut String) {
    let number = event.number;
    let random = |field| draw(settings.seed, number, field);
    let stream = |field| Stream::new(settings.seed, number, field);
    match text {
        Text::Name => {
            let random = random(Draw::Name);
            out.push_str(one_of(FIRST_NAMES, random));
            out.push(' ');
            out.push_str(one_of(LAST_NAMES, random << 32));
        }
        Text::Email => {
            let mut stream = stream(Draw::Email);
            stream.word(out, 7, ' ');
            out.push('@');
            stream.word(out, 5, ' ');
            out.push_str(".com");
        }
        Text::CreditCard => {
            let mut stream = stream(Draw::CreditCard);
            for part in 0..4 {
                let blank = if part > 0 { " " } else { "" };
                write!(out, "{blank}{:04}", stream.below(10_000)).expect("writing to a String cannot fail");
            }
        }
        Text::City => out.push_str(one_of(CITIES, random(Draw::City))),
        Text::State => out.push_str(one_of(STATES, random(Draw::State))),
        Text::ItemName => stream(Draw::ItemName).word(out, 20, ' '),
        Text::Description => stream(Draw::Description).word(out, 100, ' '),
        Text::PersonExtra => {
            // What it is made up to counts all other fields: the id, and the texts.
            let parts = [Text::Name, Text::Email, Text::CreditCard, Text::City, Text::State];
            let now = 8 + parts.iter().map(|part| length(*part, event, settings, out)).sum::<u64>();
            stream(Draw::PersonExtra).filling(out, now, settings.sizes[0]);
        }
        Text::AuctionExtra => {
            let parts = [Text::ItemName, Text::Description];
            let now = 48 + parts.iter().map(|part| length(*part, event, settings, out)).sum::<u64>();
            stream(Draw::AuctionExtra).filling(out, now, settings.sizes[1]);
        }
        Text::BidExtra => stream(Draw::BidExtra).filling(out, 32, settings.sizes[2]),
    }
}

/// How long another text of the event is; `out` is empty before and after.
fn length(text: Text, event: &Event, settings: &Settings, out: &mut String) -> u64 {
    write_text(text, event, settings, out);
    let length = out.len() as u64;
    out.clear();
    length
}

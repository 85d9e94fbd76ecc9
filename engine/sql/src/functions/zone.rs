//! Time zones by Java's abbreviations, which some functions take beside a zone's name and an offset.
//!
//! An abbreviation is a place, with its daylight saving: `PST` is Los Angeles in summer, too. Settings do not take them,
//! as Flink's do not.

use crate::error::SqlError;
use crate::settings::{Zone, zone};

/// Java's abbreviations that are no names of their own.
const SHORT: &[(&str, &str)] = &[
    ("ACT", "Australia/Darwin"),
    ("AET", "Australia/Sydney"),
    ("AGT", "America/Argentina/Buenos_Aires"),
    ("ART", "Africa/Cairo"),
    ("AST", "America/Anchorage"),
    ("BET", "America/Sao_Paulo"),
    ("BST", "Asia/Dhaka"),
    ("CAT", "Africa/Harare"),
    ("CNT", "America/St_Johns"),
    ("CST", "America/Chicago"),
    ("CTT", "Asia/Shanghai"),
    ("EAT", "Africa/Addis_Ababa"),
    ("ECT", "Europe/Paris"),
    ("IET", "America/Indiana/Indianapolis"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("MIT", "Pacific/Apia"),
    ("NET", "Asia/Yerevan"),
    ("NST", "Pacific/Auckland"),
    ("PLT", "Asia/Karachi"),
    ("PNT", "America/Phoenix"),
    ("PRT", "America/Puerto_Rico"),
    ("PST", "America/Los_Angeles"),
    ("SST", "Pacific/Guadalcanal"),
    ("VST", "Asia/Ho_Chi_Minh"),
];

/// A zone by its name, its offset, or one of Java's abbreviations.
pub(super) fn zone_or_short(text: &str) -> Option<Zone> {
    let name = SHORT.iter().find(|(short, _)| *short == text).map_or(text, |(_, name)| name);
    zone(name)
}

/// Whether a constant is a zone.
pub(super) fn check(text: &str) -> std::result::Result<(), SqlError> {
    match zone_or_short(text) {
        Some(_) => Ok(()),
        None => Err(SqlError::new(format!("'{text}' is no time zone"))
            .hint("write a name such as 'America/Los_Angeles', an abbreviation such as 'PST', or an offset such as 'GMT-08:00'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_abbreviation_is_a_place() {
        for (short, name) in SHORT {
            assert!(matches!(zone_or_short(short), Some(Zone::Named(found)) if found.name() == *name), "{short}");
        }
    }
}

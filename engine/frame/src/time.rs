//! Event and processing time.

use std::fmt;

/// Milliseconds since 1970-01-01 00:00:00 UTC, as in Flink.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
#[rkyv(derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash))]
#[repr(transparent)]
pub struct Timestamp(pub i64);

impl ArchivedTimestamp {
    /// The time itself.
    #[must_use]
    #[inline]
    pub const fn get(&self) -> Timestamp {
        Timestamp(self.0.to_native())
    }
}

impl Timestamp {
    /// Before all time: the watermark of an input that has not delivered any.
    pub const MIN: Self = Self(i64::MIN);
    /// After all time: the watermark at the end of input.
    pub const MAX: Self = Self(i64::MAX);

    /// This time plus `millis`, held within the representable range.
    #[must_use]
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// This time minus `millis`, held within the representable range.
    #[must_use]
    pub const fn minus(self, millis: i64) -> Self {
        Self(self.0.saturating_sub(millis))
    }
}

impl fmt::Display for Timestamp {
    /// `2013-01-01 10:15:00.000`, or `MIN` and `MAX`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MIN => f.write_str("MIN"),
            Self::MAX => f.write_str("MAX"),
            Self(millis) => {
                let (days, ms) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
                let (y, m, d) = civil_from_days(days);
                let (h, min, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
                write!(f, "{y:04}-{m:02}-{d:02} {h:02}:{min:02}:{s:02}.{:03}", ms % 1000)
            }
        }
    }
}

/// Days since 1970-01-01 of a proleptic Gregorian date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
#[must_use]
pub const fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = (month as i64 + 9) % 12;
    let doy = (153 * mp + 2) / 5 + day as i64 - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

/// Year, month (1 to 12) and day (1 to 31) of a day counted from 1970-01-01 (same source).
#[must_use]
pub const fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    (yoe + era * 400 + (month <= 2) as i64, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip_and_print() {
        for days in (-800_000..800_000).step_by(97) {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days);
        }
        assert_eq!(
            Timestamp(days_from_civil(2013, 1, 1) * 86_400_000 + 36_900_001).to_string(),
            "2013-01-01 10:15:00.001"
        );
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31 23:59:59.999");
    }
}

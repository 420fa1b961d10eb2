//! Instants, to the millisecond, in UTC.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
///
/// ```
/// use rootward_names::Time;
/// let t = Time::from_seconds(1_704_067_200);
/// assert_eq!(t.to_string(), "2024-01-01T00:00:00Z");
/// assert_eq!(Time::parse("2024-01-01T01:00:00+01:00").unwrap(), t);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Time(i64);

/// A text that is no ISO 8601 instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidTime;

impl fmt::Display for InvalidTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an ISO 8601 instant such as `2024-01-01T00:00:00Z`")
    }
}

impl std::error::Error for InvalidTime {}

impl Time {
    /// The instant `ms` milliseconds after the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// The instant `seconds` seconds after the epoch (saturating).
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This instant moved by `seconds` (saturating).
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// This instant moved by `days` of 24 hours (saturating).
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        self.plus_seconds(days.saturating_mul(DAY_SECONDS))
    }

    /// Reads an ISO 8601 instant with an offset or `Z`, in the years 0000 to 9999: what the wire formats can show.
    ///
    /// # Errors
    /// [`InvalidTime`] when the text is anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidTime> {
        let time = text.parse::<jiff::Timestamp>().map_err(|_| InvalidTime)?;
        if time.as_second() < YEAR_ZERO_SECONDS { Err(InvalidTime) } else { Ok(Self(time.as_millisecond())) }
    }

    /// `YYYYMMDDTHHMMSSZ`, the form of `X-Amz-Date`.
    pub fn basic(self) -> String {
        let [y, mo, d, h, mi, s] = self.civil();
        format!("{y:04}{mo:02}{d:02}T{h:02}{mi:02}{s:02}Z")
    }

    /// The first instant of this instant's day, in UTC.
    #[must_use]
    pub const fn day_start(self) -> Self {
        Self::from_seconds(self.seconds().div_euclid(DAY_SECONDS).saturating_mul(DAY_SECONDS))
    }

    /// The first instant of the month, in UTC, that is `months` after the one of this instant.
    ///
    /// ```
    /// use rootward_names::Time;
    /// let t = Time::parse("2024-11-30T12:00:00Z").unwrap();
    /// assert_eq!(t.month_start(0).to_string(), "2024-11-01T00:00:00Z");
    /// assert_eq!(t.month_start(2).to_string(), "2025-01-01T00:00:00Z");
    /// ```
    pub fn month_start(self, months: i64) -> Self {
        let [year, month, ..] = self.civil();
        // Years that begin in March, as in `civil`: the day that may be missing is the last one.
        let month = (year * 12 + month - 3).saturating_add(months);
        let (year, month) = (month.div_euclid(12), month.rem_euclid(12));
        let (era, yoe) = (year.div_euclid(400), year.rem_euclid(400));
        let doe = yoe * 365 + yoe / 4 - yoe / 100 + (153 * month + 2) / 5;
        let days = era.saturating_mul(146_097).saturating_add(doe - 719_468);
        Self::from_seconds(days.saturating_mul(DAY_SECONDS))
    }

    /// `Sep 16, 2020 9:20:50 PM`, the form of times within CloudTrail's service events.
    pub fn spoken(self) -> String {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let [y, mo, d, h, mi, s] = self.civil();
        let month = usize::try_from(mo - 1).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"");
        let (hour, half) = ((h + 11) % 12 + 1, if h < 12 { "AM" } else { "PM" });
        format!("{month} {d}, {y} {hour}:{mi:02}:{s:02} {half}")
    }

    /// Year, month, day, hour, minute and second in UTC.
    fn civil(self) -> [i64; 6] {
        // Days to civil date by the era method: exact for every i64 of seconds, no table, no time zone data.
        let (days, rest) = (self.seconds().div_euclid(DAY_SECONDS), self.seconds().rem_euclid(DAY_SECONDS));
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        [year, month, day, rest / 3600, rest / 60 % 60, rest % 60]
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ`, whole seconds: the form of the XML protocols and of CloudTrail.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [y, mo, d, h, mi, s] = self.civil();
        write!(f, "{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}Z")
    }
}

const DAY_SECONDS: i64 = 86_400;

/// 0000-01-01T00:00:00Z.
const YEAR_ZERO_SECONDS: i64 = -62_167_219_200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shown_time_reads_back(seconds in -60_000_000_000i64..250_000_000_000) {
            let time = Time::from_seconds(seconds);
            prop_assert_eq!(Time::parse(&time.to_string()), Ok(time));
        }

        #[test]
        fn months_begin_where_their_days_do(seconds in -60_000_000_000i64..250_000_000_000, months in -30i64..30) {
            let (time, start) = (Time::from_seconds(seconds), Time::from_seconds(seconds).month_start(months));
            let ([y, mo, ..], [start_y, start_mo, rest @ ..]) = (time.civil(), start.civil());
            prop_assert_eq!(start_y * 12 + start_mo, y * 12 + mo + months);
            prop_assert_eq!(rest, [1, 0, 0, 0]);
        }
    }

    #[test]
    fn days_are_counted_across_months_and_begin_at_midnight_before_the_epoch_too() {
        let time = |text: &str| Time::parse(text).unwrap();
        assert_eq!(time("2024-02-28T12:00:00Z").plus_days(2), time("2024-03-01T12:00:00Z"));
        assert_eq!(time("2024-03-01T12:00:00Z").plus_days(-1).day_start(), time("2024-02-29T00:00:00Z"));
        assert_eq!(time("1969-12-31T23:59:59.999Z").day_start(), time("1969-12-31T00:00:00Z"));
        assert_eq!(Time::from_millis(1).plus_days(i64::MAX), Time::from_millis(i64::MAX));
    }

    #[test]
    fn years_of_more_than_four_characters_are_refused() {
        assert_eq!(Time::parse("-001024-01-01T00:00:00Z"), Err(InvalidTime));
        assert_eq!(Time::parse("0000-01-01T00:00:00+00:01"), Err(InvalidTime));
        assert_eq!(Time::parse("0000-01-01T00:00:00Z").unwrap().to_string(), "0000-01-01T00:00:00Z");
        assert_eq!(Time::parse("+010000-01-01T00:00:00Z"), Err(InvalidTime));
    }

    #[test]
    fn basic_form() {
        assert_eq!(Time::from_seconds(1_440_938_160).basic(), "20150830T123600Z");
    }

    #[test]
    fn spoken_form_has_noon_and_midnight_at_twelve() {
        let spoken = |text: &str| Time::parse(text).unwrap().spoken();
        assert_eq!(spoken("2020-09-16T21:20:50Z"), "Sep 16, 2020 9:20:50 PM");
        assert_eq!(spoken("2023-05-01T00:05:04Z"), "May 1, 2023 12:05:04 AM");
        assert_eq!(spoken("2023-12-31T12:00:00Z"), "Dec 31, 2023 12:00:00 PM");
    }
}

//! Instants in the forms that the protocols use.

use rootward_names::Time;

use crate::TimestampFormat;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Year, month, day, hour, minute and second, taken from the ISO form.
fn fields(time: Time) -> [u32; 6] {
    let text = time.to_string();
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

fn month(number: u32) -> &'static str {
    MONTHS.get(number.saturating_sub(1) as usize).copied().unwrap_or("Jan")
}

/// `Mon, 01 Jan 2024 00:00:00 GMT`.
pub(crate) fn http_date(time: Time) -> String {
    let [y, mo, d, h, mi, s] = fields(time);
    let weekday = time.seconds().div_euclid(86_400).rem_euclid(7);
    let day = usize::try_from(weekday).ok().and_then(|at| DAYS.get(at)).copied().unwrap_or("Thu");
    format!("{day}, {d:02} {} {y:04} {h:02}:{mi:02}:{s:02} GMT", month(mo))
}

/// `Jan 1, 2024 12:00:00 AM`: how CloudTrail shows the instants inside IAM and STS answers.
pub(crate) fn trail_date(time: Time) -> String {
    let [y, mo, d, h, mi, s] = fields(time);
    let half = if h < 12 { "AM" } else { "PM" };
    let hour = if h % 12 == 0 { 12 } else { h % 12 };
    format!("{} {d}, {y} {hour}:{mi:02}:{s:02} {half}", month(mo))
}

/// Reads any of the forms a client may send: ISO 8601, seconds since 1970 with an optional fraction, HTTP date.
pub(crate) fn parse(text: &str) -> Option<Time> {
    Time::parse(text).ok().or_else(|| from_seconds(text.parse().ok()?)).or_else(|| parse_http_date(text))
}

/// The instant `seconds` after 1970; `None` outside the years that our formats can show.
pub(crate) fn from_seconds(seconds: f64) -> Option<Time> {
    let millis = (seconds * 1000.0).round();
    // Whole numbers up to 2^53 are exact; the bounds are the years 0 and 9999.
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    (-62_167_219_200_000.0..=253_402_300_799_999.0)
        .contains(&millis)
        .then(|| Time::from_millis(millis as i64))
}

fn parse_http_date(text: &str) -> Option<Time> {
    let (_, rest) = text.split_once(", ")?;
    let mut parts = rest.split(' ');
    let mut next = || parts.next();
    let (day, name, year, clock, zone) = (next()?, next()?, next()?, next()?, next()?);
    let month = MONTHS.iter().position(|month| *month == name)? + 1;
    (zone == "GMT").then_some(())?;
    Time::parse(&format!("{year}-{month:02}-{day}T{clock}Z")).ok()
}

/// `time` in a textual form; seconds are written by the caller, as JSON has them as a number.
pub(crate) fn text(time: Time, format: TimestampFormat) -> String {
    match format {
        TimestampFormat::EpochSeconds => time.seconds().to_string(),
        TimestampFormat::HttpDate => http_date(time),
        TimestampFormat::Iso8601 => time.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn example_http_date_of_rfc_9110() {
        assert_eq!(http_date(Time::from_seconds(784_111_777)), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn trail_date_counts_hours_to_twelve() {
        assert_eq!(trail_date(Time::from_seconds(1_704_067_200)), "Jan 1, 2024 12:00:00 AM");
        assert_eq!(trail_date(Time::from_seconds(1_395_695_519)), "Mar 24, 2014 9:11:59 PM");
        assert_eq!(trail_date(Time::from_seconds(1_704_110_400)), "Jan 1, 2024 12:00:00 PM");
    }

    #[test]
    fn text_that_is_no_instant_is_refused() {
        for text in ["", "abc", "2024-13-01T00:00:00Z", "NaN", "1e300", "Sun, 06 Nov 1994 08:49:37 CET"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_form_reads_back(seconds in -62_000_000_000i64..250_000_000_000) {
            let time = Time::from_seconds(seconds);
            for format in [TimestampFormat::EpochSeconds, TimestampFormat::HttpDate, TimestampFormat::Iso8601] {
                prop_assert_eq!(parse(&text(time, format)), Some(time));
            }
        }
    }
}

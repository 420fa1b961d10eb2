//! Values of conditions read by type: numbers, instants, address ranges, bytes. Nothing here allocates but bytes.

use std::cmp::Ordering;
use std::net::IpAddr;

/// The types of values that conditions tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// Base64.
    Binary,
    /// `true` or `false`, in any case.
    Boolean,
    /// ISO 8601, or seconds since 1970.
    Date,
    /// One address.
    Ip,
    /// A decimal number.
    Numeric,
    /// Any text.
    String,
}

impl ValueType {
    /// Whether `text` reads as such a value; if not, every condition that expects one cannot be evaluated.
    pub fn reads(self, text: &str) -> bool {
        match self {
            Self::Binary => base64(text).is_some(),
            Self::Boolean => text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"),
            Self::Date => instant(text).is_some(),
            Self::Ip => text.parse::<IpAddr>().is_ok(),
            Self::Numeric => Number::parse(text).is_some(),
            Self::String => true,
        }
    }
}

/// A decimal number of any length, borrowed from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number<'a> {
    negative: bool,
    /// Without leading zeros.
    whole: &'a str,
    /// Without trailing zeros.
    fraction: &'a str,
}

impl<'a> Number<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Self { negative: sign && !zero, whole, fraction })
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let size = |n: &Self, m: &Self| {
            (n.whole.len(), n.whole, n.fraction).cmp(&(m.whole.len(), m.whole, m.fraction))
        };
        match (self.negative, other.negative) {
            (false, false) => size(self, other),
            (true, true) => size(other, self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Seconds since 1970 and nanoseconds.
pub(crate) type Instant = (i64, u32);

/// Reads an instant: ISO 8601 if the text has a `t` or a `-`, else seconds since 1970.
pub(crate) fn instant(text: &str) -> Option<Instant> {
    if text.bytes().any(|b| matches!(b, b't' | b'T' | b'-')) {
        return iso(text);
    }
    Some((digits(text, 1, 19)?, 0))
}

/// Whether AWS takes `text` as a date when a policy is saved.
pub(crate) fn is_date_literal(text: &str) -> bool {
    instant(text).is_some()
}

fn iso(text: &str) -> Option<Instant> {
    let (date, time) = match text.find(['t', 'T']) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?),
        None => (text, ""),
    };
    let days = days(date)?;
    let (seconds, nanos) = if time.is_empty() { (0, 0) } else { time_of_day(time)? };
    Some((days.checked_mul(86_400)?.checked_add(seconds)?, nanos))
}

/// Days since 1970 of `YYYY[-MM[-DD]]`, years −292275054 to 292278993.
fn days(date: &str) -> Option<i64> {
    let (negative, date) = match date.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, date),
    };
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 1, 9)?;
    let year = if negative { -year } else { year };
    let month = parts.next().map_or(Some(1), |month| digits(month, 1, 2))?;
    let day = parts.next().map_or(Some(1), |day| digits(day, 1, 2))?;
    let valid =
        (-292_275_054..=292_278_993).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !valid || parts.next().is_some() {
        return None;
    }
    // Civil date to days by the era method: March is the first month, so that a leap day ends the year.
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let year_of_era = y.rem_euclid(400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Seconds and nanoseconds of `hh[:mm[:ss[.f]]][Z|±hh[:mm]]`, the offset taken off.
fn time_of_day(time: &str) -> Option<Instant> {
    let at = time.find(['z', 'Z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = (time.get(..at)?, time.get(at..)?);
    let mut parts = clock.split(':');
    let hours = digits(parts.next()?, 1, 2)?;
    let minutes = parts.next().map_or(Some(0), |minutes| digits(minutes, 1, 2))?;
    let (seconds, fraction) = match parts.next() {
        None => (0, 0),
        Some(part) => {
            let (seconds, fraction) = part.split_once('.').unwrap_or((part, "0"));
            (digits(seconds, 1, 2)?, nanos(fraction)?)
        }
    };
    if hours > 23 || minutes > 59 || seconds > 59 || parts.next().is_some() {
        return None;
    }
    Some((hours * 3600 + minutes * 60 + seconds - offset(zone)?, fraction))
}

/// Seconds east of UTC; no zone is UTC.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "z" | "Z") {
        return Some(0);
    }
    let (sign, clock) = match zone.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, zone.strip_prefix('+')?),
    };
    let (hours, minutes) = match clock.split_once(':') {
        Some((hours, minutes)) => (digits(hours, 2, 2)?, digits(minutes, 2, 2)?),
        None if clock.len() == 4 => (digits(clock.get(..2)?, 2, 2)?, digits(clock.get(2..)?, 2, 2)?),
        None => (digits(clock, 2, 2)?, 0),
    };
    if hours > 23 || minutes > 59 { None } else { Some(sign * (hours * 3600 + minutes * 60)) }
}

fn digits(text: &str, least: usize, most: usize) -> Option<i64> {
    let fits = (least..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

fn nanos(fraction: &str) -> Option<u32> {
    let value = digits(fraction, 1, 9)?;
    let scale = 10i64.checked_pow(9u32.checked_sub(u32::try_from(fraction.len()).ok()?)?)?;
    u32::try_from(value * scale).ok()
}

/// An address range; families never mix, an IPv4 address mapped into IPv6 counts as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    address: IpAddr,
    bits: u32,
}

impl Range {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(u32::try_from(digits(bits, 1, 3)?).ok()?)),
            None => (text, None),
        };
        let parsed: IpAddr = address.parse().ok()?;
        let width = if parsed.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        if bits > width {
            return None;
        }
        let address = parsed.to_canonical();
        if address.is_ipv4() == parsed.is_ipv4() {
            Some(Self { address, bits })
        } else {
            // A range within ::ffff:0:0/96; a wider one holds every IPv4 address and more, and stays IPv6.
            Some(bits.checked_sub(96).map_or(Self { address: parsed, bits }, |bits| Self { address, bits }))
        }
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(range), IpAddr::V4(address)) => {
                let apart = u32::from(range) ^ u32::from(address);
                apart.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(range), IpAddr::V6(address)) => {
                let apart = u128::from(range) ^ u128::from(address);
                apart.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// The bytes of standard base64; padding may be left out, but not be wrong.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let (padded, text) = (text, text.trim_end_matches('='));
    let padding = padded.len() - text.len();
    if padding > 0 && padding != (4 - text.len() % 4) % 4 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0u32, 0);
    for c in text.bytes() {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    if held == 6 { None } else { Some(bytes) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rootward_names::Time;

    use super::*;

    proptest! {
        #[test]
        fn integers_compare_as_integers(a in any::<i64>(), b in any::<i64>()) {
            let (x, y) = (a.to_string(), b.to_string());
            prop_assert_eq!(Number::parse(&x).unwrap().cmp(&Number::parse(&y).unwrap()), a.cmp(&b));
        }

        #[test]
        fn decimals_compare_as_decimals(a in -99_999i32..99_999, b in -99_999i32..99_999) {
            let text = |n: i32| format!("{}{}.{:03}", if n < 0 { "-" } else { "" }, n.abs() / 1000, n.abs() % 1000);
            let (x, y) = (text(a), text(b));
            prop_assert_eq!(Number::parse(&x).unwrap().cmp(&Number::parse(&y).unwrap()), a.cmp(&b));
        }

        #[test]
        fn instants_read_as_a_calendar_reads_them(seconds in -62_000_000_000i64..250_000_000_000) {
            prop_assert_eq!(instant(&Time::from_seconds(seconds).to_string()), Some((seconds, 0)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = (Number::parse(&text), instant(&text), Range::parse(&text), base64(&text));
        }
    }

    #[test]
    fn numbers_of_any_length_compare() {
        let number = |text| Number::parse(text).unwrap();
        assert!(number("1180591620717411303424") > number("1180591620717411303423.9"));
        assert_eq!(number("-0.0"), number("000"));
        assert_eq!(number("10"), number("10.0"));
        for text in ["", "-", "1.", ".5", "1e3", "0x1", " 1", "1_0", "--1"] {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }

    #[test]
    fn offsets_and_short_forms() {
        assert_eq!(instant("2026-01-01T01:00:00+02:00"), instant("2025-12-31T23:00:00Z"));
        assert_eq!(instant("2026-01"), instant("2026-01-01T00:00Z"));
        assert_eq!(instant("1700000000"), instant("2023-11-14T22:13:20Z"));
        assert_eq!(instant("9223372036854775807"), Some((i64::MAX, 0)));
        assert_eq!(instant("0.5"), None);
        assert_eq!(instant("1970-01-01T00:00:00.5Z"), Some((0, 500_000_000)));
        assert!(instant("0000-01-01T00:00:00Z").is_some() && instant("99999-01-01").is_some());
    }

    #[test]
    fn dates_out_of_range_are_refused() {
        for text in
            ["2026-13-01", "2026-01-32", "2026-01-01T24:00Z", "292278994-01-01", "-", "t", "2026-1-1-1", ""]
        {
            assert!(instant(text).is_none() && !is_date_literal(text), "{text}");
        }
        assert!(is_date_literal("9223372036854775807") && !is_date_literal("9223372036854775808"));
    }

    #[test]
    fn ranges() {
        let holds =
            |range: &str, address: &str| Range::parse(range).unwrap().contains(address.parse().unwrap());
        assert!(holds("203.0.113.9/24", "203.0.113.77") && !holds("203.0.113.0/24", "203.0.114.1"));
        assert!(holds("0.0.0.0/0", "1.2.3.4") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("2001:db8::/32", "2001:db8:0::1") && !holds("::/0", "1.2.3.4"));
        assert!(holds("1.2.3.0/24", "::ffff:1.2.3.4") && holds("::ffff:1.2.3.0/120", "1.2.3.4"));
        for text in
            ["1.2.3.4/33", "::/129", "fe80::1%eth0", "1.2.3", "01.2.3.4", "1.2.3.4/", "1.2.3.4/-1", ""]
        {
            assert_eq!(Range::parse(text), None, "{text}");
        }
    }

    #[test]
    fn base64_bytes() {
        assert_eq!(base64("QmluYXJ5").as_deref(), Some(&b"Binary"[..]));
        assert_eq!(base64("QQ=="), base64("QQ"));
        assert_eq!(base64("Q"), None);
        for text in ["QQ=", "QQ===", "QUI==", "QUJD=", "QUJD====", "="] {
            assert_eq!(base64(text), None, "{text}");
        }
        assert_eq!(base64("a b"), None);
    }
}

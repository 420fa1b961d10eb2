//! The values operators read out of text. None: it cannot be read as that.

use std::cmp::Ordering;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An integer or decimal of any length: sign, digits before and after the point, without zeros that say nothing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Number {
    negative: bool,
    whole: String,
    fraction: String,
}

impl Number {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if !(whole.to_owned() + fraction).bytes().all(|b| b.is_ascii_digit())
            || (whole.is_empty() && fraction.is_empty())
        {
            return None;
        }
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let zero = whole.is_empty() && fraction.is_empty();
        Some(Self { negative: negative && !zero, whole: whole.to_owned(), fraction: fraction.to_owned() })
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        // Without leading zeros the longer one is greater; fractions compare like words.
        let size = |n: &Self| (n.whole.len(), n.whole.clone(), n.fraction.clone());
        match (self.negative, other.negative) {
            (false, false) => size(self).cmp(&size(other)),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (true, true) => size(other).cmp(&size(self)),
        }
    }
}

/// Nanoseconds since 1970. IAM, "Condition operators", date: ISO 8601 from the year to the fraction of a second, or seconds
/// since 1970.
pub(crate) fn instant(text: &str) -> Option<i128> {
    const SECOND: i128 = 1_000_000_000;
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse::<i64>().ok().map(|seconds| i128::from(seconds) * SECOND);
    }
    let (date, time) = text.split_once(['T', 't']).map_or((text, None), |(date, time)| (date, Some(time)));
    let (sign, date) = date.strip_prefix('-').map_or((1, date), |date| (-1, date));
    let mut parts = date.split('-');
    let year = sign * small(parts.next()?, 9)?;
    let month = parts.next().map_or(Some(1), |month| small(month, 2))?;
    let day = parts.next().map_or(Some(1), |day| small(day, 2))?;
    // Undocumented, observed: every month may have 31 days; the surplus ones run on into the next.
    let exists =
        (1..=12).contains(&month) && (1..=31).contains(&day) && (-292_275_054..=292_278_993).contains(&year);
    if !exists || parts.next().is_some() {
        return None;
    }
    let midnight = (days_before(year, month) + day - 1) * 86_400 * SECOND;
    time.map_or(Some(midnight), |time| Some(midnight + time_of_day(time)?))
}

/// `hh:mm[:ss[.fraction]]` and the zone, `Z` or `±hh[:mm]`.
fn time_of_day(text: &str) -> Option<i128> {
    const SECOND: i128 = 1_000_000_000;
    let (clock, zone) = text.find(['Z', 'z', '+', '-']).and_then(|at| text.split_at_checked(at))?;
    let offset = match zone.strip_prefix(['+', '-']) {
        None if zone.len() == 1 => 0,
        None => return None,
        Some(zone_clock) => {
            let (hours, minutes) = zone_clock.split_once(':').unwrap_or((zone_clock, "00"));
            let minutes = bounded(hours, 23)? * 60 + bounded(minutes, 59)?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(clock, f)| (clock, Some(f)));
    let mut parts = clock.split(':');
    let hours = bounded(parts.next()?, 23)?;
    let minutes = bounded(parts.next()?, 59)?;
    let seconds = parts.next().map_or(Some(0), |seconds| bounded(seconds, 59))?;
    let nanoseconds = match fraction {
        None => 0,
        Some(f) if (1..=9).contains(&f.len()) => digits(&format!("{f:0<9}"), 9)?,
        Some(_) => return None,
    };
    if parts.next().is_some() {
        return None;
    }
    Some(((hours * 60 + minutes - offset) * 60 + seconds) * SECOND + nanoseconds)
}

fn digits(text: &str, length: usize) -> Option<i128> {
    (text.len() == length && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn bounded(text: &str, max: i128) -> Option<i128> {
    digits(text, 2).filter(|value| *value <= max)
}

/// At most so many digits.
fn small(text: &str, length: usize) -> Option<i128> {
    if text.len() <= length { digits(text, text.len()) } else { None }
}

fn is_leap(year: i128) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

/// Days from 1970 to the first of a month.
fn days_before(year: i128, month: i128) -> i128 {
    // Leap years up to and with a year, counted from the year 0.
    let leaps = |year: i128| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let years = (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    years + (1..month).zip(months).map(|(_, days)| days).sum::<i128>()
}

/// A range of addresses, as the bits of its first address and how many of them count.
pub(crate) struct Range {
    bits: Vec<bool>,
}

/// IAM, "Condition operators", IP address: CIDR of either family; without a prefix length it is that one address.
pub(crate) fn range(text: &str) -> Option<Range> {
    let (address, length) = text.split_once('/').map_or((text, None), |(a, l)| (a, Some(l)));
    let parsed: IpAddr = address.parse().ok()?;
    let mut bits = bits_of(parsed);
    let length = match length {
        None => bits.len(),
        Some(length) if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) => {
            length.parse().ok()?
        }
        Some(_) => return None,
    };
    if length > bits.len() {
        return None;
    }
    bits.truncate(length);
    // A range inside the IPv4-mapped addresses is the range of the IPv4 addresses they stand for.
    let mapped = matches!(parsed, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some()) && length >= 96;
    let bits = if mapped { bits.split_off(96) } else { bits };
    Some(Range { bits: [vec![matches!(parsed, IpAddr::V4(_)) || mapped], bits].concat() })
}

pub(crate) fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

impl Range {
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = match address {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        [vec![address.is_ipv4()], bits_of(address)].concat().starts_with(&self.bits)
    }
}

fn bits_of(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(v4) => Ipv4Addr::octets(&v4).to_vec(),
        IpAddr::V6(v6) => Ipv6Addr::octets(&v6).to_vec(),
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |bit| (octet >> bit) & 1 == 1)).collect()
}

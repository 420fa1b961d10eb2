//! The two ways a request states its time: ISO 8601 basic format, and the HTTP date of a plain `Date` header.

use rootward_names::Time;

/// Instant of a request with its text as it enters the string to sign, `YYYYMMDDTHHMMSSZ`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) time: Time,
    text: [u8; 16],
}

impl Stamp {
    /// Reads `YYYYMMDDTHHMMSSZ`.
    pub(crate) fn basic(text: &[u8]) -> Option<Self> {
        let &[y1, y2, y3, y4, m1, m2, d1, d2, b'T', h1, h2, n1, n2, s1, s2, b'Z'] = text else { return None };
        let digits = [y1, y2, y3, y4, m1, m2, d1, d2, h1, h2, n1, n2, s1, s2];
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let extended =
            [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'Z'];
        let time = Time::parse(std::str::from_utf8(&extended).ok()?).ok()?;
        Some(Self { time, text: text.try_into().ok()? })
    }

    /// Reads `Sun, 30 Aug 2015 12:36:00 GMT`, or the basic format: a `Date` header may hold either.
    pub(crate) fn of_date_header(text: &[u8]) -> Option<Self> {
        Self::basic(text).or_else(|| Self::http(text))
    }

    fn http(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (_weekday, rest) = text.split_once(", ")?;
        let mut words = rest.split(' ');
        let (day, month, year, clock, zone) =
            (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
        if words.next().is_some() || zone != "GMT" {
            return None;
        }
        let month = 1 + MONTHS.iter().position(|name| *name == month)?;
        let &[h1, h2, b':', n1, n2, b':', s1, s2] = clock.as_bytes() else { return None };
        let clock = [h1, h2, n1, n2, s1, s2].map(char::from).iter().collect::<String>();
        Self::basic(format!("{year}{month:02}{day}T{clock}Z").as_bytes())
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// `YYYYMMDD`, the day that the credential scope must name.
    pub(crate) fn day(&self) -> &[u8] {
        self.text.first_chunk::<8>().map_or(&[], |day| day.as_slice())
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_name_the_same_instant() {
        let basic = Stamp::basic(b"20150830T123600Z").unwrap();
        assert_eq!(Stamp::of_date_header(b"Sun, 30 Aug 2015 12:36:00 GMT"), Some(basic));
        assert_eq!(basic.time, Time::from_seconds(1_440_938_160));
        assert_eq!(basic.day(), b"20150830");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "201",
            "20150830T123600",
            "20150830T123600z",
            "2015-08-30T12:36:00Z",
            "20151330T123600Z",
            "20150830T253600Z",
            "+0150830T123600Z",
            "20150830T1236 0Z",
            "Sun, 30 Aug 2015 12:36:00 CET",
            "Sunday, 30-Aug-15 12:36:00 GMT",
            "Sun, 3 Aug 2015 12:36:00 GMT",
            "Sun, 30 Aug 2015 1:2:3600 GMT",
        ] {
            assert_eq!(Stamp::of_date_header(text.as_bytes()), None, "{text}");
        }
    }
}

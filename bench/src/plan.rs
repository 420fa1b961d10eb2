//! Which requests a run sends: a call with `{n}` in its parameters, and the numbers that take its place.
//!
//! Two ways to use the numbers: *repeated* (a pool of requests, signed for numbers spread evenly over the range and
//! shuffled, sent again and again) for calls that change nothing, and *once* (every number in order, then stop) for calls
//! that make or delete something.

use std::ops::Range;

use crate::Failure;
use crate::sign::{Signer, form};

/// A call of the query protocol; `{n}` in a value is replaced by a number.
pub struct Call {
    pub action: String,
    pub version: &'static str,
    pub parameters: Vec<(String, String)>,
}

impl Call {
    fn body(&self, number: u64) -> String {
        let number = number.to_string();
        let values: Vec<String> =
            self.parameters.iter().map(|(_, value)| value.replace("{n}", &number)).collect();
        let names = self.parameters.iter().map(|(name, _)| name.as_str());
        let fixed = [("Action", self.action.as_str()), ("Version", self.version)];
        form(fixed.into_iter().chain(names.zip(values.iter().map(String::as_str))))
    }
}

/// Signed requests in the order in which they are sent.
pub struct Plan {
    requests: Vec<Vec<u8>>,
    repeated: bool,
}

impl Plan {
    /// Every number of the range, once, in order.
    ///
    /// # Errors
    /// If signing fails.
    pub fn once(call: &Call, signer: &Signer, numbers: Range<u64>) -> Result<Self, Failure> {
        let requests = numbers.map(|n| signer.request(&call.body(n), n)).collect::<Result<_, _>>()?;
        Ok(Self { requests, repeated: false })
    }

    /// `size` requests for numbers spread over the range, again and again.
    ///
    /// # Errors
    /// If the range or the pool is empty, or signing fails.
    pub fn repeated(call: &Call, signer: &Signer, numbers: Range<u64>, size: u64) -> Result<Self, Failure> {
        let span = numbers.end.saturating_sub(numbers.start);
        if span == 0 || size == 0 {
            return Err("there is nothing to send: the numbers or the pool are empty".into());
        }
        let number = |at: u64| numbers.start + (u128::from(at) * u128::from(span) / u128::from(size)) as u64;
        let requests =
            shuffled(size).map(|at| signer.request(&call.body(number(at)), at)).collect::<Result<_, _>>()?;
        Ok(Self { requests, repeated: true })
    }

    /// This request, again and again.
    pub fn recorded(request: Vec<u8>) -> Self {
        Self { requests: vec![request], repeated: true }
    }

    /// The request that is sent as number `turn`, or `None` at the end.
    pub fn request(&self, turn: usize) -> Option<&[u8]> {
        let at = if self.repeated { turn % self.requests.len() } else { turn };
        self.requests.get(at).map(Vec::as_slice)
    }
}

/// `0..size` in an order without locality: steps of a stride that shares no factor with `size`.
fn shuffled(size: u64) -> impl Iterator<Item = u64> {
    let stride = (size * 5 / 8..).find(|&stride| coprime(stride, size)).unwrap_or(1);
    (0..size).map(move |turn| (u128::from(turn) * u128::from(stride) % u128::from(size)) as u64)
}

fn coprime(a: u64, b: u64) -> bool {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shuffled_order_visits_everything_once() {
        for size in [1, 2, 5, 8, 100, 1000] {
            let mut seen: Vec<u64> = shuffled(size).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..size).collect::<Vec<_>>(), "size {size}");
        }
    }

    #[test]
    fn number_takes_its_place_in_every_value() {
        let call = Call {
            action: "TagUser".to_owned(),
            version: "2010-05-08",
            parameters: vec![
                ("UserName".to_owned(), "u-{n}".to_owned()),
                ("Tag".to_owned(), "{n}".to_owned()),
            ],
        };
        assert_eq!(call.body(7), "Action=TagUser&Version=2010-05-08&UserName=u-7&Tag=7");
    }
}

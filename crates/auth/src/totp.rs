//! One-time passwords by time (TOTP): virtual and hardware MFA devices.
//!
//! ```text
//! enable, resync:  two codes in a row ─▶ Seed::synchronize ─▶ Position ─┐ the caller keeps it, the seed sealed
//! sign-in:                   one code ─▶ Seed::verify ◀───── Position ◀─┘ and keeps the new one
//! ```
//!
//! RFC 6238 with SHA-1, six digits and steps of 30 seconds: what AWS's devices use. A step is counted by the device's
//! clock, which runs [`Position::offset`] steps before ours.
//!
//! - At sign-in the code may be of the present step or of one beside it: half a minute of drift or slow typing.
//! - Enabling and resync look for two codes in a row within [`SEARCHED_STEPS`] of our clock, ten minutes either way: AWS
//!   publishes no figure. A token that drifts by two minutes a year takes five years for it; guessing both codes
//!   succeeds 4 times in 10¹¹.
//! - A step is never taken again, nor one before it ([`Position::last_step`]), not even when a clock was set back: steps
//!   are the device's, so that setting ours back moves the window to where nothing is taken any more.
//!
//! Left to callers: keeping the new position in the transaction that lets its holder in, without which a code could be used
//! twice at once; and how often codes may be tried, since three in a million are right.
//! Source: RFC 6238; RFC 4226, section 7; IAM User Guide, "Assign a virtual MFA device".

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rootward_names::{Random, Time};
use rootward_state::entities::Position;
use totp_rs::{Algorithm, Builder, Secret, Totp};
use zeroize::Zeroizing;

/// How far from our clock a device's may be when it is enabled, in steps either way.
pub const SEARCHED_STEPS: i64 = 20;

/// What a device and we both know: 20–64 bytes. Held in memory only while it is used; wiped when dropped.
#[derive(Clone)]
pub struct Seed(Totp);

/// A seed that is too short, too long, or neither hexadecimal nor base32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the seed as 20-64 bytes in hexadecimal or base32")]
pub struct InvalidSeed;

impl Seed {
    /// A fresh one as AWS makes them: 40 bytes, which are 64 characters of base32.
    pub fn random(random: &mut dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0; 40]);
        random.fill(&mut *bytes);
        Self::new(Secret::from(bytes.as_slice()))
    }

    /// Takes one that was kept.
    ///
    /// # Errors
    /// [`InvalidSeed`] when it has less than 20 bytes or more than 64.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSeed> {
        Self::checked(Secret::from(bytes))
    }

    /// Reads the seed of a hardware token as its maker prints it: hexadecimal, or base32 in either case with or
    /// without padding. White space and hyphens are passed over. What could be both is hexadecimal: base32 without a
    /// letter beyond F comes up less than once in 10¹³ seeds.
    ///
    /// # Errors
    /// [`InvalidSeed`] when it is neither, has bits left over, or has less than 20 bytes or more than 64.
    pub fn import(text: &str) -> Result<Self, InvalidSeed> {
        if text.len() > IMPORTED_BYTES_MAX {
            return Err(InvalidSeed);
        }
        let mut plain = Zeroizing::new(String::with_capacity(text.len()));
        plain
            .extend(text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase()));
        match hexadecimal(&plain) {
            Some(bytes) => Self::from_bytes(&bytes),
            None => Self::from_base32(plain.trim_end_matches('=')),
        }
    }

    fn from_base32(text: &str) -> Result<Self, InvalidSeed> {
        let secret = Secret::try_from_base32(text).map_err(|_| InvalidSeed)?;
        let seed = Self::checked(secret)?;
        // The decoder drops what does not fill a byte: a seed that lost a character would be taken for another.
        if *seed.base32() == *text { Ok(seed) } else { Err(InvalidSeed) }
    }

    fn checked(secret: Secret) -> Result<Self, InvalidSeed> {
        if SEED_BYTES.contains(&secret.as_bytes().len()) { Ok(Self::new(secret)) } else { Err(InvalidSeed) }
    }

    fn new(secret: Secret) -> Self {
        let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_secret(secret);
        // Compliant nevertheless: the only other builder fails for short seeds and steps of no length.
        Self(builder.with_step_duration(STEP_SECONDS).with_skew(0).build_noncompliant())
    }

    /// The bytes, to seal them.
    pub fn expose(&self) -> &[u8] {
        self.0.secret().as_bytes()
    }

    /// The text that is typed into an authenticator: base32, upper case, without padding.
    pub fn base32(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.secret().to_base32())
    }

    /// What an authenticator reads from a QR code: `otpauth://totp/DEVICE@HOLDER?secret=…`. The holder is the user's
    /// name, or the account's id if there is none.
    pub fn uri(&self, device: &str, holder: &str) -> Zeroizing<String> {
        let [device, holder] = [device, holder].map(|name| utf8_percent_encode(name, RESERVED));
        Zeroizing::new(format!("otpauth://totp/{device}@{holder}?secret={}", *self.base32()))
    }

    /// Takes a code at sign-in. Keep the position that is returned together with what the code opened.
    ///
    /// `None`: wrong, used already, or older than one that was. It takes the same time whichever and wherever.
    pub fn verify(&self, code: &str, position: Position, now: Time) -> Option<Position> {
        let present = step(now).checked_add(position.offset)?;
        let near = present.saturating_sub(1)..=present.saturating_add(1);
        // The latest, should two steps have the same code: it must not be good for another sign-in.
        let last_step = near.filter(|step| self.is_code(code, *step)).max()?;
        (last_step > position.last_step).then_some(Position { last_step, ..position })
    }

    /// Finds the device's clock by two codes, the second of the step right after the first's: to enable a device or to
    /// resync it. `last_step` is what was used up before, also if the device was disabled since.
    ///
    /// `None`: they are no such codes within [`SEARCHED_STEPS`] of our clock, or not beyond `last_step`.
    pub fn synchronize(
        &self,
        first: &str,
        second: &str,
        last_step: Option<i64>,
        now: Time,
    ) -> Option<Position> {
        let present = step(now);
        let offsets = -SEARCHED_STEPS..=SEARCHED_STEPS;
        // Every step is looked at, for the time to tell nothing. The nearest, should two of them have the same codes.
        let found = offsets.filter(|offset| {
            let step = present.saturating_add(*offset);
            self.is_code(first, step.saturating_sub(1)) & self.is_code(second, step)
        });
        let offset = found.min_by_key(|offset| offset.abs())?;
        let second_step = present.checked_add(offset)?;
        let unused = last_step.is_none_or(|last| second_step - 1 > last);
        unused.then_some(Position { offset, last_step: second_step })
    }

    /// Compares in constant time. Steps before 1970 have no code.
    fn is_code(&self, code: &str, step: i64) -> bool {
        let seconds = u64::try_from(step).ok().and_then(|step| step.checked_mul(STEP_SECONDS));
        seconds.is_some_and(|seconds| self.0.check(code, seconds).is_some())
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(…)")
    }
}

fn hexadecimal(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 2));
    for pair in text.as_bytes().chunks(2) {
        let [high, low] = pair else { return None };
        let [high, low] = [high, low].map(|digit| char::from(*digit).to_digit(16));
        bytes.push(u8::try_from(high? * 16 + low?).ok()?);
    }
    Some(bytes)
}

/// The step of our clock.
fn step(now: Time) -> i64 {
    now.seconds().div_euclid(STEP_SECONDS as i64)
}

const STEP_SECONDS: u64 = 30;
const SEED_BYTES: std::ops::RangeInclusive<usize> = 20..=64;

/// More than 64 bytes in hexadecimal, each followed by a space.
const IMPORTED_BYTES_MAX: usize = 256;

/// All but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const RFC_SEED: &[u8] = b"12345678901234567890";
    const NOW: Time = Time::from_seconds(1_700_000_005);
    const NEW: Position = Position { offset: 0, last_step: 0 };

    struct Fixed;
    impl Random for Fixed {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn seed() -> Seed {
        Seed::from_bytes(RFC_SEED).unwrap()
    }

    fn code(step: i64) -> String {
        seed().0.generate(step as u64 * STEP_SECONDS).to_string()
    }

    fn at(step: i64) -> Time {
        Time::from_seconds(step * 30 + 17)
    }

    #[test]
    fn example_vectors_of_rfc_6238() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let taken = seed().verify(code, NEW, Time::from_seconds(seconds));
            assert_eq!(taken, Some(Position { offset: 0, last_step: seconds / 30 }), "{seconds}");
        }
    }

    #[test]
    fn code_is_taken_in_its_step_and_the_ones_beside_it() {
        for offset in [0, -7, 12] {
            let present = step(NOW) + offset;
            let taken = |step| seed().verify(&code(step), Position { offset, last_step: 0 }, NOW);
            for near in -1..=1 {
                assert_eq!(taken(present + near), Some(Position { offset, last_step: present + near }));
            }
            for far in [-20, -3, -2, 2, 3, 20] {
                assert_eq!(taken(present + far), None, "{far}");
            }
        }
    }

    #[test]
    fn code_is_not_taken_again_nor_one_before_it() {
        let present = step(NOW);
        let taken = seed().verify(&code(present), NEW, NOW).unwrap();
        for used in [present, present - 1] {
            assert_eq!(seed().verify(&code(used), taken, NOW), None);
        }
        assert!(seed().verify(&code(present + 1), taken, NOW).is_some());
    }

    #[test]
    fn clock_that_was_set_back_takes_no_used_code() {
        let present = step(NOW);
        let taken = seed().verify(&code(present), NEW, NOW).unwrap();
        for back in 0..50 {
            for step in present - 60..=present {
                assert_eq!(seed().verify(&code(step), taken, at(present - back)), None);
            }
        }
    }

    #[test]
    fn what_is_no_code_is_not_taken() {
        let good = code(step(NOW));
        for bad in [
            "",
            "28708",
            "2870820",
            "+28708",
            " 28708",
            "28708٢",
            "abcdef",
            &format!(" {good}"),
            good.get(1..).unwrap(),
        ] {
            assert_eq!(seed().verify(bad, NEW, NOW), None, "{bad}");
        }
    }

    #[test]
    fn times_and_positions_out_of_range_take_nothing() {
        let code = code(1);
        for now in [i64::MIN, -60_000, i64::MAX].map(Time::from_millis) {
            for offset in [i64::MIN, 0, i64::MAX] {
                assert_eq!(seed().verify(&code, Position { offset, last_step: i64::MIN }, now), None);
            }
            assert_eq!(seed().synchronize(&code, &code, None, now), None);
        }
    }

    #[test]
    fn two_codes_in_a_row_find_the_clock_within_the_search() {
        let present = step(NOW);
        for offset in -25..=25 {
            let second = present + offset;
            let found = seed().synchronize(&code(second - 1), &code(second), None, NOW);
            let expected = Position { offset, last_step: second };
            assert_eq!(found, (offset.abs() <= SEARCHED_STEPS).then_some(expected), "{offset}");
        }
    }

    #[test]
    fn codes_that_are_not_in_a_row_find_nothing() {
        let present = step(NOW);
        for (first, second) in [(0, 0), (0, -1), (-2, 0), (0, 2), (-1, 1)] {
            let found = seed().synchronize(&code(present + first), &code(present + second), None, NOW);
            assert_eq!(found, None, "{first} {second}");
        }
    }

    #[test]
    fn codes_used_before_do_not_synchronize_again() {
        let present = step(NOW);
        let again = |last| seed().synchronize(&code(present - 1), &code(present), Some(last), NOW);
        assert_eq!(again(present - 2), Some(Position { offset: 0, last_step: present }));
        for used in [present - 1, present, present + 5] {
            assert_eq!(again(used), None);
        }
    }

    #[test]
    fn seeds_of_hardware_tokens_are_read_in_both_forms() {
        let hex = "3132333435363738393031323334353637383930";
        let base32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let spaced = "3132 3334-3536 3738\t3930 3132 3334 3536 3738 3930\n";
        let padded = "gezdgnbvgy3tqojqgezdgnbvgy3tqojqge======";
        for text in [hex, base32, spaced, &base32.to_lowercase()] {
            assert_eq!(Seed::import(text).unwrap().expose(), RFC_SEED, "{text}");
        }
        assert_eq!(Seed::import(padded).unwrap().expose(), b"123456789012345678901");
        assert_eq!(Seed::import(&"aB".repeat(32)).unwrap().expose(), [0xab; 32]);
    }

    #[test]
    fn seeds_that_are_damaged_or_of_another_length_are_refused() {
        let base32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        let cases = [
            String::new(),
            "31".repeat(19),
            "31".repeat(65),
            "31 ".repeat(1_000),
            base32.replacen('G', "", 1),
            format!("{base32}G"),
            format!("{base32}GF"),
            base32.replace('J', "8"),
            base32.replace('J', "="),
            base32.replace('J', "é"),
        ];
        for text in cases {
            assert_eq!(Seed::import(&text).map(|seed| seed.base32()), Err(InvalidSeed), "{text}");
        }
        assert!(Seed::from_bytes(&[7; 19]).is_err() && Seed::from_bytes(&[7; 65]).is_err());
    }

    #[test]
    fn fresh_seed_is_of_64_characters_and_shows_nothing() {
        let seed = Seed::random(&mut Fixed);
        assert_eq!((seed.base32().len(), seed.expose()), (64, [7; 40].as_slice()));
        assert_eq!(Seed::from_bytes(seed.expose()).unwrap().base32(), seed.base32());
        assert_eq!(format!("{seed:?}"), "Seed(…)");
    }

    #[test]
    fn uri_names_device_and_holder() {
        let uri = |device, holder| seed().uri(device, holder).to_string();
        assert_eq!(
            uri("phone", "123456789012"),
            "otpauth://totp/phone@123456789012?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        );
        assert!(
            uri("a+b=c,d.e@f-g_h", "ann@x")
                .starts_with("otpauth://totp/a%2Bb%3Dc%2Cd.e%40f-g_h@ann%40x?secret=")
        );
    }

    /// What may happen to a device: a code of some step is tried while our clock says something, alone or as the
    /// second of two.
    #[derive(Debug, Clone, Copy)]
    struct Attempt {
        clock: i64,
        step: i64,
        pair: bool,
    }

    fn attempts() -> impl Strategy<Value = Vec<Attempt>> {
        let attempt = (1_000i64..1_040, 1_000i64..1_040, prop::bool::weighted(0.2));
        let attempt = attempt.prop_map(|(clock, step, pair)| Attempt { clock, step, pair });
        prop::collection::vec(attempt, 1..200)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_step_is_taken_twice_whatever_the_clocks_do(attempts in attempts()) {
            let codes: BTreeSet<_> = (999..1_062).map(code).collect();
            prop_assert_eq!(codes.len(), 63, "no two steps of this seed have the same code here");
            let mut kept: Option<Position> = None;
            for Attempt { clock, step, pair } in attempts {
                let taken = match kept {
                    Some(position) if !pair => seed().verify(&code(step), position, at(clock)),
                    _ => {
                        let last = kept.map(|position| position.last_step);
                        seed().synchronize(&code(step - 1), &code(step), last, at(clock))
                    }
                };
                if let Some(taken) = taken {
                    prop_assert_eq!(taken.last_step, step);
                    prop_assert!(kept.is_none_or(|before| before.last_step < step));
                    kept = Some(taken);
                }
            }
        }

        #[test]
        fn code_outside_the_window_is_never_taken(
            clock in 0i64..100_000_000,
            offset in -20i64..=20,
            other in 0i64..100_000_000,
        ) {
            let near = clock + offset - 1..=clock + offset + 1;
            prop_assume!(near.clone().all(|step| step < 0 || code(step) != code(other)));
            prop_assert!(!near.contains(&other));
            prop_assert_eq!(seed().verify(&code(other), Position { offset, last_step: i64::MIN }, at(clock)), None);
        }

        #[test]
        fn imported_seed_is_the_one_that_was_shown(bytes in prop::collection::vec(any::<u8>(), 20..=64)) {
            let seed = Seed::from_bytes(&bytes).unwrap();
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            for text in [&hex, &*seed.base32()] {
                let imported = Seed::import(text).unwrap();
                prop_assert_eq!(imported.expose(), &*bytes);
            }
        }
    }
}

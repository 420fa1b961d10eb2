//! ARN formats as automata: which ARNs they produce, and whether a pattern has one of them in common.
//!
//! A format is a row of steps, and a state is how many of them are done. A set of states is the bits of one number, so matching
//! goes through the text once, whatever the pattern, and keeps nothing else: time is at most length × 128.

/// A format, ready to be matched. Parsed anew for every question: that costs less than keeping all of them would.
#[derive(Debug)]
pub(crate) struct Format {
    steps: [Step; STEPS_MAX],
    count: usize,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Exactly(u8),
    /// One character that is none of these.
    One(Separators),
    /// Any number of them.
    Many(Separators),
}

/// Bits: 1 is `/`, 2 is `:`.
type Separators = u8;

impl Step {
    fn is_colon(self) -> bool {
        matches!(self, Self::Exactly(b':'))
    }
}

/// What a step meets.
#[derive(Debug, Clone, Copy)]
enum Text {
    Byte(u8),
    /// One character of the pattern's choice.
    Any(Part),
}

/// Where in a pattern: wildcards in the first five parts stay within their part.
#[derive(Debug, Clone, Copy)]
enum Part {
    Head,
    Tail,
}

const HEAD_COLONS: usize = 5;

/// A bit for each state, which are one more than the steps.
type States = u128;
const STEPS_MAX: usize = 127;

impl Format {
    /// `last` is what the last placeholder may not hold. None if the format has more steps than there is room for.
    pub(crate) fn parse(text: &str, last: Separators) -> Option<Self> {
        let mut format = Self { steps: [Step::Exactly(0); STEPS_MAX], count: 0 };
        let mut rest = text;
        while let Some(byte) = rest.bytes().next() {
            let placeholder = rest.strip_prefix("${").and_then(|rest| rest.split_once('}'));
            if let Some((_, after)) = placeholder {
                rest = after;
                let separators = next_separator(rest).unwrap_or(last);
                format.push(Step::One(separators))?;
                format.push(Step::Many(separators))?;
                continue;
            }
            rest = rest.get(1..)?;
            format.push(match byte {
                b'*' => Step::Many(next_separator(rest).unwrap_or_default()),
                _ => Step::Exactly(byte),
            })?;
        }
        Some(format)
    }

    fn push(&mut self, step: Step) -> Option<()> {
        *self.steps.get_mut(self.count)? = step;
        self.count += 1;
        Some(())
    }

    /// Whether the format produces `arn`.
    pub(crate) fn fits(&self, arn: &str) -> bool {
        self.is_done(arn.bytes().fold(self.start(), |states, byte| self.advance(states, Text::Byte(byte))))
    }

    /// Whether it produces anything that `pattern` matches: part by part, as policies are compared. Missing parts match anything.
    pub(crate) fn overlaps(&self, pattern: &str) -> bool {
        let mut states = self.start();
        let (mut rest, mut colons) = (pattern, 0);
        while let Some(next) = rest.chars().next() {
            let variable = rest.strip_prefix("${").and_then(|rest| rest.split_once('}'));
            rest = match variable {
                Some((_, after)) => after,
                None => rest.get(next.len_utf8()..).unwrap_or_default(),
            };
            let part = if colons < HEAD_COLONS { Part::Head } else { Part::Tail };
            states = match next {
                _ if variable.is_some() => self.later(states, part),
                '*' => self.later(states, part),
                '?' => self.advance(states, Text::Any(part)),
                _ => {
                    colons += usize::from(next == ':');
                    let mut bytes = [0; 4];
                    let bytes = next.encode_utf8(&mut bytes).bytes();
                    bytes.fold(states, |states, byte| self.advance(states, Text::Byte(byte)))
                }
            };
            if states == 0 {
                return false;
            }
        }
        if colons < HEAD_COLONS {
            self.steps(states).any(|(_, step)| step.is_colon())
        } else {
            self.is_done(states)
        }
    }

    fn start(&self) -> States {
        self.skip(1)
    }

    fn advance(&self, states: States, text: Text) -> States {
        let mut next = 0;
        for (index, step) in self.steps(states) {
            let moves = match (step, text) {
                (Step::Exactly(wanted), Text::Byte(byte)) => wanted == byte,
                (Step::One(separators) | Step::Many(separators), Text::Byte(byte)) => {
                    admits(separators, byte)
                }
                (_, Text::Any(Part::Head)) => !step.is_colon(),
                (_, Text::Any(Part::Tail)) => true,
            };
            if moves {
                next |= if matches!(step, Step::Many(_)) { 1 << index } else { 2 << index };
            }
        }
        self.skip(next)
    }

    /// The states, and those that they reach without a character.
    fn skip(&self, states: States) -> States {
        let mut all = states;
        for (index, step) in self.steps(states) {
            // Once is enough: two steps that may be skipped do not stand side by side, the writer refuses `**`.
            if matches!(step, Step::Many(_)) {
                all |= 2 << index;
            }
        }
        all
    }

    /// The states that some text leads to, in the head one without a colon: all from the first on.
    fn later(&self, states: States, part: Part) -> States {
        let first = states.trailing_zeros();
        let after = States::MAX.checked_shl(first).unwrap_or_default();
        let end = match part {
            Part::Head => {
                self.steps(after).find(|(_, step)| step.is_colon()).map(|(index, _)| index as usize)
            }
            Part::Tail => None,
        };
        after & States::MAX >> (STEPS_MAX - end.unwrap_or(self.count))
    }

    fn is_done(&self, states: States) -> bool {
        states >> self.count & 1 == 1
    }

    /// The steps that these states wait for.
    fn steps(&self, mut states: States) -> impl Iterator<Item = (u32, Step)> {
        std::iter::from_fn(move || {
            let index = states.trailing_zeros();
            states &= states.wrapping_sub(1);
            let step = self.steps.get(..self.count)?.get(index as usize)?;
            Some((index, *step))
        })
    }
}

fn next_separator(rest: &str) -> Option<Separators> {
    // Names of placeholders have neither.
    rest.bytes().find_map(separator)
}

fn separator(byte: u8) -> Option<Separators> {
    match byte {
        b'/' => Some(1),
        b':' => Some(2),
        _ => None,
    }
}

fn admits(separators: Separators, byte: u8) -> bool {
    separator(byte).is_none_or(|separator| separators & separator == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Five empty parts, so that the sixth is what is tested.
    const HEAD: &str = ":::::";

    fn format(text: &str) -> Format {
        Format::parse(text, 0).unwrap()
    }

    fn tail(text: &str, last: Separators) -> Format {
        Format::parse(&format!("{HEAD}{text}"), last).unwrap()
    }

    /// The texts over this alphabet, up to a length.
    fn texts(alphabet: &[char], length_max: usize) -> Vec<String> {
        let mut all = vec![String::new()];
        let mut from = 0;
        for _ in 0..length_max {
            let until = all.len();
            for index in from..until {
                for c in alphabet {
                    let longer = format!("{}{c}", all[index]);
                    all.push(longer);
                }
            }
            from = until;
        }
        all
    }

    #[test]
    fn placeholder_holds_at_least_one_character_and_not_the_next_separator() {
        let format = format("a/${X}/b:${Y}");
        assert!(format.fits("a/1/b:2") && format.fits("a/1:1/b:2/2:2"));
        assert!(!format.fits("a//b:2") && !format.fits("a/1/1/b:2") && !format.fits("a/1/b:"));
        assert!(Format::parse("a:${X}", 1).unwrap().fits("a:b:c"));
        assert!(!Format::parse("a:${X}", 1).unwrap().fits("a:b/c"));
        assert!(!Format::parse("a:${X}", 2).unwrap().fits("a:b:c"));
    }

    #[test]
    fn pattern_overlaps_through_wildcards_and_variables() {
        let overlaps = |pattern| tail("a/${X}/b", 0).overlaps(&format!("{HEAD}{pattern}"));
        for pattern in ["*", "a/*", "a/?/b", "?/x/?", "*/b", "a/${aws:username}/b", "*a*b*", "a/x*"] {
            assert!(overlaps(pattern), "{pattern}");
        }
        for pattern in ["", "b*", "a/?b", "*/c", "a//b", "a/x/y/b", "*a", "a/${x"] {
            assert!(!overlaps(pattern), "{pattern}");
        }
    }

    #[test]
    fn wildcard_of_the_head_stays_in_its_part_and_missing_parts_match_anything() {
        let overlaps = |pattern| format("arn:${P}:s:${R}:${A}:user/${N}").overlaps(pattern);
        for pattern in
            ["arn:*:s:*:*:user/*", "arn:aws:?:*:1:*", "arn:*:*:*:*:*:x", "arn:aws:s:*", "arn", "arn:*", "*"]
        {
            assert!(overlaps(pattern), "{pattern}");
        }
        for pattern in [
            "arn:*:role/*",
            "arn:aws:s:*:*:role/*",
            "arn:*:t",
            "arn:aws:s:::user/x",
            "arn:aws?s:r:a:user/x",
            "ar",
            "",
        ] {
            assert!(!overlaps(pattern), "{pattern}");
        }
    }

    #[test]
    fn format_with_more_steps_than_room_is_none() {
        assert!(Format::parse(&"x".repeat(STEPS_MAX), 0).unwrap().fits(&"x".repeat(STEPS_MAX)));
        let widest = tail(&"x".repeat(STEPS_MAX - HEAD.len()), 0);
        assert!(widest.overlaps(&format!("{HEAD}*")) && widest.overlaps("*"));
        assert!(Format::parse(&"x".repeat(STEPS_MAX + 1), 0).is_none());
    }

    proptest! {
        #[test]
        fn pattern_overlaps_exactly_if_some_text_fits_both(
            format in "(a|/|\\$\\{X\\}){0,4}", pattern in "[a/?*]{0,4}", last in 0..2_u8
        ) {
            let format = tail(&format, last);
            // Whatever the two have in common, something as short as both together is among it.
            let mut all = texts(&['a', '/', 'b'], 8).into_iter();
            let common = all.any(|text| {
                format.fits(&format!("{HEAD}{text}")) && crate::glob::glob(&pattern, text.bytes())
            });
            prop_assert_eq!(format.overlaps(&format!("{HEAD}{pattern}")), common);
        }

        #[test]
        fn text_without_wildcards_overlaps_exactly_if_it_fits(
            format in "(a|/|:|\\$\\{X\\}){0,5}", text in "[a/:b]{0,7}"
        ) {
            let text = format!("{HEAD}{text}");
            let format = tail(&format, 0);
            prop_assert_eq!(format.overlaps(&text), format.fits(&text));
        }

        #[test]
        fn any_format_and_pattern_get_an_answer(format in "\\PC{0,40}", pattern in "\\PC{0,40}") {
            if let Some(format) = Format::parse(&format, 3) {
                let _ = (format.fits(&pattern), format.overlaps(&pattern));
            }
        }
    }
}

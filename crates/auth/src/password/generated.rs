//! Passwords that nobody thought of.

use rootward_names::Random;
use zeroize::Zeroizing;

use rootward_state::entities::PasswordPolicy;

use super::{LENGTH_MAX, Password};

/// Makes a password that meets every rule: that for root users, that for users, and the policy, if there is one.
///
/// 24 characters, or as many as the policy asks for if those are more, with every kind among them: 130 bits and more.
/// Letters and digits that look alike are left out, as are symbols that shells and spreadsheets take for their own.
pub fn generate(policy: Option<&PasswordPolicy>, random: &mut dyn Random) -> Password {
    let length = policy.map_or(LENGTH, |policy| LENGTH.max(policy.minimum_length.into())).min(LENGTH_MAX);
    // One of each kind first, so that none can be missing and nothing need be drawn twice; then the order is drawn.
    let mut drawn = Zeroizing::new(Vec::with_capacity(length));
    drawn.extend(KINDS.iter().filter_map(|kind| pick(kind, random)));
    let all = KINDS.concat();
    drawn.extend((KINDS.len()..length).filter_map(|_| pick(&all, random)));
    for last in (1..drawn.len()).rev() {
        drawn.swap(last, below(last + 1, random));
    }
    Password::new(drawn.iter().collect::<String>())
}

fn pick(characters: &str, random: &mut dyn Random) -> Option<char> {
    characters.chars().nth(below(characters.len(), random))
}

/// A number below `count`. The remainder of 64 bits is even enough: no number is likelier than another by more than
/// 2⁻⁵⁷ of it.
fn below(count: usize, random: &mut dyn Random) -> usize {
    usize::try_from(random.number() % count as u64).unwrap_or_default()
}

const LENGTH: usize = 24;

/// ASCII, so that a length is a count.
const KINDS: [&str; 4] = ["abcdefghijkmnpqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789", "@#%^*_+-="];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::password::{check_root, check_user};

    /// Numbers of a simple generator (SplitMix64), to be the same in every run.
    struct Mixed(u64);
    impl Random for Mixed {
        fn fill(&mut self, bytes: &mut [u8]) {
            for chunk in bytes.chunks_mut(8) {
                self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut mixed = self.0;
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                let mixed = (mixed ^ (mixed >> 31)).to_le_bytes();
                chunk.copy_from_slice(&mixed[..chunk.len()]);
            }
        }
    }

    /// The poorest randomness there is.
    struct Fixed;
    impl Random for Fixed {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(255);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn generated_password_meets_every_rule(seed: u64, minimum_length in 6u8..=128) {
            let policy = PasswordPolicy {
                minimum_length,
                require_symbols: true,
                require_numbers: true,
                require_uppercase: true,
                require_lowercase: true,
                ..PasswordPolicy::default()
            };
            for policy in [None, Some(&policy)] {
                let password = generate(policy, &mut Mixed(seed));
                prop_assert!(password.expose().len() >= 24);
                prop_assert_eq!(check_user(&password, policy, "ann", "Example Corp", "root@example.com"), Ok(()));
                prop_assert_eq!(check_root(&password, "Example Corp", "root@example.com"), Ok(()));
            }
        }

        #[test]
        fn no_two_generated_passwords_are_the_same(seed: u64) {
            let mut random = Mixed(seed);
            let [one, two] = [generate(None, &mut random), generate(None, &mut random)];
            prop_assert_ne!(one.expose(), two.expose());
        }
    }

    #[test]
    fn poor_randomness_ends_and_gives_every_kind() {
        let password = generate(None, &mut Fixed);
        for kind in KINDS {
            assert!(password.expose().contains(|c| kind.contains(c)));
        }
    }
}

//! How soon guessing finds a password.
//!
//! zxcvbn judges, with lists of its own: 30,000 of the most common breached passwords, and words and names, all of
//! them read with substitutions, sequences, walks on the keyboard and dates. That suffices as the list of breached
//! passwords: a longer one would be megabytes to refuse what nobody reaches by guessing at sign-in. But the lists are
//! of the 2010s and know no endings, so that `Admin@123`, which has every kind of character and leads the lists of
//! today, is taken for a hundred times better than it is. [`PARTS`] makes up for that: no list of passwords, but of
//! what they are put together from.
//!
//! Limits: only the first [`JUDGED_MAX`] characters are judged, which takes a tenth of a second at worst and grows
//! faster than the length; what follows them makes no password weaker. Which years in a password are recent, zxcvbn
//! takes from the system's clock.

use zxcvbn::Score;

/// How soon guessing finds a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// Among the first million guesses: on a list of breached passwords, or a slight change of one.
    Common,
    /// Among the first hundred million: not found online, but soon if the hashes are lost.
    Weak,
    /// Later.
    Strong,
}

/// Judges a password of somebody to whom the texts in `own` belong: guessing tries these first.
pub(super) fn of(text: &str, own: &[&str]) -> Strength {
    let judged = text.char_indices().nth(JUDGED_MAX).and_then(|(end, _)| text.get(..end)).unwrap_or(text);
    let words = own.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    let known: Vec<&str> =
        own.iter().copied().chain(words).chain(PARTS.split(' ')).filter(|part| part.len() > 1).collect();
    match zxcvbn::zxcvbn(judged, &known).score() {
        Score::Three | Score::Four => Strength::Strong,
        Score::Two => Strength::Weak,
        // Zero and one; a score that is not known here is worth no more.
        _ => Strength::Common,
    }
}

/// How many characters are judged.
const JUDGED_MAX: usize = 32;

/// What today's common passwords are put together from and zxcvbn's lists lack: endings that satisfy rules, and words
/// of this trade. The more common ones come first.
const PARTS: &str = "\
    @123 @1234 @12345 @123456 123! 1234! 12345! 123@ !@# 123!@# !@#123 @321 #123 #1234 _123 -123 .123 $123 1! 01! @1 @01 \
    @2020 @2021 @2022 @2023 @2024 @2025 @2026 @2027 @2028 @2029 @2030 \
    aws rootward awsadmin iamadmin iamuser rootuser superadmin sysadmin devops minio minioadmin kubernetes terraform \
    docker jenkins grafana gitlab github postgres postgresql mysql redis mongodb elastic ansible vagrant raspberry ubuntu \
    centos localhost newpassword mypassword temppassword testpassword secretpassword changeit bitcoin covid corona india \
    senha contrasena motdepasse passwort hallo soleil krishna";

#[cfg(test)]
mod tests {
    use super::*;

    fn strength(text: &str) -> Strength {
        of(text, &["ann", "Example Corp", "root@example.com"])
    }

    #[test]
    fn what_leads_the_lists_is_common_also_with_an_ending() {
        for text in [
            "P@ssw0rd",
            "Password123!",
            "Admin@123",
            "Admin@2024",
            "Welcome@123",
            "India@123",
            "Aa@123456",
            "1qaz@WSX",
            "Kubernetes1!",
            "Minioadmin@123",
        ] {
            assert_eq!(strength(text), Strength::Common, "{text}");
        }
    }

    #[test]
    fn what_belongs_to_its_owner_is_common() {
        for text in ["Example123!", "Root@Example.com", "ann@2024"] {
            assert_eq!(strength(text), Strength::Common, "{text}");
        }
        assert_eq!(of("Wolpertinger1!", &["wolpertinger"]), Strength::Common);
        assert_ne!(of("Wolpertinger1!", &[]), Strength::Common);
    }

    #[test]
    fn long_and_odd_passwords_are_strong() {
        for text in ["zebra-Violet+40-crumbs", "correct horse battery", "zxL7=qPd4!"] {
            assert_eq!(strength(text), Strength::Strong, "{text}");
        }
        assert_eq!(strength("Winter2023!"), Strength::Weak);
    }

    #[test]
    fn end_of_a_long_password_is_not_judged() {
        let end = "zebra-Violet+40-crumbs";
        assert_eq!(strength(&format!("{}{end}", "a".repeat(JUDGED_MAX))), Strength::Common);
        assert_eq!(strength(&format!("{end}{}", "a".repeat(1_000))), Strength::Strong);
    }
}

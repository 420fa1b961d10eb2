//! Documents as text: their length for quotas, and principals replaced with every other byte kept.

use std::ops::Range;

use crate::json::write_string;
use crate::policy::{Policy, PrincipalType};

impl Policy {
    /// How many characters of `text` count for IAM's quotas: white space does not, wherever it stands.
    pub fn length_without_white_space(text: &str) -> usize {
        text.chars().filter(|c| !c.is_whitespace()).count()
    }

    /// `text` with some values of its `AWS` principals replaced; everything else stays to the byte.
    ///
    /// `replace` is asked about each value in the order of the text and answers `None` to leave it. A text that is no
    /// policy is returned as it is. IAM saves users and roles in trust policies as unique ids and shows them as ARNs.
    ///
    /// ```
    /// use rootward_policy::Policy;
    /// let text = r#"{"Statement": {"Effect": "Allow", "Principal": {"AWS": "AIDA1"}, "Action": "sts:AssumeRole"}}"#;
    /// let shown = Policy::map_principals(text, &mut |id| (id == "AIDA1").then(|| "arn:aws:iam::111111111111:user/a".into()));
    /// assert_eq!(shown, text.replace("AIDA1", "arn:aws:iam::111111111111:user/a"));
    /// ```
    pub fn map_principals(text: &str, replace: &mut dyn FnMut(&str) -> Option<String>) -> String {
        let Ok(policy) = Self::read_stored(text) else { return text.to_owned() };
        let mut listed: Vec<_> =
            policy.principals().filter(|listed| listed.kind == PrincipalType::Aws).collect();
        listed.sort_by_key(|listed| listed.span);
        let mut out = String::with_capacity(text.len());
        let mut copied = 0;
        for listed in listed {
            if let Some(new) = replace(&listed.value) {
                let Range { start, end } = listed.span.range();
                out.push_str(text.get(copied..start).unwrap_or_default());
                // Writing to a `String` cannot fail.
                let _ = write_string(&new, &mut out);
                copied = end;
            }
        }
        out.push_str(text.get(copied..).unwrap_or_default());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_chosen_aws_principals_change() {
        let text = "{\n \"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"a\",\"b\\u0062\"],\n\t\
                    \"Service\":\"a\"},\"Action\":\"sts:AssumeRole\"}] }";
        let mut seen = Vec::new();
        let mapped = Policy::map_principals(text, &mut |value| {
            seen.push(value.to_owned());
            (value == "bb").then(|| "\"é".to_owned())
        });
        assert_eq!(seen, ["a", "bb"]);
        assert_eq!(mapped, text.replace("\"b\\u0062\"", "\"\\\"é\""));
    }

    #[test]
    fn text_that_is_no_policy_stays() {
        assert_eq!(Policy::map_principals("{", &mut |_| Some(String::new())), "{");
    }

    #[test]
    fn everyone_written_alone_is_a_principal() {
        let text = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}}"#;
        assert_eq!(
            Policy::map_principals(text, &mut |value| Some(format!("{value}!"))),
            text.replace("*", "*!")
        );
    }

    #[test]
    fn white_space_does_not_count() {
        assert_eq!(Policy::length_without_white_space("{ \"é\"\n:\t1 }\r"), 7);
    }
}

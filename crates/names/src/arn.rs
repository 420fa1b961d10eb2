//! ARNs taken apart: `arn:partition:service:region:account:resource`.

use std::fmt;

/// The six parts of an ARN, borrowed from its text. The resource part keeps every further colon and slash.
///
/// ```
/// use rootward_names::Arn;
/// let arn = Arn::parse("arn:aws:iam::123456789012:user/team/ann").unwrap();
/// assert_eq!((arn.service, arn.region, arn.resource), ("iam", "", "user/team/ann"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Arn<'a> {
    /// `aws`, `aws-cn`, …
    pub partition: &'a str,
    /// `iam`, `s3`, …
    pub service: &'a str,
    /// May be empty.
    pub region: &'a str,
    /// May be empty; not checked to be twelve digits (`aws` owns the managed policies).
    pub account: &'a str,
    /// Everything after the fifth colon.
    pub resource: &'a str,
}

/// A text without the six colon-separated parts, or not starting with `arn`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidArn;

impl fmt::Display for InvalidArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected `arn:partition:service:region:account:resource`")
    }
}

impl std::error::Error for InvalidArn {}

impl<'a> Arn<'a> {
    /// Splits `text` at its first five colons.
    ///
    /// # Errors
    /// [`InvalidArn`] when there are fewer parts, the first is not `arn`, or partition, service or resource is empty.
    pub fn parse(text: &'a str) -> Result<Self, InvalidArn> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().ok_or(InvalidArn);
        if next()? != "arn" {
            return Err(InvalidArn);
        }
        let (partition, service, region, account, resource) = (next()?, next()?, next()?, next()?, next()?);
        if partition.is_empty() || service.is_empty() || resource.is_empty() {
            return Err(InvalidArn);
        }
        Ok(Self { partition, service, region, account, resource })
    }
}

impl fmt::Display for Arn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, service, region, account, resource } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resource_keeps_colons() {
        assert_eq!(Arn::parse("arn:aws:logs:us-east-1:1:log-group:g:*").unwrap().resource, "log-group:g:*");
    }

    #[test]
    fn short_or_foreign_text_is_refused() {
        for text in ["", "arn", "arn:aws:iam::1", "urn:aws:iam::1:x", "arn::iam::1:x", "arn:aws:iam::1:"] {
            assert_eq!(Arn::parse(text), Err(InvalidArn), "{text}");
        }
    }
}

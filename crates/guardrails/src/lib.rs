#![doc = include_str!("../README.md")]
//!
//! ```
//! let guardrail = rootward_guardrails::get("limit-regions").unwrap();
//! let regions = ["eu-central-1".parse().unwrap()];
//! assert!(guardrail.document(&regions).unwrap().contains(r#""aws:RequestedRegion": ["eu-central-1"]"#));
//! assert!(guardrail.document(&[]).is_err());
//! ```
//!
//! Source: Organizations User Guide, "Service control policy examples"; fact sheet of the root user, sections 3 and 4; AWS's Service
//! Authorization Reference.
#![warn(missing_docs)]

mod region;

use std::fmt;

pub use region::{Region, RegionError};

/// Characters that AWS takes of a service control policy.
///
/// Source: Organizations User Guide, "Quotas for AWS Organizations".
pub const DOCUMENT_CHARS_MAX: usize = 10_240;

/// A ready service control policy.
#[derive(Debug)]
pub struct Guardrail {
    /// Lower case and hyphens; unique.
    pub name: &'static str,
    /// What nobody can do any more, in a sentence.
    pub purpose: &'static str,
    /// What it does not stop and whoever relies on it must know, a sentence each. The management account, service-linked roles and host
    /// commands are left by all of them and not named.
    pub leaves: &'static [&'static str],
    /// With [`REGIONS`] where the regions go.
    template: &'static str,
}

/// Why a guardrail has no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentError {
    /// It says in which regions work goes on, and none were given.
    RegionsMissing,
    /// It is the same everywhere, and regions were given.
    RegionsNotTaken,
    /// With so many regions it has more than [`DOCUMENT_CHARS_MAX`] characters.
    TooLong,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RegionsMissing => f.write_str("it needs the regions that stay open"),
            Self::RegionsNotTaken => f.write_str("it takes no regions"),
            Self::TooLong => {
                write!(f, "with these regions it is longer than {DOCUMENT_CHARS_MAX} characters")
            }
        }
    }
}

impl std::error::Error for DocumentError {}

impl Guardrail {
    /// Whether its document needs regions.
    pub fn takes_regions(&self) -> bool {
        self.template.contains(REGIONS)
    }

    /// The policy, as `CreatePolicy` takes it; a region that is given twice is in it once.
    ///
    /// # Errors
    /// [`DocumentError`]: regions are missing, too many, or not for this guardrail.
    pub fn document(&self, regions: &[Region]) -> Result<String, DocumentError> {
        match (self.takes_regions(), regions.is_empty()) {
            (true, true) => return Err(DocumentError::RegionsMissing),
            (false, false) => return Err(DocumentError::RegionsNotTaken),
            (true, false) | (false, true) => {}
        }
        let mut names: Vec<String> = Vec::new();
        for region in regions {
            let name = format!("\"{region}\"");
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let document = self.template.replace(REGIONS, &names.join(", "));
        if document.len() > DOCUMENT_CHARS_MAX { Err(DocumentError::TooLong) } else { Ok(document) }
    }
}

/// All guardrails, by name.
pub const fn all() -> &'static [Guardrail] {
    GUARDRAILS
}

/// The guardrail of that name.
pub fn get(name: &str) -> Option<&'static Guardrail> {
    GUARDRAILS.iter().find(|guardrail| guardrail.name == name)
}

/// Stands for the regions. INVARIANT: [`Region`] has no character that JSON would have to escape.
const REGIONS: &str = "\"REGIONS\"";

const GUARDRAILS: &[Guardrail] = &[
    Guardrail {
        name: "deny-closing",
        purpose: "No account closes itself.",
        leaves: &["The management account closes members with organizations:CloseAccount."],
        template: include_str!("../documents/deny-closing.json"),
    },
    Guardrail {
        name: "deny-leaving",
        purpose: "No account leaves the organization.",
        leaves: &[
            "The management account removes members with organizations:RemoveAccountFromOrganization.",
            "An account can still be closed by its root user, unless deny-closing or deny-root is attached too.",
        ],
        template: include_str!("../documents/deny-leaving.json"),
    },
    Guardrail {
        name: "deny-root",
        purpose: "Root users of members do nothing; privileged sessions of sts:AssumeRoot go on working.",
        leaves: &[
            "A root user still signs in and sees that it may do nothing: delete its credentials with sts:AssumeRoot.",
            "Sessions of sts:AssumeRoot do what their task policy lets them.",
            "What only a root user can do outside of IAM, such as closing the account, is then for the management account.",
        ],
        template: include_str!("../documents/deny-root.json"),
    },
    Guardrail {
        name: "deny-root-keys",
        purpose: "No root user makes an access key or uploads a signing certificate.",
        leaves: &[
            "Keys that a root user has already go on working, and an inactive one can be made active.",
            "A root user cannot make access keys for its IAM users either: an IAM administrator can.",
        ],
        template: include_str!("../documents/deny-root-keys.json"),
    },
    Guardrail {
        name: "limit-regions",
        purpose: "Work goes on in the given regions only; global services are exempt, and no other region is enabled.",
        leaves: &[
            "Global services work as before, among them IAM, Organizations, STS, Route 53 and CloudFront.",
            "ACM and WAF are exempt in every region, because CloudFront takes certificates and web ACLs from one.",
            "What is in other regions already stays there and runs on.",
        ],
        template: include_str!("../documents/limit-regions.json"),
    },
    Guardrail {
        name: "protect-organization-role",
        purpose: "Nobody in a member changes or deletes OrganizationAccountAccessRole, by which the management account gets in.",
        leaves: &[
            "Sessions of the role itself cannot change it either: detach the guardrail to do so.",
            "Where the role is missing, as in accounts that were invited, whoever may make roles may make it.",
            "A customer managed policy that was attached to the role instead of AdministratorAccess can be edited.",
        ],
        template: include_str!("../documents/protect-organization-role.json"),
    },
    Guardrail {
        name: "protect-root-sign-in",
        purpose: "Whoever got in as a root user changes neither its e-mail address, its password, its MFA devices nor its break-glass \
                  settings.",
        leaves: &[
            "A root user can add an MFA device, so that one without any can get its first.",
            "A password that is forgotten can be set anew by mail: the mailbox must be safe.",
            "The management account changes addresses with account:StartPrimaryEmailUpdate.",
            "A root user cannot take MFA devices from its IAM users either: an IAM administrator can.",
        ],
        template: include_str!("../documents/protect-root-sign-in.json"),
    },
    Guardrail {
        name: "protect-trail",
        purpose: "Nobody stops, deletes or reconfigures what CloudTrail records.",
        leaves: &[
            "The bucket, the key and the topic of a trail are guarded by their own policies.",
            "New trails, queries, dashboards and imports can be made.",
            "The audit trail of this server needs no guardrail: no request of any account stops or changes it.",
        ],
        template: include_str!("../documents/protect-trail.json"),
    },
    Guardrail {
        name: "require-mfa-for-iam",
        purpose: "Root users, IAM users and federated users change nothing in IAM without a second factor.",
        leaves: &[
            "Roles are not bound: ask for aws:MultiFactorAuthPresent in the trust policies of those that may change IAM.",
            "A user without a device enrols the first one without it, and whoever has the user's key could be faster.",
            "Passing roles, making service-linked roles and changing the own password need no second factor.",
        ],
        template: include_str!("../documents/require-mfa-for-iam.json"),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn regions(names: &[&str]) -> Vec<Region> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn names_are_sorted_and_found() {
        assert!(GUARDRAILS.is_sorted_by(|a, b| a.name < b.name));
        assert!(GUARDRAILS.iter().all(|guardrail| get(guardrail.name).unwrap().name == guardrail.name));
        assert!(get("deny-everything").is_none());
    }

    #[test]
    fn every_guardrail_says_in_sentences_what_it_is_for_and_what_it_leaves() {
        for Guardrail { name, purpose, leaves, .. } in GUARDRAILS {
            assert!(purpose.ends_with('.') && !purpose.contains("  "), "{name}");
            assert!(!leaves.is_empty() && leaves.iter().all(|left| left.ends_with('.')), "{name}");
        }
    }

    #[test]
    fn regions_stand_in_the_document_once_each() {
        let limit = get("limit-regions").unwrap();
        let document = limit.document(&regions(&["eu-west-1", "us-gov-east-1", "eu-west-1"])).unwrap();
        assert_eq!(document.matches(r#"["eu-west-1", "us-gov-east-1"]"#).count(), 2);
        assert!(!document.contains("REGIONS"));
    }

    #[test]
    fn regions_are_given_to_whom_they_matter_and_to_no_other() {
        let limit = get("limit-regions").unwrap();
        assert_eq!(limit.document(&[]), Err(DocumentError::RegionsMissing));
        for guardrail in GUARDRAILS.iter().filter(|guardrail| guardrail.name != limit.name) {
            assert_eq!(guardrail.document(&regions(&["eu-west-1"])), Err(DocumentError::RegionsNotTaken));
        }
    }

    #[test]
    fn document_with_too_many_regions_is_none() {
        let many: Vec<Region> =
            (1..1000).map(|number| format!("eu-west-{number}").parse().unwrap()).collect();
        assert_eq!(get("limit-regions").unwrap().document(&many), Err(DocumentError::TooLong));
    }
}

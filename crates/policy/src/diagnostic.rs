//! What is wrong with a policy: every problem with its place, a message and help, and the one sentence AWS answers.
//!
//! AWS names one fault, under code `MalformedPolicyDocument`; [`Diagnostics::aws_message`] picks the one AWS would find
//! first: syntax, version, legacy parsing, Sids, actions, resource formats, action prefixes, resources, the rest.

use std::fmt;

use crate::json::Malformed;
use crate::policy::{PolicyKind, PrincipalType};
use crate::span::{Place, Positions, Span};

/// One problem of a document.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Where.
    pub place: Place,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
}

/// All problems of a document, in the order of the text. Never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    aws: String,
}

/// Problems reported of one document.
const PROBLEMS_MAX: usize = 100;

impl Diagnostics {
    /// The problems, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// The exact text AWS answers under code `MalformedPolicyDocument`.
    pub fn aws_message(&self) -> &str {
        &self.aws
    }

    pub(crate) fn new(text: &str, kind: Option<PolicyKind>, mut problems: Vec<Problem>) -> Self {
        let aws = problems.iter().min_by_key(|problem| problem.fault.rank());
        let aws =
            aws.map_or_else(|| SYNTAX.to_owned(), |problem| printable(&problem.fault.aws(kind), usize::MAX));
        problems.sort_by_key(|problem| problem.span);
        // More help nobody; and each needs its place found.
        problems.truncate(PROBLEMS_MAX);
        let mut positions = Positions::new(text);
        let list = problems.iter().map(|problem| Diagnostic {
            place: positions.place(problem.span),
            message: printable(&problem.fault.to_string(), MESSAGE_CHARS_MAX),
            help: problem.fault.help(),
        });
        Self { list: list.collect(), aws }
    }
}

/// `line:column: message`, one line for each problem.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Diagnostic { place, message, help }) in self.list.iter().enumerate() {
            write!(f, "{}{}: {message}; {help}", if at == 0 { "" } else { "\n" }, place.start)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub(crate) span: Span,
    pub(crate) fault: Fault,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    ActionPrefix(ActionPrefix),
    Both(&'static str),
    Character(char),
    DateLiteral(Box<str>),
    EffectCase(Box<str>),
    EffectWord(Box<str>),
    EmptyStatements,
    GuardAllows,
    Json(Malformed),
    Missing(&'static str),
    MissingPrincipal,
    NoActions,
    NoResources,
    NotPrincipalAllow,
    OperatorUnknown(Box<str>),
    PrincipalInIdentity,
    PrincipalInvalid(PrincipalType, Box<str>),
    Prohibited(&'static str),
    Rcp(&'static str),
    Repeated(Box<str>),
    ResourceFormat(Box<str>, String),
    ResourceLegacy(Box<str>),
    SidCharacters(Box<str>),
    SidRepeated(Box<str>),
    TrustAction(Box<str>),
    Type { element: &'static str, expected: &'static str, found: &'static str },
    Unknown(Box<str>),
    VersionOld,
    VersionUnknown(Box<str>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ActionPrefix {
    Colons(Box<str>),
    None(Box<str>),
    Vendor(Box<str>),
}

/// Longer messages are cut: they quote the document, and the place says where to read on.
const MESSAGE_CHARS_MAX: usize = 300;

/// One line of at most `chars_max` characters, control characters replaced: what is quoted may be anything.
pub(crate) fn printable(text: &str, chars_max: usize) -> String {
    let mut chars = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut line: String = chars.by_ref().take(chars_max).collect();
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

const SYNTAX: &str = "Syntax errors in policy.";

impl Fault {
    /// Place in AWS's order of checks.
    const fn rank(&self) -> u8 {
        match self {
            Self::Json(_) => 0,
            Self::Both(_)
            | Self::Character(_)
            | Self::EffectWord(_)
            | Self::EmptyStatements
            | Self::Missing(_)
            | Self::OperatorUnknown(_)
            | Self::Repeated(_)
            | Self::Type { .. }
            | Self::Unknown(_)
            | Self::VersionUnknown(_) => 1,
            Self::VersionOld => 2,
            Self::DateLiteral(_) | Self::EffectCase(_) | Self::ResourceLegacy(_) => 3,
            Self::SidCharacters(_) | Self::SidRepeated(_) => 4,
            Self::NoActions => 5,
            Self::ResourceFormat(..) => 6,
            Self::ActionPrefix(_) => 7,
            Self::NoResources => 8,
            Self::TrustAction(_) => 9,
            Self::GuardAllows
            | Self::MissingPrincipal
            | Self::NotPrincipalAllow
            | Self::PrincipalInIdentity
            | Self::Prohibited(_)
            | Self::Rcp(_) => 10,
            Self::PrincipalInvalid(..) => 11,
        }
    }

    /// Whether a stored document with this fault can still be evaluated: AWS took it once, or it has a meaning that
    /// never helps an Allow.
    pub(crate) const fn tolerated(&self) -> bool {
        match self {
            Self::ActionPrefix(_)
            | Self::Character(_)
            | Self::DateLiteral(_)
            | Self::GuardAllows
            | Self::MissingPrincipal
            | Self::NotPrincipalAllow
            | Self::OperatorUnknown(_)
            | Self::PrincipalInIdentity
            | Self::PrincipalInvalid(..)
            | Self::Prohibited(_)
            | Self::Rcp(_)
            | Self::ResourceFormat(..)
            | Self::ResourceLegacy(_)
            | Self::SidCharacters(_)
            | Self::SidRepeated(_)
            | Self::TrustAction(_)
            | Self::VersionOld => true,
            Self::Both(_)
            | Self::EffectCase(_)
            | Self::EffectWord(_)
            | Self::EmptyStatements
            | Self::Json(_)
            | Self::Missing(_)
            | Self::NoActions
            | Self::NoResources
            | Self::Repeated(_)
            | Self::Type { .. }
            | Self::Unknown(_)
            | Self::VersionUnknown(_) => false,
        }
    }

    fn aws(&self, kind: Option<PolicyKind>) -> String {
        match self {
            Self::Json(_) if kind == Some(PolicyKind::Trust) => {
                "This policy contains invalid Json".to_owned()
            }
            Self::VersionOld => "Policy document must be version 2012-10-17 or greater.".to_owned(),
            Self::DateLiteral(_) | Self::EffectCase(_) | Self::ResourceLegacy(_) => {
                "The policy failed legacy parsing".to_owned()
            }
            Self::SidRepeated(_) => "Statement IDs (SID) in a single policy must be unique.".to_owned(),
            Self::SidCharacters(_) => {
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the \
                                       regular expression [0-9A-Za-z]*"
                    .to_owned()
            }
            Self::NoActions => "Policy statement must contain actions.".to_owned(),
            Self::NoResources => "Policy statement must contain resources.".to_owned(),
            Self::ResourceFormat(_, message) => message.clone(),
            Self::ActionPrefix(ActionPrefix::None(_)) => {
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".to_owned()
            }
            Self::ActionPrefix(ActionPrefix::Colons(_)) => {
                "Actions/Condition can contain only one colon.".to_owned()
            }
            Self::ActionPrefix(ActionPrefix::Vendor(vendor)) => format!("Vendor {vendor} is not valid"),
            // Two spaces, as AWS has them.
            Self::TrustAction(_) => "Trust Policy statement actions can only be sts:AssumeRole, \
                                     sts:AssumeRoleWithSAML,  and sts:AssumeRoleWithWebIdentity"
                .to_owned(),
            Self::PrincipalInIdentity => "Policy document should not specify a principal.".to_owned(),
            Self::Prohibited(field) => format!("Has prohibited field {field}."),
            Self::MissingPrincipal => "Missing required field Principal".to_owned(),
            Self::PrincipalInvalid(PrincipalType::Federated, _) => {
                "Federated principals must be valid domain names or SAML metadata ARNs".to_owned()
            }
            // AWS writes this one in capitals.
            Self::PrincipalInvalid(PrincipalType::Service, value) => {
                format!("Invalid principal in policy: \"SERVICE\":\"{value}\"")
            }
            Self::PrincipalInvalid(kind, value) => {
                format!("Invalid principal in policy: \"{}\":\"{value}\"", kind.as_str())
            }
            _ => SYNTAX.to_owned(),
        }
    }

    const fn help(&self) -> &'static str {
        match self {
            Self::ActionPrefix(_) => "write `service:Name`, or `*` alone for every action",
            Self::Both(_) => "keep one of the two",
            Self::Character(_) => "use characters from U+0020 to U+00FF, tab and line breaks",
            Self::DateLiteral(_) => {
                "write an ISO 8601 date such as `2026-01-31T12:00:00Z`, or seconds since 1970"
            }
            Self::EffectCase(_) | Self::EffectWord(_) => {
                "write `Allow` or `Deny`, with exactly these letters"
            }
            Self::EmptyStatements => "add a statement, or delete the policy",
            Self::GuardAllows => "write what it denies; everything else is for other policies to allow",
            Self::Json(_) => "a policy is one JSON object (RFC 8259)",
            Self::Missing(_) => "add it",
            Self::MissingPrincipal => "say who the statement is about",
            Self::NoActions => "add `Action` or `NotAction` with at least one action",
            Self::NoResources => "add `Resource` or `NotResource` with at least one ARN, or `\"*\"`",
            Self::NotPrincipalAllow => "use `Principal`, or `Deny` with `ArnNotEquals` on `aws:PrincipalArn`",
            Self::OperatorUnknown(_) => "operators are written with exact letters, such as `StringEquals`",
            Self::PrincipalInIdentity => "remove it: the policy applies to whoever it is attached to",
            Self::PrincipalInvalid(..) => {
                "name an account, user, role, session, provider or service that exists"
            }
            Self::Prohibited(_) => "remove it: this type of policy does not take it",
            Self::Rcp(_) => "see the syntax of resource control policies",
            Self::Repeated(_) => "merge the two: only one of them could count",
            Self::ResourceFormat(..) | Self::ResourceLegacy(_) => {
                "write `arn:partition:service:region:account:resource`, or `*` alone"
            }
            Self::SidCharacters(_) => "use letters and digits only",
            Self::SidRepeated(_) => "give each statement a name of its own",
            Self::TrustAction(_) => "a trust policy is about `sts:AssumeRole` and its like",
            Self::Type { .. } => "see the grammar of the element",
            Self::Unknown(_) => "element names are written with exact letters; check the spelling",
            Self::VersionOld | Self::VersionUnknown(_) => "write `\"Version\": \"2012-10-17\"`",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ActionPrefix(ActionPrefix::Colons(action)) => {
                write!(f, "action `{action}` has more than one colon")
            }
            Self::ActionPrefix(ActionPrefix::None(action)) => write!(f, "action `{action}` names no service"),
            Self::ActionPrefix(ActionPrefix::Vendor(vendor)) => write!(f, "`{vendor}` is no service prefix"),
            Self::Both(element) => write!(f, "the statement has both `{element}` and `Not{element}`"),
            Self::Character(c) => write!(f, "character `{}` is not allowed in a policy", c.escape_unicode()),
            Self::DateLiteral(value) => write!(f, "`{value}` is no date"),
            Self::EffectCase(value) | Self::EffectWord(value) => write!(f, "unknown effect `{value}`"),
            Self::EmptyStatements => f.write_str("the policy has no statement"),
            Self::GuardAllows => f.write_str("a guard policy only denies, and takes no `Allow`"),
            Self::Json(malformed) => f.write_str(&malformed.message),
            Self::Missing(element) => write!(f, "element `{element}` is missing"),
            Self::MissingPrincipal => f.write_str("element `Principal` is missing"),
            Self::NoActions => f.write_str("the statement names no action"),
            Self::NoResources => f.write_str("the statement names no resource"),
            Self::NotPrincipalAllow => {
                f.write_str("`NotPrincipal` with `Allow` would grant to nearly everyone")
            }
            Self::OperatorUnknown(operator) => write!(f, "unknown condition operator `{operator}`"),
            Self::PrincipalInIdentity => f.write_str("this type of policy takes no principal"),
            Self::PrincipalInvalid(kind, value) => {
                write!(f, "`{value}` is no principal of type `{}`", kind.as_str())
            }
            Self::Prohibited(element) => write!(f, "this type of policy takes no `{element}`"),
            Self::Rcp(rule) => f.write_str(rule),
            Self::Repeated(name) => write!(f, "element `{name}` occurs twice in one object"),
            Self::ResourceFormat(resource, _) => {
                write!(f, "resource `{resource}` is not in the form of an ARN")
            }
            Self::ResourceLegacy(resource) => write!(f, "resource `{resource}` has too few parts"),
            Self::SidCharacters(sid) => write!(f, "Sid `{sid}` has characters other than letters and digits"),
            Self::SidRepeated(sid) => write!(f, "Sid `{sid}` is taken by another statement"),
            Self::TrustAction(action) => write!(f, "action `{action}` has no place in a trust policy"),
            Self::Type { element, expected, found } => {
                write!(f, "`{element}` must be {expected}, found {found}")
            }
            Self::Unknown(name) => write!(f, "unknown element `{name}`"),
            Self::VersionOld => f.write_str("version 2012-10-17 of the language is required"),
            Self::VersionUnknown(version) => write!(f, "unknown version `{version}`"),
        }
    }
}

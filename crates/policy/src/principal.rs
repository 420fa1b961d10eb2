//! Who makes a request, as far as a decision depends on it.

use rootward_names::AccountId;

use crate::context::Context;
use crate::policy::{ListedPrincipal, PrincipalType};

/// Who makes a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Principal<'a> {
    /// Which kind of principal, with its names.
    pub kind: PrincipalKind<'a>,
    /// The account it belongs to; none for services, web and SAML identities, and anonymous callers.
    pub account: Option<AccountId>,
    /// Whether that account is the management account of its organization: SCPs do not bind it.
    pub management_account: bool,
}

/// The kinds of principals. Ids (`AIDA…`, `AROA…`) may be empty if unknown; then no stored id matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalKind<'a> {
    /// Nobody signed the request.
    Anonymous,
    /// A session of `AssumeRoot`.
    AssumedRoot {
        /// `arn:…:root` of the account it acts in.
        arn: &'a str,
    },
    /// A session of `GetFederationToken`.
    FederatedUser {
        /// `arn:…:federated-user/NAME`
        arn: &'a str,
        /// The user who asked for the session.
        user_arn: &'a str,
        /// That user's `AIDA…`.
        user_id: &'a str,
    },
    /// A session of a role.
    RoleSession {
        /// `arn:…:assumed-role/ROLE/SESSION`
        session_arn: &'a str,
        /// The role's ARN with its path.
        role_arn: &'a str,
        /// The role's `AROA…`.
        role_id: &'a str,
    },
    /// The root user of its account.
    Root {
        /// `arn:…:root`
        arn: &'a str,
    },
    /// The caller of `AssumeRoleWithSAML`.
    Saml {
        /// ARN of the provider.
        provider: &'a str,
    },
    /// An AWS service acting for itself.
    Service {
        /// Such as `ec2.amazonaws.com`.
        name: &'a str,
    },
    /// An IAM user, with a long-term key or a session of `GetSessionToken`.
    User {
        /// The user's ARN with its path.
        arn: &'a str,
        /// The user's `AIDA…`.
        id: &'a str,
    },
    /// The caller of `AssumeRoleWithWebIdentity`.
    WebIdentity {
        /// Name or ARN of the provider.
        provider: &'a str,
    },
}

impl Principal<'_> {
    /// Whether it is the root user, or a root session.
    pub(crate) const fn is_root(&self) -> bool {
        matches!(self.kind, PrincipalKind::Root { .. } | PrincipalKind::AssumedRoot { .. })
    }

    /// Whether policies of an account speak for it: only these principals have identity policies or are bound by SCPs.
    pub(crate) const fn has_account_side(&self) -> bool {
        match self.kind {
            PrincipalKind::AssumedRoot { .. }
            | PrincipalKind::FederatedUser { .. }
            | PrincipalKind::RoleSession { .. }
            | PrincipalKind::Root { .. }
            | PrincipalKind::User { .. } => true,
            PrincipalKind::Anonymous
            | PrincipalKind::Saml { .. }
            | PrincipalKind::Service { .. }
            | PrincipalKind::WebIdentity { .. } => false,
        }
    }

    /// The ARN or name by which denials call it.
    pub(crate) const fn shown(&self) -> &str {
        match self.kind {
            PrincipalKind::Anonymous => "anonymous",
            PrincipalKind::AssumedRoot { arn }
            | PrincipalKind::FederatedUser { arn, .. }
            | PrincipalKind::RoleSession { session_arn: arn, .. }
            | PrincipalKind::Root { arn }
            | PrincipalKind::User { arn, .. } => arn,
            PrincipalKind::Saml { provider } | PrincipalKind::WebIdentity { provider } => provider,
            PrincipalKind::Service { name } => name,
        }
    }

    /// Whether anything can be attached to it: not to the root user, nor to callers without an account.
    pub(crate) const fn has_policies(&self) -> bool {
        self.has_account_side() && !self.is_root()
    }

    /// Whether it signs with AWS credentials; identities of providers bring a token instead.
    const fn signs(&self) -> bool {
        !matches!(
            self.kind,
            PrincipalKind::Anonymous | PrincipalKind::Saml { .. } | PrincipalKind::WebIdentity { .. }
        )
    }

    /// How `NotPrincipal` must list it so that a Deny spares it: every step from its account to itself.
    ///
    /// Source: IAM User Guide, "NotPrincipal": AWS may look at the account first, then the role, then the session, and denies
    /// at the first that is not listed.
    pub(crate) const fn steps(&self) -> &'static [Named] {
        match self.kind {
            PrincipalKind::FederatedUser { .. } | PrincipalKind::RoleSession { .. } => {
                &[Named::Account, Named::Behind, Named::Directly]
            }
            PrincipalKind::User { .. } => &[Named::Account, Named::Directly],
            PrincipalKind::AssumedRoot { .. } | PrincipalKind::Root { .. } => &[Named::Account],
            PrincipalKind::Anonymous
            | PrincipalKind::Saml { .. }
            | PrincipalKind::Service { .. }
            | PrincipalKind::WebIdentity { .. } => &[Named::Directly],
        }
    }

    /// Whether it is a session of a service-linked role, which organization policies do not bind.
    pub(crate) fn is_service_linked(&self) -> bool {
        match self.kind {
            PrincipalKind::RoleSession { role_arn, .. } => {
                role_arn.splitn(6, ':').nth(5).is_some_and(|name| name.starts_with("role/aws-service-role/"))
            }
            _ => false,
        }
    }

    /// Source: fact sheet, "values by principal kind". Values it calls unknown are left unset.
    pub(crate) fn fill(&self, context: &mut Context) {
        match self.account {
            Some(account) => context.show("aws:PrincipalAccount", account),
            None if self.kind == PrincipalKind::Anonymous => {
                context.text("aws:PrincipalAccount", "anonymous")
            }
            None => context,
        };
        if let Some(kind) = self.type_name() {
            context.text("aws:PrincipalType", kind);
        }
        if self.signs() {
            context.bool("aws:PrincipalIsAWSService", matches!(self.kind, PrincipalKind::Service { .. }));
        }
        self.fill_names(context);
    }

    const fn type_name(&self) -> Option<&'static str> {
        match self.kind {
            PrincipalKind::Anonymous => Some("Anonymous"),
            PrincipalKind::FederatedUser { .. } => Some("FederatedUser"),
            PrincipalKind::RoleSession { .. } => Some("AssumedRole"),
            PrincipalKind::Root { .. } => Some("Account"),
            PrincipalKind::User { .. } => Some("User"),
            PrincipalKind::AssumedRoot { .. }
            | PrincipalKind::Saml { .. }
            | PrincipalKind::Service { .. }
            | PrincipalKind::WebIdentity { .. } => None,
        }
    }

    fn fill_names(&self, context: &mut Context) {
        let last = |arn: &str| arn.rsplit('/').next().unwrap_or_default().to_owned();
        match self.kind {
            PrincipalKind::Anonymous => {
                context.text("aws:userid", "anonymous");
            }
            PrincipalKind::AssumedRoot { arn } => {
                context.text("aws:PrincipalArn", arn).bool("aws:AssumedRoot", true);
            }
            PrincipalKind::FederatedUser { arn, .. } => {
                context.text("aws:PrincipalArn", arn);
                if let Some(account) = self.account {
                    context.text("aws:userid", &format!("{account}:{}", last(arn)));
                }
            }
            PrincipalKind::RoleSession { session_arn, role_arn, role_id } => {
                context.text("aws:PrincipalArn", role_arn);
                if !role_id.is_empty() {
                    context.text("aws:userid", &format!("{role_id}:{}", last(session_arn)));
                }
            }
            PrincipalKind::Root { arn } => {
                context.text("aws:PrincipalArn", arn);
                if let Some(account) = self.account {
                    context.show("aws:userid", account);
                }
            }
            PrincipalKind::Service { name } => {
                context.text("aws:PrincipalServiceName", name);
            }
            PrincipalKind::User { arn, id } => {
                context.text("aws:PrincipalArn", arn).text("aws:username", &last(arn));
                if !id.is_empty() {
                    context.text("aws:userid", id);
                }
            }
            PrincipalKind::Saml { .. } | PrincipalKind::WebIdentity { .. } => {}
        }
    }
}

/// How closely a `Principal` names who asks; a closer match depends on fewer other policies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    #[default]
    No,
    /// By account: the account's own policies must grant as well.
    Account,
    /// A session by its role or user: boundaries and session policies still limit.
    Behind,
    /// The very principal, or everyone.
    Directly,
}

/// One compiled entry of a `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    Account(AccountId),
    /// A user, role, role session or federated session.
    Arn(Box<str>),
    Everyone,
    Federated(Box<str>),
    /// `AIDA…` or `AROA…`
    Id(Box<str>),
    /// Something no principal here is called, such as a canonical user.
    Nobody,
    Service(Box<str>),
}

impl Entry {
    pub(crate) fn compile(listed: ListedPrincipal) -> Self {
        let value = listed.value;
        match listed.kind {
            PrincipalType::Aws => Self::compile_aws(value),
            PrincipalType::CanonicalUser => Self::Nobody,
            PrincipalType::Federated => Self::Federated(value),
            PrincipalType::Service => Self::Service(value),
        }
    }

    fn compile_aws(value: Box<str>) -> Self {
        if &*value == "*" {
            return Self::Everyone;
        }
        if let Ok(account) = value.parse() {
            return Self::Account(account);
        }
        match rootward_names::Arn::parse(&value) {
            Ok(arn) if arn.service == "iam" && arn.resource == "root" => {
                arn.account.parse().map_or(Self::Nobody, Self::Account)
            }
            Ok(_) => Self::Arn(value),
            Err(_) => Self::Id(value),
        }
    }

    pub(crate) fn names(&self, principal: &Principal<'_>) -> Named {
        match self {
            Self::Everyone => Named::Directly,
            Self::Account(account) if principal.account == Some(*account) => Named::Account,
            Self::Account(_) | Self::Nobody => Named::No,
            Self::Arn(arn) => named_by(principal, arn, |kind| match kind {
                PrincipalKind::FederatedUser { arn, user_arn, .. } => (arn, user_arn),
                PrincipalKind::RoleSession { session_arn, role_arn, .. } => (session_arn, role_arn),
                PrincipalKind::User { arn, .. } => (arn, ""),
                _ => ("", ""),
            }),
            Self::Id(id) => named_by(principal, id, |kind| match kind {
                PrincipalKind::FederatedUser { user_id, .. } => ("", user_id),
                PrincipalKind::RoleSession { role_id, .. } => ("", role_id),
                PrincipalKind::User { id, .. } => (id, ""),
                _ => ("", ""),
            }),
            Self::Service(name) => named_by(principal, name, |kind| match kind {
                PrincipalKind::Service { name } => (name, ""),
                _ => ("", ""),
            }),
            Self::Federated(name) => named_by(principal, name, |kind| match kind {
                PrincipalKind::Saml { provider } | PrincipalKind::WebIdentity { provider } => (provider, ""),
                _ => ("", ""),
            }),
        }
    }
}

/// As it is written in a policy.
impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Account(account) => write!(f, "{account}"),
            Self::Arn(text) | Self::Federated(text) | Self::Id(text) | Self::Service(text) => {
                f.write_str(text)
            }
            Self::Everyone => f.write_str("*"),
            Self::Nobody => f.write_str("a principal of another kind"),
        }
    }
}

/// Compares a value with the name of the very principal and of the one behind it; an empty name matches nothing.
fn named_by<'a>(
    principal: &Principal<'a>,
    value: &str,
    names: impl Fn(PrincipalKind<'a>) -> (&'a str, &'a str),
) -> Named {
    match names(principal.kind) {
        (own, _) if !own.is_empty() && own == value => Named::Directly,
        (_, behind) if !behind.is_empty() && behind == value => Named::Behind,
        _ => Named::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_role_session_name_the_role() {
        let kind = PrincipalKind::RoleSession {
            session_arn: "arn:aws:sts::111111111111:assumed-role/app/s1",
            role_arn: "arn:aws:iam::111111111111:role/team/app",
            role_id: "AROA1",
        };
        let account = Some("111111111111".parse().unwrap());
        let mut context = Context::new();
        context.principal(&Principal { kind, account, management_account: false });
        assert_eq!(
            format!("{context:?}"),
            r#"{"aws:PrincipalAccount": "111111111111", "aws:PrincipalType": "AssumedRole", "aws:PrincipalIsAWSService": "false", "aws:PrincipalArn": "arn:aws:iam::111111111111:role/team/app", "aws:userid": "AROA1:s1"}"#
        );
    }
}

//! What users, groups and roles have in common: the policies that are attached to them and those inside them.

use percent_encoding::percent_decode_str;
use rootward_api::iam;
use rootward_wire::Error;
use serde::Deserialize;

use crate::editor::{self, Findings, indented};
use crate::layout::{Part, part};
use crate::policies;
use crate::visit::SignedIn;

/// Whose policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Group,
    Role,
    User,
}

/// The policies of one of them, as its page shows them.
pub(crate) struct Grants {
    pub(crate) attached: Part<Vec<iam::AttachedPolicy>>,
    pub(crate) inline: Part<Vec<Inline>>,
    /// What was written under a new name and refused.
    pub(crate) draft: Option<Inline>,
}

/// A policy inside its owner.
pub(crate) struct Inline {
    pub(crate) name: String,
    pub(crate) document: String,
    pub(crate) findings: Findings,
    /// What was written and refused, instead of what is there.
    pub(crate) refused: bool,
}

impl Inline {
    fn new(name: String, document: String, refused: bool) -> Self {
        let findings = Findings::of(editor::Kind::Identity, &document);
        Self { name, document, findings, refused }
    }
}

/// Why a change was not made, and what was written, so that nobody writes it again.
pub(crate) struct Refused {
    pub(crate) error: Error,
    pub(crate) draft: Option<Inline>,
}

/// A change of them that is one call.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// Attaches a managed policy: its ARN, or its name.
    Attach { arn: String },
    /// Removes a policy inside.
    DeleteInline { policy: String },
    /// Detaches a managed policy.
    Detach { arn: String },
    /// Writes a policy inside, whether or not there is one of its name.
    PutInline { policy: String, document: String },
}

/// A policy document for people to read: answers carry it percent-encoded, and what is written in one line is indented.
pub(crate) fn decoded(document: &str) -> String {
    let document = percent_decode_str(document).decode_utf8_lossy();
    if document.contains('\n') { document.into_owned() } else { indented(&document) }
}

impl Grants {
    /// Reads them; at most what one page of each listing holds, which is more than the quotas allow.
    /// `draft` was written and refused: it stands where it was written.
    pub(crate) async fn of(signed_in: &SignedIn, kind: Kind, name: &str, draft: Option<Inline>) -> Self {
        let attached = part(attached(signed_in, kind, name.to_owned()).await);
        let (mut inline, mut draft) = (part(inlines(signed_in, kind, name).await), draft);
        if let Ok(inline) = &mut inline
            && let Some(name) = draft.as_ref().map(|draft| draft.name.clone())
            && let Some(there) = inline.iter_mut().find(|there| there.name == name)
            && let Some(draft) = draft.take()
        {
            *there = draft;
        }
        Self { attached, inline, draft }
    }
}

async fn inlines(signed_in: &SignedIn, kind: Kind, name: &str) -> Result<Vec<Inline>, Error> {
    let mut inline = Vec::new();
    for policy in names(signed_in, kind, name.to_owned()).await? {
        let document = document(signed_in, kind, name.to_owned(), policy.clone()).await?;
        inline.push(Inline::new(policy, decoded(&document), false));
    }
    Ok(inline)
}

/// Makes a change.
pub(crate) async fn change(
    signed_in: &SignedIn,
    kind: Kind,
    name: &str,
    change: Change,
) -> Result<(), Refused> {
    let name = name.to_owned();
    let result = match change {
        Change::Attach { arn } => match policies::arn_of(signed_in, arn.trim()).await {
            Ok(arn) => attach(signed_in, kind, name, arn).await,
            Err(error) => Err(error),
        },
        Change::DeleteInline { policy } => delete_inline(signed_in, kind, name, policy).await,
        Change::Detach { arn } => detach(signed_in, kind, name, arn).await,
        Change::PutInline { policy, document } => {
            let draft = Inline::new(policy.clone(), document.clone(), true);
            let result = put_inline(signed_in, kind, name, policy, document).await;
            return result.map_err(|error| Refused { error, draft: Some(draft) });
        }
    };
    result.map_err(|error| Refused { error, draft: None })
}

async fn attached(s: &SignedIn, kind: Kind, name: String) -> Result<Vec<iam::AttachedPolicy>, Error> {
    let (path_prefix, marker, max_items) = (None, None, None);
    let listed = match kind {
        Kind::Group => {
            let group_name = name;
            let input = iam::ListAttachedGroupPoliciesRequest { group_name, path_prefix, marker, max_items };
            s.call::<iam::ListAttachedGroupPolicies>(&input).await?.attached_policies
        }
        Kind::Role => {
            let role_name = name;
            let input = iam::ListAttachedRolePoliciesRequest { role_name, path_prefix, marker, max_items };
            s.call::<iam::ListAttachedRolePolicies>(&input).await?.attached_policies
        }
        Kind::User => {
            let user_name = name;
            let input = iam::ListAttachedUserPoliciesRequest { user_name, path_prefix, marker, max_items };
            s.call::<iam::ListAttachedUserPolicies>(&input).await?.attached_policies
        }
    };
    Ok(listed.unwrap_or_default())
}

async fn names(s: &SignedIn, kind: Kind, name: String) -> Result<Vec<String>, Error> {
    let (marker, max_items) = (None, None);
    Ok(match kind {
        Kind::Group => {
            let input = iam::ListGroupPoliciesRequest { group_name: name, marker, max_items };
            s.call::<iam::ListGroupPolicies>(&input).await?.policy_names
        }
        Kind::Role => {
            let input = iam::ListRolePoliciesRequest { role_name: name, marker, max_items };
            s.call::<iam::ListRolePolicies>(&input).await?.policy_names
        }
        Kind::User => {
            let input = iam::ListUserPoliciesRequest { user_name: name, marker, max_items };
            s.call::<iam::ListUserPolicies>(&input).await?.policy_names
        }
    })
}

async fn document(s: &SignedIn, kind: Kind, name: String, policy_name: String) -> Result<String, Error> {
    Ok(match kind {
        Kind::Group => {
            let input = iam::GetGroupPolicyRequest { group_name: name, policy_name };
            s.call::<iam::GetGroupPolicy>(&input).await?.policy_document
        }
        Kind::Role => {
            let input = iam::GetRolePolicyRequest { role_name: name, policy_name };
            s.call::<iam::GetRolePolicy>(&input).await?.policy_document
        }
        Kind::User => {
            let input = iam::GetUserPolicyRequest { user_name: name, policy_name };
            s.call::<iam::GetUserPolicy>(&input).await?.policy_document
        }
    })
}

async fn attach(s: &SignedIn, kind: Kind, name: String, policy_arn: String) -> Result<(), Error> {
    match kind {
        Kind::Group => {
            let input = iam::AttachGroupPolicyRequest { group_name: name, policy_arn };
            s.call::<iam::AttachGroupPolicy>(&input).await.map(drop)
        }
        Kind::Role => {
            let input = iam::AttachRolePolicyRequest { role_name: name, policy_arn };
            s.call::<iam::AttachRolePolicy>(&input).await.map(drop)
        }
        Kind::User => {
            let input = iam::AttachUserPolicyRequest { user_name: name, policy_arn };
            s.call::<iam::AttachUserPolicy>(&input).await.map(drop)
        }
    }
}

async fn detach(s: &SignedIn, kind: Kind, name: String, policy_arn: String) -> Result<(), Error> {
    match kind {
        Kind::Group => {
            let input = iam::DetachGroupPolicyRequest { group_name: name, policy_arn };
            s.call::<iam::DetachGroupPolicy>(&input).await.map(drop)
        }
        Kind::Role => {
            let input = iam::DetachRolePolicyRequest { role_name: name, policy_arn };
            s.call::<iam::DetachRolePolicy>(&input).await.map(drop)
        }
        Kind::User => {
            let input = iam::DetachUserPolicyRequest { user_name: name, policy_arn };
            s.call::<iam::DetachUserPolicy>(&input).await.map(drop)
        }
    }
}

async fn put_inline(
    s: &SignedIn,
    kind: Kind,
    name: String,
    policy_name: String,
    policy_document: String,
) -> Result<(), Error> {
    match kind {
        Kind::Group => {
            let input = iam::PutGroupPolicyRequest { group_name: name, policy_name, policy_document };
            s.call::<iam::PutGroupPolicy>(&input).await.map(drop)
        }
        Kind::Role => {
            let input = iam::PutRolePolicyRequest { role_name: name, policy_name, policy_document };
            s.call::<iam::PutRolePolicy>(&input).await.map(drop)
        }
        Kind::User => {
            let input = iam::PutUserPolicyRequest { user_name: name, policy_name, policy_document };
            s.call::<iam::PutUserPolicy>(&input).await.map(drop)
        }
    }
}

async fn delete_inline(s: &SignedIn, kind: Kind, name: String, policy_name: String) -> Result<(), Error> {
    match kind {
        Kind::Group => {
            let input = iam::DeleteGroupPolicyRequest { group_name: name, policy_name };
            s.call::<iam::DeleteGroupPolicy>(&input).await.map(drop)
        }
        Kind::Role => {
            let input = iam::DeleteRolePolicyRequest { role_name: name, policy_name };
            s.call::<iam::DeleteRolePolicy>(&input).await.map(drop)
        }
        Kind::User => {
            let input = iam::DeleteUserPolicyRequest { user_name: name, policy_name };
            s.call::<iam::DeleteUserPolicy>(&input).await.map(drop)
        }
    }
}

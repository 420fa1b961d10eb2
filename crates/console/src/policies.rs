//! Managed policies: the list of the account's and of AWS's, and the versions and attachments of one of them.
//!
//! A search looks through all of the list's pages, by name. The text of a policy is never changed: what is saved is a version more.

use askama::Template;
use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use http::{StatusCode, header};
use rootward_api::iam;
use rootward_names::Arn;
use rootward_wire::Error;
use serde::{Deserialize, Serialize};

use crate::editor::{self, BEGINNING, Findings};
use crate::grants::decoded;
use crate::layout::{Frame, Part, VERSION, html_with, minute, part, status};
use crate::list::{self, address};
use crate::visit::{Posted, Query, SignedIn};

#[derive(Template)]
#[template(path = "policies.html")]
struct List {
    version: &'static str,
    frame: Frame,
    of: Of,
    /// What is searched for; empty for all.
    search: String,
    policies: Part<Vec<Row>>,
    next: Option<String>,
    /// What was written and refused, and what is wrong with it.
    draft: Option<New>,
    findings: Findings,
}

struct Row {
    name: String,
    arn: String,
    attached: i32,
    updated: String,
}

/// Whose policies are listed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Of {
    #[default]
    Account,
    Aws,
}

/// Which page of which list.
#[derive(Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    of: Of,
    marker: Option<String>,
    #[serde(default)]
    search: String,
}

fn frame(signed_in: &SignedIn) -> Frame {
    Frame::new(signed_in, "Policies", "policies")
}

pub(crate) async fn list(signed_in: SignedIn, Query(asked): Query<Asked>) -> Response {
    let frame = frame(&signed_in);
    let list = read_list(&signed_in, frame, asked).await;
    signed_in.answer(html_with(list.frame.status, &list))
}

async fn read_list(signed_in: &SignedIn, frame: Frame, asked: Asked) -> List {
    let (scope, here) = match asked.of {
        Of::Account => (iam::PolicyScopeType::Local, "/console/policies"),
        Of::Aws => (iam::PolicyScopeType::Aws, "/console/policies?of=aws"),
    };
    let search = asked.search.trim().to_owned();
    let listed = if search.is_empty() {
        page_of(signed_in, scope, asked.marker, None).await
    } else {
        let found = all(signed_in, scope).await;
        found.map(|found| (found.into_iter().filter(|policy| is_named_like(policy, &search)).collect(), None))
    };
    let row = |policy: iam::Policy| Row {
        name: policy.policy_name.unwrap_or_default(),
        arn: policy.arn.unwrap_or_default(),
        attached: policy.attachment_count.unwrap_or_default(),
        updated: policy.update_date.map(minute).unwrap_or_default(),
    };
    let (frame, policies, next) = list::read(frame, here, listed, row);
    let findings = Findings::default();
    List { version: VERSION, frame, of: asked.of, search, policies, next, draft: None, findings }
}

/// One page of a listing of policies.
async fn page_of(
    signed_in: &SignedIn,
    scope: iam::PolicyScopeType,
    marker: Option<String>,
    max_items: Option<i32>,
) -> Result<(Vec<iam::Policy>, Option<String>), Error> {
    let input = iam::ListPoliciesRequest { scope: Some(scope), marker, max_items, ..Default::default() };
    let listed = signed_in.call::<iam::ListPolicies>(&input).await?;
    Ok((listed.policies.unwrap_or_default(), listed.marker))
}

/// All of a listing, which has some thousands at most.
async fn all(signed_in: &SignedIn, scope: iam::PolicyScopeType) -> Result<Vec<iam::Policy>, Error> {
    let (mut found, mut marker) = page_of(signed_in, scope, None, Some(PAGE_MAX)).await?;
    while marker.is_some() {
        let (more, next) = page_of(signed_in, scope, marker, Some(PAGE_MAX)).await?;
        found.extend(more);
        marker = next;
    }
    Ok(found)
}

/// As many as one page of the API's holds.
const PAGE_MAX: i32 = 1_000;

fn is_named_like(policy: &iam::Policy, search: &str) -> bool {
    let name = policy.policy_name.as_deref().unwrap_or_default();
    name.to_ascii_lowercase().contains(&search.to_ascii_lowercase())
}

/// A policy that can be attached, as the script offers it.
#[derive(Serialize)]
struct Offer {
    arn: String,
    name: String,
    /// Whether it is the account's own.
    own: bool,
}

/// Everything that can be attached, the account's own first. The script asks for it once somebody begins to type.
pub(crate) async fn names(signed_in: SignedIn) -> Response {
    let found = match attachable(&signed_in).await {
        Ok(found) => found,
        Err(error) => return signed_in.answer((status(&error), "")),
    };
    let offers = found.into_iter().filter_map(|policy| {
        let (arn, name) = (policy.arn?, policy.policy_name?);
        Some(Offer { own: is_ours(&arn), arn, name })
    });
    match serde_json::to_string(&offers.collect::<Vec<_>>()) {
        Ok(json) => signed_in.answer(([(header::CONTENT_TYPE, "application/json")], json)),
        Err(error) => {
            tracing::error!(%error, "names of policies cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn attachable(signed_in: &SignedIn) -> Result<Vec<iam::Policy>, Error> {
    let mut found = all(signed_in, iam::PolicyScopeType::Local).await?;
    found.extend(all(signed_in, iam::PolicyScopeType::Aws).await?);
    Ok(found)
}

/// The ARN that is meant: the one that was typed, or that of the policy of this name, the account's own before AWS's. A name that
/// nobody has stays what it is, for the API to refuse.
///
/// # Errors
/// The policies may not be listed.
pub(crate) async fn arn_of(signed_in: &SignedIn, typed: &str) -> Result<String, Error> {
    if typed.starts_with("arn:") {
        return Ok(typed.to_owned());
    }
    let is_it = |policy: &iam::Policy| policy.policy_name.as_deref() == Some(typed);
    let found = attachable(signed_in).await?.into_iter().find(is_it);
    Ok(found.and_then(|policy| policy.arn).unwrap_or_else(|| typed.to_owned()))
}

/// A policy to be made.
#[derive(Deserialize)]
pub(crate) struct New {
    name: String,
    description: String,
    document: String,
}

pub(crate) async fn create(Posted(signed_in, form): Posted<New>) -> Response {
    let input = iam::CreatePolicyRequest {
        policy_name: form.name.clone(),
        policy_document: form.document.clone(),
        description: Some(form.description.clone()).filter(|text| !text.is_empty()),
        ..Default::default()
    };
    match signed_in.call::<iam::CreatePolicy>(&input).await {
        Ok(made) => {
            let arn = made.policy.and_then(|policy| policy.arn).unwrap_or_default();
            signed_in.answer(Redirect::to(&address("policies", &arn, Some("created"))))
        }
        Err(error) => {
            let frame = frame(&signed_in).refused(&error);
            let list = read_list(&signed_in, frame, Asked::default()).await;
            let findings = Findings::of(editor::Kind::Identity, &form.document);
            signed_in.answer(html_with(status(&error), &List { draft: Some(form), findings, ..list }))
        }
    }
}

#[derive(Template)]
#[template(path = "policy.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    /// The address of this page.
    here: String,
    arn: String,
    name: String,
    description: String,
    created: String,
    /// The account's own, which it can change.
    ours: bool,
    /// Which version the document is of.
    shown: String,
    /// It, or what was written instead and refused.
    document: String,
    findings: Findings,
    versions: Part<Vec<Version>>,
    attached: Part<Attached>,
}

struct Version {
    id: String,
    created: String,
    is_default: bool,
}

/// Who has the policy, each with its list and as what.
struct Attached {
    entities: Vec<(&'static str, &'static str, String)>,
    /// There are more than the page shows.
    more: bool,
    /// How many users and roles it is a boundary of.
    boundaries: i32,
}

/// What is shown of a policy, and what has been done.
#[derive(Default, Deserialize)]
pub(crate) struct View {
    /// None for the default version.
    version: Option<String>,
    done: Option<String>,
}

pub(crate) async fn page(signed_in: SignedIn, Path(arn): Path<String>, Query(view): Query<View>) -> Response {
    let done = match view.done.as_deref() {
        Some("created") => Some("The policy is there. It allows nothing until it is attached."),
        Some("changed") => Some("The policy is changed."),
        _ => None,
    };
    let frame = Frame { done, ..frame(&signed_in) };
    show(&signed_in, frame, arn, view.version).await
}

async fn show(signed_in: &SignedIn, frame: Frame, arn: String, version: Option<String>) -> Response {
    match gather(signed_in, arn, version).await {
        Ok(page) => signed_in.answer(html_with(frame.status, &Page { frame, ..page })),
        Err(error) => lost(signed_in, frame.refused(&error)).await,
    }
}

/// The list, where one of it cannot be shown.
async fn lost(signed_in: &SignedIn, frame: Frame) -> Response {
    let list = read_list(signed_in, frame, Asked::default()).await;
    signed_in.answer(html_with(list.frame.status, &list))
}

async fn gather(signed_in: &SignedIn, arn: String, version: Option<String>) -> Result<Page, Error> {
    let input = iam::GetPolicyRequest { policy_arn: arn.clone() };
    let policy = signed_in.call::<iam::GetPolicy>(&input).await?.policy.unwrap_or_default();
    let shown = version.or(policy.default_version_id).unwrap_or_default();
    let input = iam::GetPolicyVersionRequest { policy_arn: arn.clone(), version_id: shown.clone() };
    let found = signed_in.call::<iam::GetPolicyVersion>(&input).await?.policy_version;
    let document = decoded(&found.and_then(|found| found.document).unwrap_or_default());
    let input = iam::ListPolicyVersionsRequest { policy_arn: arn.clone(), ..Default::default() };
    let versions = signed_in.call::<iam::ListPolicyVersions>(&input).await;
    let version = |version: iam::PolicyVersion| Version {
        id: version.version_id.unwrap_or_default(),
        created: version.create_date.map(minute).unwrap_or_default(),
        is_default: version.is_default_version == Some(true),
    };
    let boundaries = policy.permissions_boundary_usage_count.unwrap_or_default();
    Ok(Page {
        version: VERSION,
        frame: frame(signed_in),
        here: address("policies", &arn, None),
        name: policy.policy_name.unwrap_or_default(),
        description: policy.description.unwrap_or_default(),
        created: policy.create_date.map(minute).unwrap_or_default(),
        ours: is_ours(&arn),
        shown,
        findings: Findings::of(editor::Kind::Identity, &document),
        document,
        versions: part(
            versions.map(|listed| listed.versions.unwrap_or_default().into_iter().map(version).collect()),
        ),
        attached: part(attached(signed_in, &arn, boundaries).await),
        arn,
    })
}

async fn attached(signed_in: &SignedIn, arn: &str, boundaries: i32) -> Result<Attached, Error> {
    let input = iam::ListEntitiesForPolicyRequest {
        policy_arn: arn.to_owned(),
        policy_usage_filter: Some(iam::PolicyUsageType::PermissionsPolicy),
        max_items: Some(ENTITIES_SHOWN),
        ..Default::default()
    };
    let listed = signed_in.call::<iam::ListEntitiesForPolicy>(&input).await?;
    let users = listed.policy_users.unwrap_or_default().into_iter().filter_map(|user| user.user_name);
    let groups = listed.policy_groups.unwrap_or_default().into_iter().filter_map(|group| group.group_name);
    let roles = listed.policy_roles.unwrap_or_default().into_iter().filter_map(|role| role.role_name);
    let entities = users.map(|name| ("users", "User", name));
    let entities = entities.chain(groups.map(|name| ("groups", "Group", name)));
    let entities = entities.chain(roles.map(|name| ("roles", "Role", name))).collect();
    Ok(Attached { entities, more: listed.is_truncated == Some(true), boundaries })
}

/// As many as one page of the API's holds.
const ENTITIES_SHOWN: i32 = 1_000;

/// Whether a policy is an account's, not AWS's.
fn is_ours(arn: &str) -> bool {
    Arn::parse(arn).is_ok_and(|arn| arn.account != "aws")
}

/// Changes of a policy that are one call.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub(crate) enum Change {
    /// Adds a version; `default` is there when it counts from now on.
    Add { document: String, default: Option<String> },
    /// Deletes the policy.
    Delete,
    /// Deletes a version.
    DeleteVersion { id: String },
    /// Makes a version the one that counts.
    SetDefault { id: String },
}

pub(crate) async fn change(Path(arn): Path<String>, Posted(signed_in, change): Posted<Change>) -> Response {
    let policy_arn = arn.clone();
    let result = match change {
        Change::Add { document, default } => return add(&signed_in, arn, document, default.is_some()).await,
        Change::Delete => {
            let input = iam::DeletePolicyRequest { policy_arn };
            match signed_in.call::<iam::DeletePolicy>(&input).await {
                Ok(_) => return signed_in.answer(Redirect::to("/console/policies")),
                Err(error) => Err(error),
            }
        }
        Change::DeleteVersion { id } => {
            let input = iam::DeletePolicyVersionRequest { policy_arn, version_id: id };
            signed_in.call::<iam::DeletePolicyVersion>(&input).await
        }
        Change::SetDefault { id } => {
            let input = iam::SetDefaultPolicyVersionRequest { policy_arn, version_id: id };
            signed_in.call::<iam::SetDefaultPolicyVersion>(&input).await
        }
    };
    match result {
        Ok(_) => signed_in.answer(Redirect::to(&address("policies", &arn, Some("changed")))),
        Err(error) => show(&signed_in, frame(&signed_in).refused(&error), arn, None).await,
    }
}

/// What is refused stays in the editor.
async fn add(signed_in: &SignedIn, arn: String, document: String, is_default: bool) -> Response {
    let input = iam::CreatePolicyVersionRequest {
        policy_arn: arn.clone(),
        policy_document: document.clone(),
        set_as_default: Some(is_default),
    };
    let error = match signed_in.call::<iam::CreatePolicyVersion>(&input).await {
        Ok(_) => return signed_in.answer(Redirect::to(&address("policies", &arn, Some("changed")))),
        Err(error) => error,
    };
    let frame = frame(signed_in).refused(&error);
    match gather(signed_in, arn, None).await {
        Ok(page) => {
            let findings = Findings::of(editor::Kind::Identity, &document);
            signed_in.answer(html_with(status(&error), &Page { frame, document, findings, ..page }))
        }
        Err(_) => lost(signed_in, frame).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_of_aws_are_not_ours() {
        assert!(is_ours("arn:aws:iam::111122223333:policy/aws/Mine"));
        assert!(!is_ours("arn:aws:iam::aws:policy/job-function/Billing"));
        assert!(!is_ours("arn:aws-cn:iam::aws:policy/ReadOnlyAccess"));
        assert!(!is_ours("ReadOnlyAccess"));
    }
}

//! A policy of the organization: what it says, and where it is attached.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use rootward_api::organizations::{self as orgs, TargetType};
use rootward_names::{AccountId, OrganizationPolicyId};
use rootward_wire::Error;

use super::{HERE, account_address, policy_address};
use crate::layout::{Frame, Part, Problem, VERSION, html_with, not_found, part};
use crate::list::{Marker, Pages, segment};
use crate::visit::{Query, SignedIn};

#[derive(Template)]
#[template(path = "organization_policy.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    policy: Part<Policy>,
    targets: Part<Vec<Target>>,
    next: Option<String>,
}

struct Policy {
    name: String,
    description: String,
    arn: String,
    kind: &'static str,
    aws_managed: bool,
    document: String,
}

struct Target {
    name: String,
    id: String,
    what: &'static str,
    address: String,
    /// Whether it is the account that nothing of the organization binds.
    is_management: bool,
}

pub(crate) async fn page(
    signed_in: SignedIn,
    Path(id): Path<String>,
    Query(marker): Query<Marker>,
) -> Result<Response, Problem> {
    if id.parse::<OrganizationPolicyId>().is_err() {
        return Err(not_found().await);
    }
    let frame = Frame::new(&signed_in, "Policy of the organization", "organization");
    let input = orgs::DescribePolicyRequest { policy_id: id.clone() };
    let (frame, policy) = match signed_in.call::<orgs::DescribePolicy>(&input).await {
        Ok(found) => (frame, Ok(shown(found.policy))),
        Err(error) => (frame.unread(&error), part(Err(error))),
    };
    let (targets, next) = match policy {
        Ok(_) => targets(&signed_in, &id, marker.marker).await,
        Err(_) => (Ok(Vec::new()), None),
    };
    let page = Page { version: VERSION, frame, policy, targets, next };
    Ok(signed_in.answer(html_with(page.frame.status, &page)))
}

fn shown(policy: Option<orgs::Policy>) -> Policy {
    let (summary, content) = policy.map(|policy| (policy.policy_summary, policy.content)).unwrap_or_default();
    let (name, description, arn, kind, aws_managed) =
        summary.map(|it| (it.name, it.description, it.arn, it.r#type, it.aws_managed)).unwrap_or_default();
    let kind = match kind {
        Some(orgs::PolicyType::ResourceControlPolicy) => "Resource control policy",
        Some(orgs::PolicyType::ServiceControlPolicy) => "Service control policy",
        Some(other) => other.as_str(),
        None => "",
    };
    Policy {
        name: name.unwrap_or_default(),
        description: description.unwrap_or_default(),
        arn: arn.unwrap_or_default(),
        kind,
        aws_managed: aws_managed == Some(true),
        document: indented(&content.unwrap_or_default()),
    }
}

/// A document as people read it; as it is, if it is laid out already.
fn indented(document: &str) -> String {
    let laid_out = || {
        let value: serde_json::Value = serde_json::from_str(document).ok()?;
        serde_json::to_string_pretty(&value).ok()
    };
    if document.contains('\n') {
        document.to_owned()
    } else {
        laid_out().unwrap_or_else(|| document.to_owned())
    }
}

async fn targets(
    signed_in: &SignedIn,
    policy_id: &str,
    next_token: Option<String>,
) -> (Part<Vec<Target>>, Option<String>) {
    let input = orgs::ListTargetsForPolicyRequest {
        policy_id: policy_id.to_owned(),
        next_token,
        ..orgs::ListTargetsForPolicyRequest::default()
    };
    let listed: Result<_, Error> = signed_in.call::<orgs::ListTargetsForPolicy>(&input).await;
    match listed {
        Ok(listed) => {
            let targets = listed.targets.unwrap_or_default().into_iter();
            let management = management(signed_in);
            let targets = targets.map(|target| Target::of(target, management)).collect();
            (Ok(targets), Pages::after(&policy_address(policy_id), listed.next_token))
        }
        Err(error) => (part(Err(error)), None),
    }
}

/// The account that manages the organization.
fn management(signed_in: &SignedIn) -> Option<AccountId> {
    let world = signed_in.visit.house.db.snapshot();
    world.organization_of(signed_in.live.acting().account).map(|state| state.organization().management)
}

impl Target {
    fn of(target: orgs::PolicyTargetSummary, management: Option<AccountId>) -> Self {
        let id = target.target_id.unwrap_or_default();
        let (what, address) = match target.r#type {
            Some(TargetType::Account) => ("account", account_address(&id)),
            Some(TargetType::Root) => ("root", format!("{HERE}?at={}", segment(&id))),
            _ => ("unit", format!("{HERE}?at={}", segment(&id))),
        };
        let is_management = management.is_some_and(|management| management.to_string() == id);
        Self { name: target.name.unwrap_or_default(), id, what, address, is_management }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_on_one_line_is_laid_out_and_any_other_is_left() {
        assert_eq!(indented(r#"{"a":1}"#), "{\n  \"a\": 1\n}");
        assert_eq!(indented("{\n\"a\":1}"), "{\n\"a\":1}");
        assert_eq!(indented("no JSON"), "no JSON");
    }
}

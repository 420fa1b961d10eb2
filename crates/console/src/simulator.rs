//! The simulator: whether a user, group or role may do something, and which statements decide it.
//!
//! A question is answered on the page that asked, because it changes nothing; `principal` in the address fills in who it is about.

use askama::Template;
use axum::response::Response;
use rootward_api::iam;
use rootward_wire::Error;
use serde::Deserialize;

use crate::layout::{Frame, VERSION, html, html_with, status};
use crate::visit::{Posted, Query, SignedIn};

#[derive(Template)]
#[template(path = "simulator.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    question: Question,
    /// None before anything is asked.
    answers: Option<Vec<Answer>>,
    /// There are more answers than the page shows.
    more: bool,
}

/// What is asked, as it is typed: lists have one of theirs a line.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Question {
    principal: String,
    actions: String,
    resources: String,
    context: String,
}

/// The decision on one action on one resource.
struct Answer {
    action: String,
    resource: String,
    decision: iam::PolicyEvaluationDecisionType,
    /// What decides it, each policy with the place of its statement.
    statements: Vec<Found>,
    /// Keys of conditions that nothing was said about.
    missing: Vec<String>,
    /// What else stands in the way, or counts.
    remarks: Vec<String>,
}

/// A statement that decides.
struct Found {
    policy: String,
    kind: &'static str,
    /// Where it begins and ends; empty if that is not known.
    place: String,
}

fn frame(signed_in: &SignedIn) -> Frame {
    Frame::new(signed_in, "Simulator", "simulator")
}

pub(crate) async fn page(signed_in: SignedIn, Query(question): Query<Question>) -> Response {
    let frame = frame(&signed_in);
    let page = Page { version: VERSION, frame, question, answers: None, more: false };
    signed_in.answer(html(&page))
}

pub(crate) async fn ask(Posted(signed_in, question): Posted<Question>) -> Response {
    let frame = frame(&signed_in);
    let context = match context(&question.context) {
        Ok(context) => context,
        Err(line) => {
            let frame = frame
                .mistyped(format!("This line of the condition keys is not of the form key=value: {line}"));
            let page = Page { version: VERSION, frame, question, answers: None, more: false };
            return signed_in.answer(html_with(page.frame.status, &page));
        }
    };
    match simulate(&signed_in, &question, context).await {
        Ok(found) => {
            let more = found.is_truncated == Some(true);
            let results = found.evaluation_results.unwrap_or_default();
            let answers = Some(results.into_iter().flat_map(Answer::of).collect());
            signed_in.answer(html(&Page { version: VERSION, frame, question, answers, more }))
        }
        Err(error) => {
            let frame = frame.refused(&error);
            let page = Page { version: VERSION, frame, question, answers: None, more: false };
            signed_in.answer(html_with(status(&error), &page))
        }
    }
}

async fn simulate(
    signed_in: &SignedIn,
    question: &Question,
    context: Vec<iam::ContextEntry>,
) -> Result<iam::SimulatePolicyResponse, Error> {
    let input = iam::SimulatePrincipalPolicyRequest {
        policy_source_arn: arn(signed_in, question.principal.trim()).await?,
        action_names: lines(&question.actions),
        resource_arns: Some(lines(&question.resources)).filter(|resources| !resources.is_empty()),
        context_entries: Some(context).filter(|context| !context.is_empty()),
        max_items: Some(RESULTS_SHOWN),
        ..Default::default()
    };
    signed_in.call::<iam::SimulatePrincipalPolicy>(&input).await
}

/// As many as one page of the API's holds.
const RESULTS_SHOWN: i32 = 1_000;

/// The ARN of who is meant: it, or the name of a user, or if there is none, of a role.
async fn arn(signed_in: &SignedIn, typed: &str) -> Result<String, Error> {
    if typed.starts_with("arn:") {
        return Ok(typed.to_owned());
    }
    let input = iam::GetUserRequest { user_name: Some(typed.to_owned()) };
    match signed_in.call::<iam::GetUser>(&input).await {
        Ok(found) => Ok(found.user.arn),
        Err(error) if error.code == "NoSuchEntity" => {
            let input = iam::GetRoleRequest { role_name: typed.to_owned() };
            Ok(signed_in.call::<iam::GetRole>(&input).await?.role.arn)
        }
        Err(error) => Err(error),
    }
}

/// What is on the lines of a text; empty lines are nothing.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Reads `key=value` lines. A key on several lines has several values; keys are the same whatever their case.
///
/// # Errors
/// The first line that is none.
fn context(text: &str) -> Result<Vec<iam::ContextEntry>, String> {
    let mut read: Vec<(String, Vec<String>)> = Vec::new();
    for line in lines(text) {
        let (key, value) = match line.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => (key.trim(), value.trim().to_owned()),
            _ => return Err(line),
        };
        match read.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(key)) {
            Some((_, values)) => values.push(value),
            None => read.push((key.to_owned(), vec![value])),
        }
    }
    let entry = |(key, values): (String, Vec<String>)| iam::ContextEntry {
        context_key_type: Some(match values.len() {
            1 => iam::ContextKeyTypeEnum::String,
            _ => iam::ContextKeyTypeEnum::StringList,
        }),
        context_key_name: Some(key),
        context_key_values: Some(values),
    };
    Ok(read.into_iter().map(entry).collect())
}

impl Answer {
    /// One for each resource, or where all resources are meant, one for all.
    fn of(result: iam::EvaluationResult) -> Vec<Self> {
        let action = result.eval_action_name;
        let by_organizations = result.organizations_decision_detail;
        let outside = by_organizations.and_then(|detail| detail.allowed_by_organizations) == Some(false);
        let specific = result.resource_specific_results.unwrap_or_default();
        if specific.is_empty() {
            return vec![Self {
                remarks: remarks(
                    outside,
                    result.permissions_boundary_decision_detail,
                    result.eval_decision_details,
                ),
                resource: result.eval_resource_name.unwrap_or_else(|| "*".into()),
                decision: result.eval_decision,
                statements: found(result.matched_statements),
                missing: result.missing_context_values.unwrap_or_default(),
                action,
            }];
        }
        let answer = |one: iam::ResourceSpecificResult| Self {
            action: action.clone(),
            remarks: remarks(outside, one.permissions_boundary_decision_detail, one.eval_decision_details),
            resource: one.eval_resource_name,
            decision: one.eval_resource_decision,
            statements: found(one.matched_statements),
            missing: one.missing_context_values.unwrap_or_default(),
        };
        specific.into_iter().map(answer).collect()
    }

    fn is_allowed(&self) -> bool {
        self.decision == iam::PolicyEvaluationDecisionType::Allowed
    }

    /// Whether nothing else stands in the way than that no statement allows it.
    fn lacks_allow(&self) -> bool {
        !self.is_allowed() && self.statements.is_empty() && self.remarks.is_empty()
    }

    fn text(&self) -> &'static str {
        match self.decision {
            iam::PolicyEvaluationDecisionType::Allowed => "allowed",
            iam::PolicyEvaluationDecisionType::ExplicitDeny => "denied",
            iam::PolicyEvaluationDecisionType::ImplicitDeny => "not allowed",
        }
    }
}

fn remarks(
    outside_organization: bool,
    boundary: Option<iam::PermissionsBoundaryDecisionDetail>,
    details: Option<std::collections::BTreeMap<String, iam::PolicyEvaluationDecisionType>>,
) -> Vec<String> {
    let outside = boundary.and_then(|detail| detail.allowed_by_permissions_boundary) == Some(false);
    let boundary = outside.then(|| "The permissions boundary does not allow it.".to_owned());
    let organization =
        outside_organization.then(|| "A policy of the organization does not allow it.".to_owned());
    let details = details.unwrap_or_default().into_iter();
    let details = details.map(|(kind, decision)| format!("{kind}: {}", decision.as_str()));
    boundary.into_iter().chain(organization).chain(details).collect()
}

fn found(statements: Option<Vec<iam::Statement>>) -> Vec<Found> {
    let position = |position: Option<iam::Position>| {
        position.and_then(|position| Some(format!("{}:{}", position.line?, position.column?)))
    };
    let found = |statement: iam::Statement| Found {
        policy: statement.source_policy_id.unwrap_or_default(),
        kind: statement.source_policy_type.map(|kind| kind.as_str()).unwrap_or_default(),
        place: match (position(statement.start_position), position(statement.end_position)) {
            (Some(start), Some(end)) => format!("{start} to {end}"),
            _ => String::new(),
        },
    };
    statements.unwrap_or_default().into_iter().map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rootward_api::iam::ContextKeyTypeEnum::{String as One, StringList as Several};

    fn read(text: &str) -> Result<Vec<(String, Vec<String>, iam::ContextKeyTypeEnum)>, String> {
        let entry = |entry: iam::ContextEntry| {
            let values = entry.context_key_values.unwrap();
            (entry.context_key_name.unwrap(), values, entry.context_key_type.unwrap())
        };
        Ok(context(text)?.into_iter().map(entry).collect())
    }

    fn row(
        key: &str,
        values: &[&str],
        kind: iam::ContextKeyTypeEnum,
    ) -> (String, Vec<String>, iam::ContextKeyTypeEnum) {
        (key.into(), values.iter().map(|value| (*value).into()).collect(), kind)
    }

    #[test]
    fn context_is_read_line_by_line() {
        let text = "aws:SourceIp = 192.0.2.1\r\n\r\n  aws:PrincipalTag/a=b=c\naws:TagKeys=x\nAWS:tagkeys=y\n";
        let expected = vec![
            row("aws:SourceIp", &["192.0.2.1"], One),
            row("aws:PrincipalTag/a", &["b=c"], One),
            row("aws:TagKeys", &["x", "y"], Several),
        ];
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read(" \n"), Ok(Vec::new()));
        assert_eq!(read("empty="), Ok(vec![row("empty", &[""], One)]));
    }

    #[test]
    fn line_of_the_context_without_key_or_value_is_named() {
        assert_eq!(read("a=b\naws:SourceIp\nc"), Err("aws:SourceIp".into()));
        assert_eq!(read(" =x"), Err("=x".into()));
    }

    #[test]
    fn each_resource_has_its_answer() {
        use iam::PolicyEvaluationDecisionType::{Allowed, ExplicitDeny};
        let one = |resource: &str, decision| iam::ResourceSpecificResult {
            eval_resource_name: resource.into(),
            eval_resource_decision: decision,
            matched_statements: None,
            missing_context_values: None,
            eval_decision_details: None,
            permissions_boundary_decision_detail: None,
        };
        let result = |each| iam::EvaluationResult {
            eval_action_name: "s3:GetObject".into(),
            eval_resource_name: Some("*".into()),
            eval_decision: ExplicitDeny,
            matched_statements: None,
            missing_context_values: None,
            organizations_decision_detail: None,
            permissions_boundary_decision_detail: None,
            eval_decision_details: None,
            resource_specific_results: each,
        };
        let rows = |each| {
            let answers = Answer::of(result(each)).into_iter();
            answers.map(|answer| (answer.resource, answer.decision)).collect::<Vec<_>>()
        };
        assert_eq!(rows(None), [("*".to_owned(), ExplicitDeny)]);
        assert_eq!(
            rows(Some(vec![one("arn:aws:s3:::a", Allowed), one("arn:aws:s3:::b", ExplicitDeny)])),
            [("arn:aws:s3:::a".to_owned(), Allowed), ("arn:aws:s3:::b".to_owned(), ExplicitDeny)]
        );
    }
}

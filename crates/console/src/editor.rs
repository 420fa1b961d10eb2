//! The policy editor: what is wrong with the text in it, while it is written; and documents laid out for people to read.
//!
//! The script asks for it. What was written and refused is shown with it, also without one.
//!
//! Errors keep a policy from being saved. Warnings and notes come from AWS's service reference, which is older than the services, and
//! keep nobody from anything.

use std::borrow::Cow;

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use rootward_insight::reference::{self, Level};
use rootward_policy::{Diagnostic, Policy, PolicyKind};
use serde::{Deserialize, Serialize};

use crate::layout::{Words, capital};
use crate::visit::Posted;

/// What a new policy begins with.
pub(crate) const BEGINNING: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [{ "Effect": "Allow", "Action": "", "Resource": "*" }]
}"#;

/// A text to be checked.
#[derive(Deserialize)]
pub(crate) struct Draft {
    kind: Kind,
    document: String,
}

/// What it is the policy of.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// An account as a whole.
    Guard,
    /// Users, groups and roles.
    Identity,
    /// A role: who may become it.
    Trust,
}

/// All that is wrong, as a list below the text.
#[derive(Default, Template)]
#[template(path = "findings.html")]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    /// Of a document.
    pub(crate) fn of(kind: Kind, document: &str) -> Self {
        Self(findings(kind, document))
    }
}

/// One thing wrong, as the script and the list show it.
#[derive(Debug, PartialEq, Serialize)]
struct Finding {
    line: u32,
    column: u32,
    severity: &'static str,
    message: String,
    help: Cow<'static, str>,
}

/// All that is wrong, in the order of the text.
pub(crate) async fn check(Posted(signed_in, draft): Posted<Draft>) -> Response {
    match serde_json::to_string(&findings(draft.kind, &draft.document)) {
        Ok(json) => signed_in.answer(([(header::CONTENT_TYPE, "application/json")], json)),
        Err(error) => {
            tracing::error!(%error, "findings of a policy cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn findings(kind: Kind, document: &str) -> Vec<Finding> {
    let kind = match kind {
        Kind::Guard => PolicyKind::Guard,
        Kind::Identity => PolicyKind::Identity,
        Kind::Trust => PolicyKind::Trust,
    };
    let (policy, mut found) = match Policy::parse(document, kind) {
        Ok(policy) => (Some(policy), Vec::new()),
        // As far as it can be read, what else is odd about it is told at once.
        Err(problems) => (Policy::read_stored(document).ok(), problems.iter().map(Finding::of).collect()),
    };
    let remarks = policy.iter().flat_map(reference::remarks);
    found.extend(remarks.map(|remark| Finding::of_remark(remark, document)));
    found.sort_by_key(|finding| (finding.line, finding.column));
    found
}

impl Finding {
    fn of(diagnostic: &Diagnostic) -> Self {
        let start = diagnostic.place.start;
        Self {
            line: start.line,
            column: start.column,
            severity: "error",
            message: diagnostic.message.clone(),
            help: diagnostic.help.into(),
        }
    }

    fn of_remark(remark: reference::Remark, document: &str) -> Self {
        let start = remark.span.place(document).start;
        Self {
            line: start.line,
            column: start.column,
            severity: match remark.level {
                Level::Note => "note",
                Level::Warning => "warning",
            },
            message: remark.message,
            help: remark.help,
        }
    }

    /// What is done about it, as a sentence.
    fn advice(&self) -> String {
        let help = capital(&self.help);
        if help.ends_with(['?', '.']) { help } else { format!("{help}.") }
    }
}

/// A JSON text with a line for each member: other white space, and else as it was written.
pub(crate) fn indented(document: &str) -> String {
    let mut text = String::with_capacity(document.len().saturating_mul(2));
    let mut depth = 0_usize;
    let (mut quoted, mut escaped, mut opened) = (false, false, false);
    for character in document.chars() {
        if quoted {
            text.push(character);
            quoted = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        if character.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(character, '}' | ']');
        depth = depth.saturating_sub(closes.into());
        // An empty pair stays together.
        if opened != closes {
            break_line(&mut text, depth);
        }
        text.push(character);
        opened = matches!(character, '{' | '[');
        depth = depth.saturating_add(opened.into());
        match character {
            '"' => quoted = true,
            ':' => text.push(' '),
            ',' => break_line(&mut text, depth),
            _ => {}
        }
    }
    text
}

fn break_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(kind: Kind, document: &str) -> Vec<(u32, u32)> {
        findings(kind, document).iter().map(|finding| (finding.line, finding.column)).collect()
    }

    #[test]
    fn finding_has_the_place_of_what_is_wrong() {
        let broken = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [{ \"Effect\": \"Maybe\" }]\n}";
        assert!(places(Kind::Identity, broken).contains(&(3, 29)), "{:?}", places(Kind::Identity, broken));
    }

    #[test]
    fn what_the_reference_does_not_know_is_a_warning_that_names_what_is_meant() {
        let slip = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObjct","Resource":"*"}]}"#;
        let [finding] = &*findings(Kind::Identity, slip) else { panic!() };
        assert_eq!((finding.severity, finding.line), ("warning", 1));
        assert_eq!(finding.advice(), "Did you mean `s3:GetObject`?");
        let list = Findings::of(Kind::Identity, slip).render().unwrap();
        assert!(list.contains("<code>s3:GetObject</code>"), "{list}");
        // An error hides no warning, as long as the policy can be read.
        let both = slip.replace(r#","Resource":"*""#, "");
        let severities: Vec<_> =
            findings(Kind::Identity, &both).iter().map(|finding| finding.severity).collect();
        assert_eq!(severities, ["error", "warning"]);
    }

    #[test]
    fn trust_policy_is_no_identity_policy() {
        let trust = r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}]}"#;
        assert_eq!(places(Kind::Trust, trust), []);
        assert_ne!(places(Kind::Identity, trust), []);
    }

    #[test]
    fn beginning_of_a_policy_lacks_its_action() {
        assert_eq!(places(Kind::Identity, &BEGINNING.replace("\"\"", "\"s3:GetObject\"")), []);
        assert_ne!(places(Kind::Identity, BEGINNING), []);
    }

    #[test]
    fn document_of_one_line_is_indented_and_nothing_else() {
        let line = r#"{"Version": "2012-10-17","Statement":[{"Action":["a:B","c:D"],"Condition":{}}],"Id":"\"{ , \\"}"#;
        let lines = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Action": [
        "a:B",
        "c:D"
      ],
      "Condition": {}
    }
  ],
  "Id": "\"{ , \\"
}"#;
        assert_eq!(indented(line), lines);
        assert_eq!(indented(lines), lines);
        assert_eq!(indented("]}"), "\n]\n}");
    }
}

//! Findings as SARIF 2.1.0. Source: OASIS "Static Analysis Results Interchange Format (SARIF) Version 2.1.0".

use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Checked, Finding, Level};

/// As AWS answers whoever tries to save such a document.
const MALFORMED: &str = "MalformedPolicyDocument";
/// What the reference has to say about one that can be saved.
const REFERENCE: &str = "ServiceAuthorizationReference";

/// What a path may hold in a URI as it is (RFC 3986, section 3.3).
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The whole log, with one run.
pub(super) fn log(all: &[Checked]) -> Value {
    let results =
        all.iter().flat_map(|checked| checked.findings.iter().map(|finding| result(checked, finding)));
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "rootward",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": [
                    {"id": MALFORMED, "shortDescription": {"text": "The policy would not be accepted."}},
                    {"id": REFERENCE, "shortDescription": {"text": "The policy says what the reference does not know."}},
                ],
            }},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Value>(),
        }],
    })
}

fn result(checked: &Checked, finding: &Finding) -> Value {
    let Finding { level, message, help, start, end, .. } = finding;
    let (rule, index) = if *level == Level::Error { (MALFORMED, 0) } else { (REFERENCE, 1) };
    json!({
        "ruleId": rule,
        "ruleIndex": index,
        "level": level.name(),
        "message": {"text": format!("{message}; {help}")},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(&checked.path)},
            "region": {"startLine": start.line, "startColumn": start.column,
                       "endLine": end.line, "endColumn": end.column},
        }}],
    })
}

/// Relative paths are relative references; a first segment with a colon would be a scheme, and colons are encoded.
fn uri(path: &Path) -> String {
    if path.as_os_str() == "-" {
        return "stdin".to_owned();
    }
    let encoded = utf8_percent_encode(&path.to_string_lossy(), PATH).to_string();
    if path.is_absolute() { format!("file://{encoded}") } else { encoded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_as_uris() {
        assert_eq!(uri(Path::new("policies/a b:c.json")), "policies/a%20b%3Ac.json");
        assert_eq!(uri(Path::new("/x/ä.json")), "file:///x/%C3%A4.json");
        assert_eq!(uri(Path::new("-")), "stdin");
    }
}

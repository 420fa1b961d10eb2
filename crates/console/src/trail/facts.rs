//! What pages tell of an event. Its texts come from anybody: nothing here trusts a member to be there.

use rootward_api::cloudtrail::Event;
use rootward_names::Time;
use serde_json::Value;

/// One event.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) id: String,
    pub(super) time: Time,
    pub(super) name: String,
    pub(super) read_only: bool,
    source: String,
    username: Option<String>,
    record: Value,
    json: String,
}

impl Facts {
    /// None for what is no event at all.
    pub(super) fn new(event: Event) -> Option<Self> {
        let json = event.cloud_trail_event?;
        Some(Self {
            id: event.event_id?,
            time: event.event_time?,
            name: event.event_name?,
            read_only: event.read_only.as_deref() == Some("true"),
            source: event.event_source?,
            username: event.username,
            record: serde_json::from_str(&json).ok()?,
            json,
        })
    }

    /// The text at a place of the record; empty for what is absent or no text.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.record.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether the root user did it.
    pub(super) fn is_root(&self) -> bool {
        self.text("/userIdentity/type") == "Root"
    }

    /// Whether a command on the host did it.
    pub(super) fn is_from_host(&self) -> bool {
        self.source == "rootward.host"
    }

    /// As people call them.
    pub(super) fn who(&self) -> String {
        if self.is_root() {
            return "root user".to_owned();
        }
        if self.is_from_host() {
            return "host operator".to_owned();
        }
        let texts = ["invokedBy", "principalId", "accessKeyId"];
        let texts = texts.map(|name| self.text(&format!("/userIdentity/{name}")));
        let known = self.username.as_deref().into_iter().chain(texts).find(|text| !text.is_empty());
        known.unwrap_or("unknown").to_owned()
    }

    /// `iam:CreateUser`
    pub(super) fn what(&self) -> String {
        let service = self.source.strip_suffix(".amazonaws.com").unwrap_or(&self.source);
        format!("{service}:{}", self.name)
    }

    /// How it was refused or has failed.
    pub(super) fn failed(&self) -> Option<&str> {
        // A sign-in that failed has a message and no code.
        let texts = [self.text("/errorCode"), self.text("/errorMessage")];
        texts.into_iter().find(|text| !text.is_empty())
    }

    /// The record, a member a line, in its own order.
    pub(super) fn pretty(&self) -> String {
        pretty(&self.json)
    }
}

/// Valid JSON with line breaks and indents; texts stay as they are.
fn pretty(json: &str) -> String {
    let (mut out, mut depth, mut in_text) = (String::with_capacity(json.len() * 2), 0_usize, false);
    let mut chars = json.chars().peekable();
    let broken = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(char) = chars.next() {
        match char {
            '\\' if in_text => {
                out.push(char);
                out.extend(chars.next());
            }
            '"' => {
                in_text = !in_text;
                out.push(char);
            }
            _ if in_text => out.push(char),
            '{' | '[' => {
                out.push(char);
                match chars.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => out.push(end),
                    None => {
                        depth += 1;
                        broken(&mut out, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                broken(&mut out, depth);
                out.push(char);
            }
            ',' => {
                out.push(char);
                broken(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ if char.is_ascii_whitespace() => {}
            _ => out.push(char),
        }
    }
    out
}

/// A time to the second, as the tables of events show it: UTC.
pub(super) fn second(time: Time) -> String {
    let text = Time::from_seconds(time.seconds()).to_string();
    text.trim_end_matches('Z').replace('T', " ")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The event of this record, some seconds after 1970.
    pub(in crate::trail) fn facts(seconds: i64, name: &str, record: Value) -> Facts {
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        Facts::new(Event {
            event_id: Some(format!("{name}-{seconds}")),
            event_name: Some(name.into()),
            read_only: Some(record["readOnly"].to_string()),
            event_time: Some(Time::from_seconds(seconds)),
            event_source: Some(text("/eventSource").unwrap_or("iam.amazonaws.com".into())),
            username: text("/userIdentity/userName"),
            cloud_trail_event: Some(record.to_string()),
            ..Event::default()
        })
        .unwrap()
    }

    #[test]
    fn who_is_called_as_people_call_them() {
        let who = |identity: Value, source: &str| {
            facts(0, "X", serde_json::json!({ "userIdentity": identity, "eventSource": source })).who()
        };
        let iam = "iam.amazonaws.com";
        assert_eq!(who(serde_json::json!({ "type": "Root", "userName": "alias" }), iam), "root user");
        // A user may have that name.
        assert_eq!(who(serde_json::json!({ "type": "IAMUser", "userName": "root" }), iam), "root");
        assert_eq!(who(serde_json::json!({ "invokedBy": "x" }), "rootward.host"), "host operator");
        assert_eq!(who(serde_json::json!({ "invokedBy": "rootward" }), "rootward"), "rootward");
        assert_eq!(who(serde_json::json!({ "type": "Unknown", "accessKeyId": "AKIA" }), iam), "AKIA");
        assert_eq!(who(serde_json::json!({ "userName": 7 }), iam), "unknown");
    }

    #[test]
    fn record_keeps_its_order_and_its_texts() {
        let json = r#"{"b":[],"a":{"text":"{\"x\": [1, 2]}\\"},"c":[1,{}]}"#;
        let lines = [
            "{",
            r#"  "b": [],"#,
            r#"  "a": {"#,
            r#"    "text": "{\"x\": [1, 2]}\\""#,
            "  },",
            r#"  "c": ["#,
            "    1,",
            "    {}",
            "  ]",
            "}",
        ];
        assert_eq!(pretty(json), lines.join("\n"));
    }

    #[test]
    fn what_is_no_record_is_left_out() {
        assert!(Facts::new(Event::default()).is_none());
    }
}

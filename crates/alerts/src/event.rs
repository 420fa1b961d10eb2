//! Alerts as events: CloudEvents 1.0, JSON format, structured mode.
//!
//! `id` is the record's event id and `source` its account, so that `source` and `id` are the same each time the alert is told.

use serde_json::{Value, json};

use crate::alert::Alert;

/// The media type of a structured event.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// The event of an alert.
pub fn cloud_event(alert: &Alert) -> Value {
    let source = match alert.account {
        Some(account) => format!("/rootward/accounts/{account}"),
        None => "/rootward".to_owned(),
    };
    json!({
        "specversion": "1.0",
        "id": alert.id,
        "source": source,
        "type": format!("dev.rootward.{}", alert.kind.name()),
        "time": alert.time.to_string(),
        "subject": alert.actor,
        "datacontenttype": "application/json",
        "data": {
            "severity": alert.severity.name(),
            "what": alert.what,
            "advice": alert.advice,
            "accountId": alert.account.map(|account| account.to_string()),
            "actor": alert.actor,
            "byRoot": alert.by_root,
            "sourceAddress": alert.source,
            "eventName": alert.event_name,
            "eventId": alert.id,
            "errorCode": alert.error,
            "reason": alert.reason,
        },
    })
}

#[cfg(test)]
mod tests {
    use rootward_names::Time;
    use rootward_state::alerts::Severity;

    use super::*;
    use crate::alert::Kind;

    #[test]
    fn event_has_every_attribute_and_field() {
        let alert = Alert {
            id: "0198-1".into(),
            kind: Kind::RootSignInFailed,
            severity: Severity::Warning,
            event_name: "ConsoleLogin".into(),
            account: "123456789012".parse().ok(),
            actor: "arn:aws:iam::123456789012:root".into(),
            by_root: true,
            source: "192.0.2.1".into(),
            time: Time::from_seconds(1_700_000_000),
            what: "It failed.".into(),
            advice: "Look.",
            error: None,
            reason: Some("drill".into()),
        };
        assert_eq!(
            cloud_event(&alert),
            json!({
                "specversion": "1.0",
                "id": "0198-1",
                "source": "/rootward/accounts/123456789012",
                "type": "dev.rootward.root.signin.failed",
                "time": "2023-11-14T22:13:20Z",
                "subject": "arn:aws:iam::123456789012:root",
                "datacontenttype": "application/json",
                "data": {
                    "severity": "warning", "what": "It failed.", "advice": "Look.", "accountId": "123456789012",
                    "actor": "arn:aws:iam::123456789012:root", "byRoot": true, "sourceAddress": "192.0.2.1",
                    "eventName": "ConsoleLogin", "eventId": "0198-1", "errorCode": null, "reason": "drill",
                },
            })
        );
        assert_eq!(cloud_event(&Alert { account: None, ..alert })["source"], "/rootward");
    }
}

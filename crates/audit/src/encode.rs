//! The JSON of a record: members in the order CloudTrail writes them, sizes bounded as CloudTrail bounds them.
//!
//! Written by hand, because a record is made for every request: no tree, one allocation, each text looked at once.
//! Limits are bytes of JSON text: 1,024 for each string (2,048 for an ARN), cut at a character; 100 KB for
//! `requestParameters` and `responseElements` each, `null` above; 100 KB for `serviceEventDetails`; 28 KB for `additionalEventData`; 256 KB in all.
//! Source: CloudTrail User Guide, "CloudTrail record contents".

use std::fmt::{Display, Write};

use serde_json::value::RawValue;

use crate::record::{Category, Issuer, Record, Resource, Session, TlsDetails, UserIdentity};

/// The JSON text of a record.
pub(crate) fn encode(record: &Record<'_>) -> String {
    let text = encode_whole(record);
    if text.len() <= EVENT_BYTES_MAX {
        return text;
    }
    // All other members have bounds whose sum is far below the maximum.
    encode_whole(&Record { request: None, response: None, additional: None, details: None, ..*record })
}

fn encode_whole(record: &Record<'_>) -> String {
    let payload = [record.request, record.response, record.additional, record.details];
    let payload: usize = payload.into_iter().flatten().map(|raw| raw.get().len()).sum();
    let mut object = Object::new(String::with_capacity(FIXED_BYTES_TYPICAL + payload.min(EVENT_BYTES_MAX)));
    object.text("eventVersion", VERSION);
    object.object("userIdentity", |inner| identity(inner, &record.identity));
    object.display("eventTime", record.time);
    object.text("eventSource", record.call.source);
    object.text("eventName", record.call.name);
    object.text("awsRegion", record.call.region);
    object.text("sourceIPAddress", record.call.source_ip);
    object.text_if("userAgent", record.user_agent);
    object.text_if("errorCode", record.failure.and_then(|failure| failure.code));
    object.text_if("errorMessage", record.failure.map(|failure| failure.message));
    object.raw_or_null("requestParameters", record.request);
    // A sign-in that failed, which has no code, says so in its elements.
    let has_code = record.failure.is_some_and(|failure| failure.code.is_some());
    object.raw_or_null("responseElements", if has_code { None } else { record.response });
    if let Some(additional) = within(record.additional, ADDITIONAL_BYTES_MAX) {
        object.raw("additionalEventData", additional);
    }
    object.text_if("requestID", record.request_id);
    object.display("eventID", record.id);
    object.flag("readOnly", record.read_only);
    resources(&mut object, record.resources);
    object.text("eventType", record.event_type.as_str());
    object.text_if("apiVersion", record.api_version);
    object.flag("managementEvent", record.category == Category::Management);
    object.display_if("recipientAccountId", record.recipient);
    object.display_if("sharedEventID", record.shared_id);
    if let Some(details) = within(record.details, PARAMETERS_BYTES_MAX) {
        object.raw("serviceEventDetails", details);
    }
    object.text("eventCategory", record.category.as_str());
    if let Some(details) = &record.tls {
        object.object("tlsDetails", |inner| tls(inner, details));
    }
    if record.from_console {
        object.text("sessionCredentialFromConsole", "true");
    }
    object.end()
}

fn identity(object: &mut Object, identity: &UserIdentity<'_>) {
    object.text_if("type", identity.kind());
    match *identity {
        UserIdentity::Root { arn, account, access_key, alias, session } => {
            object.display("principalId", account);
            object.arn("arn", arn);
            object.display("accountId", account);
            object.text_if("accessKeyId", access_key);
            object.text_if("userName", alias);
            session_context(object, None, session.as_ref());
        }
        UserIdentity::User { principal_id, arn, account, access_key, name, session } => {
            object.text("principalId", principal_id);
            object.arn("arn", arn);
            object.display("accountId", account);
            object.text_if("accessKeyId", access_key);
            object.text("userName", name);
            session_context(object, None, session.as_ref());
        }
        UserIdentity::AssumedRole { principal_id, arn, account, access_key, issuer, session }
        | UserIdentity::FederatedUser { principal_id, arn, account, access_key, issuer, session } => {
            object.text("principalId", principal_id);
            object.arn("arn", arn);
            object.display("accountId", account);
            object.text_if("accessKeyId", access_key);
            session_context(object, Some(&issuer), Some(&session));
        }
        UserIdentity::HiddenUser { account } => {
            object.display("accountId", account);
            object.text("accessKeyId", "");
            object.text("userName", HIDDEN_NAME);
        }
        UserIdentity::Account { principal_id, account } => {
            object.text("principalId", principal_id);
            object.display("accountId", account);
        }
        UserIdentity::Service { name } => object.text("invokedBy", name),
        UserIdentity::ServiceFor { account, name } => {
            object.display("accountId", account);
            object.text("invokedBy", name);
        }
        UserIdentity::Unknown { account, access_key } => {
            object.display_if("accountId", account);
            object.text_if("accessKeyId", access_key);
        }
    }
}

fn session_context(object: &mut Object, issuer: Option<&Issuer<'_>>, session: Option<&Session<'_>>) {
    let Some(session) = session else { return };
    object.object("sessionContext", |context| {
        if let Some(issuer) = issuer {
            context.object("sessionIssuer", |object| {
                object.text("type", issuer.kind.as_str());
                object.text("principalId", issuer.principal_id);
                object.arn("arn", issuer.arn);
                object.display("accountId", issuer.account);
                object.text_if("userName", issuer.user_name);
            });
        }
        context.object("attributes", |attributes| {
            attributes.display("creationDate", session.created);
            attributes.text("mfaAuthenticated", if session.mfa { "true" } else { "false" });
        });
        context.text_if("sourceIdentity", session.source_identity);
        context.text_if("ec2RoleDelivery", session.ec2_role_delivery);
        if session.assumed_root {
            context.text("assumedRoot", "true");
        }
        context.text_if("signInSessionArn", session.sign_in_session);
    });
}

fn resources(object: &mut Object, resources: &[Resource<'_>]) {
    if resources.is_empty() {
        return;
    }
    object.name("resources");
    object.text.push('[');
    let (start, mut first) = (object.text.len(), true);
    for resource in resources {
        let before = object.text.len();
        if !first {
            object.text.push(',');
        }
        first = false;
        object.nested(|inner| {
            inner.arn("ARN", resource.arn);
            inner.display_if("accountId", resource.account);
            inner.text_if("type", resource.kind);
        });
        if object.text.len() - start > RESOURCES_BYTES_MAX {
            object.text.truncate(before);
            break;
        }
    }
    object.text.push(']');
}

fn tls(object: &mut Object, details: &TlsDetails<'_>) {
    object.text("tlsVersion", details.version);
    object.text("cipherSuite", details.cipher);
    object.text_if("clientProvidedHostHeader", details.host);
    object.text_if("keyExchange", details.key_exchange);
}

fn within(raw: Option<&RawValue>, bytes_max: usize) -> Option<&RawValue> {
    raw.filter(|raw| raw.get().len() <= bytes_max)
}

/// A JSON object that is being written.
struct Object {
    text: String,
    empty: bool,
}

impl Object {
    fn new(mut text: String) -> Self {
        text.push('{');
        Self { text, empty: true }
    }

    fn end(mut self) -> String {
        self.text.push('}');
        self.text
    }

    /// `name` is one of ours: nothing in it to escape.
    fn name(&mut self, name: &str) {
        if !self.empty {
            self.text.push(',');
        }
        self.empty = false;
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        push_text(&mut self.text, value, TEXT_BYTES_MAX);
    }

    fn text_if(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn arn(&mut self, name: &str, value: &str) {
        self.name(name);
        push_text(&mut self.text, value, ARN_BYTES_MAX);
    }

    /// `value` shows itself in ASCII without anything to escape: ids and times.
    fn display(&mut self, name: &str, value: impl Display) {
        self.name(name);
        // Writing to a string cannot fail.
        let _ = write!(self.text, "\"{value}\"");
    }

    fn display_if(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.display(name, value);
        }
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.name(name);
        self.text.push_str(if value { "true" } else { "false" });
    }

    fn raw(&mut self, name: &str, value: &RawValue) {
        self.name(name);
        // A line feed within JSON can only be white space; a record is one line.
        for (place, line) in value.get().split('\n').enumerate() {
            self.text.push_str(if place == 0 { "" } else { " " });
            self.text.push_str(line);
        }
    }

    fn raw_or_null(&mut self, name: &str, value: Option<&RawValue>) {
        match within(value, PARAMETERS_BYTES_MAX) {
            Some(value) => self.raw(name, value),
            None => {
                self.name(name);
                self.text.push_str("null");
            }
        }
    }

    fn object(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.name(name);
        self.nested(fill);
    }

    fn nested(&mut self, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self::new(std::mem::take(&mut self.text));
        fill(&mut inner);
        self.text = inner.end();
    }
}

/// Appends `text` as a JSON string whose inside takes at most `bytes_max` bytes.
fn push_text(json: &mut String, text: &str, bytes_max: usize) {
    json.push('"');
    // Every byte is looked at, without a way out: that the compiler can do for many at once.
    if text.len() <= bytes_max && text.bytes().fold(true, |plain, byte| plain & is_plain(byte)) {
        json.push_str(text);
    } else {
        push_escaped(json, cut(text, bytes_max));
    }
    json.push('"');
}

fn push_escaped(json: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\0'..='\x1f' => {
                let _ = write!(json, "\\u{:04x}", u32::from(char));
            }
            _ => json.push(char),
        }
    }
}

/// The longest beginning of `text` that takes at most `bytes_max` bytes in JSON.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    if text.len() <= bytes_max / ESCAPED_BYTES_MAX {
        return text;
    }
    let mut bytes = 0;
    for (at, char) in text.char_indices() {
        bytes += match char {
            '"' | '\\' | '\n' | '\r' | '\t' => 2,
            '\0'..='\x1f' => ESCAPED_BYTES_MAX,
            _ => char.len_utf8(),
        };
        if bytes > bytes_max {
            return text.get(..at).unwrap_or_default();
        }
    }
    text
}

const fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && byte != b'"' && byte != b'\\'
}

const VERSION: &str = "1.11";
/// What stands in place of a name that is not shown.
pub(crate) const HIDDEN_NAME: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// The longest string in a record, in bytes of its JSON: longer ones are cut.
pub const TEXT_BYTES_MAX: usize = 1_024;
const ARN_BYTES_MAX: usize = 2_048;
/// What the escape of one character takes at most: `\u0001`.
const ESCAPED_BYTES_MAX: usize = 6;
const PARAMETERS_BYTES_MAX: usize = 100 * 1_024;
const ADDITIONAL_BYTES_MAX: usize = 28 * 1_024;
const RESOURCES_BYTES_MAX: usize = 8 * 1_024;
/// The longest record, in bytes.
pub const EVENT_BYTES_MAX: usize = 256 * 1_024;
/// What a record takes beside its parameters, response and additional data, as a rule.
const FIXED_BYTES_TYPICAL: usize = 1_280;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rootward_names::Time;
    use serde_json::{Value, json};

    use super::*;
    use crate::EventId;
    use crate::record::{Call, EventType, Failure, IssuerKind};

    const CALL: Call<'_> =
        Call { source: "iam.amazonaws.com", name: "CreateUser", region: "us-east-1", source_ip: "192.0.2.7" };

    fn id() -> EventId {
        EventId::from_bytes([0xab; 16])
    }

    fn time() -> Time {
        Time::from_seconds(1_704_067_200)
    }

    fn account() -> rootward_names::AccountId {
        "000123456789".parse().unwrap()
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn user<'a>() -> UserIdentity<'a> {
        UserIdentity::User {
            principal_id: "AIDAEXAMPLE",
            arn: "arn:aws:iam::000123456789:user/anna",
            account: account(),
            access_key: Some("AKIAEXAMPLE"),
            name: "anna",
            session: None,
        }
    }

    #[test]
    fn root_creates_a_user() {
        let (request, response) = (raw(r#"{"userName":"bo"}"#), raw(r#"{"user":{"userName":"bo"}}"#));
        let identity = UserIdentity::Root {
            arn: "arn:aws:iam::000123456789:root",
            account: account(),
            access_key: Some("AKIAEXAMPLE"),
            alias: Some("acme"),
            session: None,
        };
        let tls = TlsDetails {
            version: "TLSv1.3",
            cipher: "TLS_AES_128_GCM_SHA256",
            host: Some("iam.example.org"),
            key_exchange: Some("X25519"),
        };
        let record = Record {
            user_agent: Some("aws-cli/2"),
            request: Some(&request),
            response: Some(&response),
            request_id: Some("req-1"),
            tls: Some(tls),
            ..Record::new(id(), time(), CALL, identity)
        };
        assert_eq!(
            encode(&record),
            concat!(
                r#"{"eventVersion":"1.11","userIdentity":{"type":"Root","principalId":"000123456789","#,
                r#""arn":"arn:aws:iam::000123456789:root","accountId":"000123456789","#,
                r#""accessKeyId":"AKIAEXAMPLE","userName":"acme"},"eventTime":"2024-01-01T00:00:00Z","#,
                r#""eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1","#,
                r#""sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","#,
                r#""requestParameters":{"userName":"bo"},"responseElements":{"user":{"userName":"bo"}},"#,
                r#""requestID":"req-1","eventID":"abababab-abab-abab-abab-abababababab","readOnly":false,"#,
                r#""eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"000123456789","#,
                r#""eventCategory":"Management","tlsDetails":{"tlsVersion":"TLSv1.3","#,
                r#""cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"iam.example.org","#,
                r#""keyExchange":"X25519"}}"#,
            )
        );
    }

    #[test]
    fn user_is_denied() {
        let response = raw("{}");
        let record = Record {
            failure: Some(Failure {
                code: Some("AccessDenied"),
                message: "User: \"anna\" is not authorized",
            }),
            response: Some(&response),
            ..Record::new(id(), time(), CALL, user())
        };
        assert_eq!(
            encode(&record),
            concat!(
                r#"{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE","#,
                r#""arn":"arn:aws:iam::000123456789:user/anna","accountId":"000123456789","#,
                r#""accessKeyId":"AKIAEXAMPLE","userName":"anna"},"eventTime":"2024-01-01T00:00:00Z","#,
                r#""eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1","#,
                r#""sourceIPAddress":"192.0.2.7","errorCode":"AccessDenied","#,
                r#""errorMessage":"User: \"anna\" is not authorized","requestParameters":null,"#,
                r#""responseElements":null,"eventID":"abababab-abab-abab-abab-abababababab","readOnly":false,"#,
                r#""eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"000123456789","#,
                r#""eventCategory":"Management"}"#,
            )
        );
    }

    #[test]
    fn role_session_reads() {
        let issuer = Issuer {
            kind: IssuerKind::Role,
            principal_id: "AROAEXAMPLE",
            arn: "arn:aws:iam::000123456789:role/reader",
            account: account(),
            user_name: Some("reader"),
        };
        let identity = UserIdentity::AssumedRole {
            principal_id: "AROAEXAMPLE:night",
            arn: "arn:aws:sts::000123456789:assumed-role/reader/night",
            account: account(),
            access_key: Some("ASIAEXAMPLE"),
            issuer,
            session: Session {
                mfa: true,
                source_identity: Some("anna"),
                sign_in_session: Some("arn:aws:signin:us-east-1:000123456789:session/1"),
                ..Session::new(time())
            },
        };
        let resources = [Resource {
            arn: "arn:aws:iam::000123456789:user/bo",
            account: Some(account()),
            kind: Some("AWS::IAM::User"),
        }];
        let record =
            Record { read_only: true, resources: &resources, ..Record::new(id(), time(), CALL, identity) };
        assert_eq!(
            encode(&record),
            concat!(
                r#"{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:night","#,
                r#""arn":"arn:aws:sts::000123456789:assumed-role/reader/night","accountId":"000123456789","#,
                r#""accessKeyId":"ASIAEXAMPLE","sessionContext":{"sessionIssuer":{"type":"Role","#,
                r#""principalId":"AROAEXAMPLE","arn":"arn:aws:iam::000123456789:role/reader","#,
                r#""accountId":"000123456789","userName":"reader"},"attributes":{"#,
                r#""creationDate":"2024-01-01T00:00:00Z","mfaAuthenticated":"true"},"sourceIdentity":"anna","#,
                r#""signInSessionArn":"arn:aws:signin:us-east-1:000123456789:session/1"}},"#,
                r#""eventTime":"2024-01-01T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","#,
                r#""awsRegion":"us-east-1","sourceIPAddress":"192.0.2.7","requestParameters":null,"#,
                r#""responseElements":null,"eventID":"abababab-abab-abab-abab-abababababab","readOnly":true,"#,
                r#""resources":[{"ARN":"arn:aws:iam::000123456789:user/bo","accountId":"000123456789","#,
                r#""type":"AWS::IAM::User"}],"eventType":"AwsApiCall","managementEvent":true,"#,
                r#""recipientAccountId":"000123456789","eventCategory":"Management"}"#,
            )
        );
    }

    #[test]
    fn event_of_a_service_tells_for_whom_it_acts_and_what_it_did() {
        let identity = UserIdentity::ServiceFor { account: account(), name: "organizations.amazonaws.com" };
        let details = RawValue::from_string(r#"{"accountId":"000123456780"}"#.into()).unwrap();
        let event_type = crate::EventType::AwsServiceEvent;
        let record =
            Record { details: Some(&details), event_type, ..Record::new(id(), time(), CALL, identity) };
        assert_eq!(
            encode(&record),
            concat!(
                r#"{"eventVersion":"1.11","userIdentity":{"accountId":"000123456789","#,
                r#""invokedBy":"organizations.amazonaws.com"},"#,
                r#""eventTime":"2024-01-01T00:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","#,
                r#""awsRegion":"us-east-1","sourceIPAddress":"192.0.2.7","requestParameters":null,"#,
                r#""responseElements":null,"eventID":"abababab-abab-abab-abab-abababababab","readOnly":false,"#,
                r#""eventType":"AwsServiceEvent","managementEvent":true,"recipientAccountId":"000123456789","#,
                r#""serviceEventDetails":{"accountId":"000123456780"},"eventCategory":"Management"}"#,
            )
        );
    }

    #[test]
    fn sign_in_that_failed_has_elements_and_no_code_and_hides_what_was_no_name() {
        let response = RawValue::from_string(r#"{"ConsoleLogin":"Failure"}"#.into()).unwrap();
        let identity = UserIdentity::HiddenUser { account: account() };
        let failure = Failure { code: None, message: "No username found in supplied account" };
        let record = Record {
            failure: Some(failure),
            response: Some(&response),
            event_type: EventType::AwsConsoleSignIn,
            ..Record::new(id(), Time::from_seconds(0), CALL, identity)
        };
        let shown: Value = serde_json::from_str(&encode(&record)).unwrap();
        assert_eq!(
            shown["userIdentity"],
            json!({ "type": "IAMUser", "accountId": account().to_string(), "accessKeyId": "", "userName": HIDDEN_NAME })
        );
        assert_eq!(shown["errorMessage"], "No username found in supplied account");
        assert_eq!(shown["responseElements"], json!({ "ConsoleLogin": "Failure" }));
        assert_eq!((shown.get("errorCode"), &shown["eventType"]), (None, &json!("AwsConsoleSignIn")));
    }

    #[test]
    fn unknown_caller_has_a_type_and_what_they_sent() {
        let identity = UserIdentity::Unknown { account: None, access_key: Some("AKIANOBODY") };
        let record = Record {
            event_type: EventType::AwsConsoleSignIn,
            category: Category::Data,
            ..Record::new(id(), time(), CALL, identity)
        };
        let value: Value = serde_json::from_str(&encode(&record)).unwrap();
        assert_eq!(value["userIdentity"], json!({"type": "Unknown", "accessKeyId": "AKIANOBODY"}));
        assert_eq!(value["managementEvent"], json!(false));
        assert!(value.get("recipientAccountId").is_none());
    }

    #[test]
    fn oversized_parameters_are_null_and_long_texts_are_cut() {
        let large = raw(&format!("\"{}\"", "x".repeat(PARAMETERS_BYTES_MAX)));
        let agent = "é".repeat(600);
        let record = Record {
            request: Some(&large),
            user_agent: Some(&agent),
            ..Record::new(id(), time(), CALL, user())
        };
        let value: Value = serde_json::from_str(&encode(&record)).unwrap();
        assert_eq!(value["requestParameters"], Value::Null);
        assert_eq!(value["userAgent"].as_str().unwrap(), "é".repeat(512));
    }

    #[test]
    fn largest_record_stays_within_the_maximum() {
        let bomb = "\u{1}".repeat(5_000);
        let (large, medium) =
            (raw(&format!("\"{}\"", "x".repeat(102_000))), raw(&format!("\"{}\"", "y".repeat(28_000))));
        let resources = [Resource { arn: &bomb, account: None, kind: Some(&bomb) }; 100];
        let identity = UserIdentity::Service { name: &bomb };
        let call = Call { source: &bomb, name: &bomb, region: &bomb, source_ip: &bomb };
        let record = Record {
            user_agent: Some(&bomb),
            request: Some(&large),
            response: Some(&large),
            additional: Some(&medium),
            request_id: Some(&bomb),
            resources: &resources,
            tls: Some(TlsDetails {
                version: &bomb,
                cipher: &bomb,
                host: Some(&bomb),
                key_exchange: Some(&bomb),
            }),
            ..Record::new(id(), time(), call, identity)
        };
        let text = encode(&record);
        assert!(text.len() <= EVENT_BYTES_MAX);
        serde_json::from_str::<Value>(&text).unwrap();
    }

    proptest! {
        #[test]
        fn any_text_stays_valid_json(texts in prop::collection::vec(".{0,40}|[\\x00-\\x7f]{0,1500}", 8)) {
            let [source, name, region, source_ip, agent, code, message, user] = &texts[..] else { unreachable!() };
            let resources = [Resource { arn: message, account: None, kind: Some(agent) }; 2];
            let record = Record {
                user_agent: Some(agent),
                failure: Some(Failure { code: Some(code), message }),
                resources: &resources,
                ..Record::new(
                    id(),
                    time(),
                    Call { source, name, region, source_ip },
                    UserIdentity::Unknown { account: None, access_key: Some(user) },
                )
            };
            let value: Value = serde_json::from_str(&encode(&record)).unwrap();
            prop_assert!(agent.starts_with(value["userAgent"].as_str().unwrap()));
            if name.len() < 100 {
                prop_assert_eq!(value["eventName"].as_str().unwrap(), name);
            }
        }
    }
}

//! Entries: a record's JSON with the columns it is found by, ready for the log.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use rootward_names::{AccountId, Time};
use serde::Deserialize;

use crate::encode::{HIDDEN_NAME, TEXT_BYTES_MAX, cut, encode};
use crate::record::UserIdentity;
use crate::{EventId, Record};

/// One line of the log, not yet in it.
///
/// INVARIANT: the columns say what the JSON says, and the JSON is one line without white space around it; both ways of
/// making one keep it.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    id: EventId,
    time: Time,
    account: Option<AccountId>,
    read_only: bool,
    /// The record, and behind it the columns: in one piece, because one is made for every request and dropped by another
    /// thread.
    text: Box<str>,
    record: u32,
    columns: [Column; COLUMNS],
}

/// Where a column is in an entry's text; `u32::MAX` as the end of none.
type Column = (u32, u32);

/// Event name, event source, user name, access key id, error code.
const COLUMNS: usize = 5;

/// Bytes that are no record, and why.
#[derive(Debug, thiserror::Error)]
#[error("not an audit record: {0}")]
pub struct InvalidRecord(String);

impl Entry {
    /// The entry for a record.
    pub fn new(record: &Record<'_>) -> Self {
        let identity = &record.identity;
        let cut = |text| cut(text, TEXT_BYTES_MAX);
        let columns = [
            Some(cut(record.call.name)),
            Some(cut(record.call.source)),
            user_name(identity),
            access_key(identity).map(cut),
            record.failure.and_then(|failure| failure.code).map(cut),
        ];
        // The record shows whole seconds.
        let time = Time::from_seconds(record.time.seconds());
        Self::of(record.id, time, record.recipient, record.read_only, encode(record), columns)
    }

    fn of(
        id: EventId,
        time: Time,
        account: Option<AccountId>,
        read_only: bool,
        mut text: String,
        columns: [Option<&str>; COLUMNS],
    ) -> Self {
        // Texts are far below 4 GiB.
        let length = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX);
        let record = length(&text);
        let columns = columns.map(|column| {
            let start = length(&text);
            text.push_str(column.unwrap_or_default());
            (start, column.map_or(u32::MAX, |_| length(&text)))
        });
        Self { id, time, account, read_only, text: text.into(), record, columns }
    }

    /// The entry for a record's JSON as [`Entry::json`] gave it: from an outbox, after a restart.
    ///
    /// # Errors
    /// [`InvalidRecord`] when the bytes are no record.
    pub fn parse(json: &[u8]) -> Result<Self, InvalidRecord> {
        let text = std::str::from_utf8(json).map_err(|_| InvalidRecord("not UTF-8".to_owned()))?;
        if !text.starts_with('{') || !text.ends_with('}') || text.contains('\n') {
            return Err(InvalidRecord("not one line of JSON".to_owned()));
        }
        let shown: Shown<'_> =
            serde_json::from_str(text).map_err(|error| InvalidRecord(error.to_string()))?;
        let missing = |what: &str| InvalidRecord(format!("`{what}` is malformed"));
        // Upper case would be the same id, but not what a look-up looks for in the text.
        let lower = !shown.event_id.bytes().any(|byte| byte.is_ascii_uppercase());
        let id = EventId::parse(&shown.event_id).filter(|_| lower);
        let time = Time::parse(&shown.event_time).map(|time| Time::from_seconds(time.seconds()));
        let account = shown.recipient_account_id.as_deref().map(str::parse).transpose();
        let user_name = shown.user_identity.shown_name();
        let columns = [
            Some(&*shown.event_name),
            Some(&*shown.event_source),
            user_name,
            shown.user_identity.access_key_id.as_deref(),
            shown.error_code.as_deref(),
        ];
        Ok(Self::of(
            id.ok_or_else(|| missing("eventID"))?,
            time.map_err(|_| missing("eventTime"))?,
            account.map_err(|_| missing("recipientAccountId"))?,
            shown.read_only,
            text.to_owned(),
            columns,
        ))
    }

    fn column(&self, place: usize) -> Option<&str> {
        let &(start, end) = self.columns.get(place)?;
        self.text.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)
    }

    /// `eventID`.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// `eventTime`, in whole seconds.
    pub fn time(&self) -> Time {
        self.time
    }

    /// `eventName`.
    pub fn event_name(&self) -> &str {
        self.column(0).unwrap_or_default()
    }

    /// `eventSource`.
    pub fn event_source(&self) -> &str {
        self.column(1).unwrap_or_default()
    }

    /// `recipientAccountId`.
    pub fn account(&self) -> Option<AccountId> {
        self.account
    }

    /// The name that `LookupEvents` shows: a user's, a session's, or `root`.
    pub fn user_name(&self) -> Option<&str> {
        self.column(2)
    }

    /// `userIdentity.accessKeyId`.
    pub fn access_key_id(&self) -> Option<&str> {
        self.column(3)
    }

    /// `readOnly`.
    pub fn read_only(&self) -> bool {
        self.read_only
    }

    /// `errorCode`.
    pub fn error_code(&self) -> Option<&str> {
        self.column(4)
    }

    /// `resources`, as look-ups show and find them: what has a name by its name and its ARN, anything else by its ARN.
    pub fn resources(&self) -> Vec<Referenced> {
        #[derive(Deserialize)]
        struct Shown {
            #[serde(default)]
            resources: Vec<ShownResource>,
        }
        // Few records have any, and this runs for each that is appended.
        if memchr::memmem::find(self.json().as_bytes(), b"\"resources\":[").is_none() {
            return Vec::new();
        }
        let shown =
            serde_json::from_str(self.json()).map_or_else(|_| Vec::new(), |Shown { resources }| resources);
        shown.into_iter().flat_map(ShownResource::referenced).collect()
    }

    /// The record's JSON.
    pub fn json(&self) -> &str {
        usize::try_from(self.record).ok().and_then(|end| self.text.get(..end)).unwrap_or_default()
    }

    /// What the entry counts for in the writer's bound: its texts and a flat share for the rest.
    pub(crate) fn bytes(&self) -> usize {
        const FLAT: usize = 256;
        self.text.len() + FLAT
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.json()).finish()
    }
}

fn user_name<'a>(identity: &UserIdentity<'a>) -> Option<&'a str> {
    match *identity {
        UserIdentity::HiddenUser { .. } => Some(HIDDEN_NAME),
        UserIdentity::Root { .. } => Some("root"),
        UserIdentity::User { name, .. } => Some(cut(name, TEXT_BYTES_MAX)),
        UserIdentity::AssumedRole { principal_id, .. } | UserIdentity::FederatedUser { principal_id, .. } => {
            session_name(cut(principal_id, TEXT_BYTES_MAX))
        }
        UserIdentity::Account { .. }
        | UserIdentity::Service { .. }
        | UserIdentity::ServiceFor { .. }
        | UserIdentity::Unknown { .. } => None,
    }
}

fn session_name(principal_id: &str) -> Option<&str> {
    principal_id.split_once(':').map(|(_, session)| session)
}

fn access_key<'a>(identity: &UserIdentity<'a>) -> Option<&'a str> {
    match *identity {
        UserIdentity::Root { access_key, .. }
        | UserIdentity::User { access_key, .. }
        | UserIdentity::AssumedRole { access_key, .. }
        | UserIdentity::FederatedUser { access_key, .. }
        | UserIdentity::Unknown { access_key, .. } => access_key,
        UserIdentity::HiddenUser { .. } => Some(""),
        UserIdentity::Account { .. } | UserIdentity::Service { .. } | UserIdentity::ServiceFor { .. } => None,
    }
}

/// A resource that a call was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referenced {
    /// `AWS::IAM::User`, for example.
    pub kind: Option<String>,
    /// Its name or its ARN.
    pub name: String,
}

#[derive(Deserialize)]
struct ShownResource {
    #[serde(rename = "ARN")]
    arn: String,
    r#type: Option<String>,
}

impl ShownResource {
    fn referenced(self) -> impl Iterator<Item = Referenced> {
        let Self { arn, r#type: kind } = self;
        let is_named = matches!(
            kind.as_deref(),
            Some("AWS::IAM::Group" | "AWS::IAM::InstanceProfile" | "AWS::IAM::Role" | "AWS::IAM::User")
        );
        let name = arn.rsplit('/').next().filter(|_| is_named).map(str::to_owned);
        let by_name = name.map(|name| Referenced { kind: kind.clone(), name });
        by_name.into_iter().chain([Referenced { kind, name: arn }])
    }
}

/// The members of a record that have a column.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(rename = "eventID", borrow)]
    event_id: Cow<'a, str>,
    #[serde(borrow)]
    event_time: Cow<'a, str>,
    #[serde(borrow)]
    event_name: Cow<'a, str>,
    #[serde(borrow)]
    event_source: Cow<'a, str>,
    #[serde(borrow)]
    error_code: Option<Text<'a>>,
    read_only: bool,
    #[serde(borrow)]
    recipient_account_id: Option<Text<'a>>,
    #[serde(borrow)]
    user_identity: ShownIdentity<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShownIdentity<'a> {
    #[serde(borrow)]
    r#type: Option<Text<'a>>,
    #[serde(borrow)]
    principal_id: Option<Text<'a>>,
    #[serde(borrow)]
    user_name: Option<Text<'a>>,
    #[serde(borrow)]
    access_key_id: Option<Text<'a>>,
}

/// A string that is borrowed where nothing in it is escaped, within an option too.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl ShownIdentity<'_> {
    fn shown_name(&self) -> Option<&str> {
        match self.r#type.as_deref() {
            Some("Root") => Some("root"),
            Some("AssumedRole" | "FederatedUser") => self.principal_id.as_deref().and_then(session_name),
            _ => self.user_name.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::{Call, Failure, Issuer, IssuerKind, Resource, Session};

    fn identity<'a>(kind: u8, text: &'a str, key: Option<&'a str>) -> UserIdentity<'a> {
        let account = AccountId::from_number(7).unwrap();
        let issuer =
            Issuer { kind: IssuerKind::Role, principal_id: text, arn: text, account, user_name: Some(text) };
        let session = Session::new(Time::from_seconds(0));
        match kind {
            0 => UserIdentity::Root { arn: text, account, access_key: key, alias: Some(text), session: None },
            1 => UserIdentity::User {
                principal_id: text,
                arn: text,
                account,
                access_key: key,
                name: text,
                session: Some(session),
            },
            2 => UserIdentity::AssumedRole {
                principal_id: text,
                arn: text,
                account,
                access_key: key,
                issuer,
                session,
            },
            3 => UserIdentity::Account { principal_id: text, account },
            4 => UserIdentity::Service { name: text },
            5 => UserIdentity::HiddenUser { account },
            6 => UserIdentity::ServiceFor { account, name: text },
            _ => UserIdentity::Unknown { account: None, access_key: key },
        }
    }

    proptest! {
        #[test]
        fn entry_of_a_record_and_of_its_json_are_the_same(
            kind in 0u8..8,
            id: [u8; 16],
            millis in 0i64..4_000_000_000_000,
            read_only: bool,
            name in "AROA[A-Z]{4}:.{0,20}|[\\x00-\\x20]{0,1100}",
            key in prop::option::of("\\PC{0,20}"),
            code in prop::option::of(".{0,20}"),
        ) {
            let call = Call { source: &name, name: &name, region: "r", source_ip: &name };
            let id = EventId::from_bytes(id);
            let record = Record {
                read_only,
                failure: code.as_deref().map(|code| Failure { code: Some(code), message: &name }),
                ..Record::new(id, Time::from_millis(millis), call, identity(kind, &name, key.as_deref()))
            };
            let entry = Entry::new(&record);
            prop_assert_eq!(Entry::parse(entry.json().as_bytes()).unwrap(), entry);
        }
    }

    #[test]
    fn resources_with_a_name_are_referenced_by_it_too() {
        let account = AccountId::from_number(1);
        let resource = |arn, kind| Resource { arn, account, kind };
        let resources = [
            resource("arn:aws:iam::1:user/path/ann", Some("AWS::IAM::User")),
            resource("arn:aws:iam::1:policy/p", Some("AWS::IAM::ManagedPolicy")),
            resource("arn:aws:iam::1:root", None),
        ];
        let call = Call { source: "iam.amazonaws.com", name: "n", region: "r", source_ip: "s" };
        let (id, now, who) = (EventId::from_bytes([1; 16]), Time::from_seconds(0), identity(7, "", None));
        let record = Record { resources: &resources, ..Record::new(id, now, call, who) };
        let referenced = |entry: Entry| {
            let named = |Referenced { kind, name }| format!("{} {name}", kind.unwrap_or_default());
            entry.resources().into_iter().map(named).collect::<Vec<_>>()
        };
        let expected = [
            "AWS::IAM::User ann",
            "AWS::IAM::User arn:aws:iam::1:user/path/ann",
            "AWS::IAM::ManagedPolicy arn:aws:iam::1:policy/p",
            " arn:aws:iam::1:root",
        ];
        assert_eq!(referenced(Entry::new(&record)), expected);
        assert!(referenced(Entry::new(&Record { resources: &[], ..record })).is_empty());
    }

    #[test]
    fn other_bytes_are_no_record() {
        for json in [&b"\xff"[..], b"", b"{}", b"[1]", br#"{"eventID":1}"#, b"{}\n", b" {}", b"{\n}"] {
            assert!(Entry::parse(json).unwrap_err().to_string().starts_with("not an audit record: "));
        }
    }
}

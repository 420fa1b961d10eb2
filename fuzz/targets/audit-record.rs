//! Audit records: whatever texts a call brings along, its record is JSON within bounds and reads back as the same entry.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rootward_audit::{
    Call, EVENT_BYTES_MAX, Entry, EventId, Failure, Issuer, IssuerKind, Record, Resource, Session,
    TlsDetails, UserIdentity,
};
use rootward_names::{AccountId, Time};
use serde_json::value::to_raw_value;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    kind: u8,
    id: [u8; 16],
    /// Seconds, from 1970 to past 2100.
    seconds: u32,
    account: u32,
    read_only: bool,
    a: &'a str,
    b: &'a str,
    c: &'a str,
    key: Option<&'a str>,
    failure: Option<&'a str>,
    /// Members of `requestParameters`, which are made of a typed input and so are shallow.
    request: Vec<(&'a str, Vec<&'a str>)>,
    resources: Vec<&'a str>,
}

fuzz_target!(|input: Input<'_>| {
    let Input { a, b, c, .. } = input;
    let Some(account) = AccountId::from_number(u64::from(input.account)) else { return };
    let parameters: serde_json::Map<_, _> =
        input.request.iter().map(|(name, values)| ((*name).to_owned(), values.clone().into())).collect();
    let request = to_raw_value(&parameters).expect("texts are JSON");
    let request = (!parameters.is_empty()).then_some(&*request);
    let resources: Vec<_> =
        input.resources.iter().map(|arn| Resource { arn, account: Some(account), kind: Some(b) }).collect();
    let call = Call { source: a, name: b, region: c, source_ip: a };
    let (id, time) = (EventId::from_bytes(input.id), Time::from_seconds(input.seconds.into()));
    let record = Record {
        user_agent: Some(c),
        failure: input.failure.map(|code| Failure { code: Some(code), message: a }),
        request,
        response: request,
        additional: request,
        details: request,
        request_id: Some(b),
        read_only: input.read_only,
        resources: &resources,
        shared_id: Some(id),
        tls: Some(TlsDetails { version: a, cipher: b, host: Some(c), key_exchange: None }),
        ..Record::new(id, time, call, identity(&input, account))
    };
    let entry = Entry::new(&record);
    assert!(entry.json().len() <= EVENT_BYTES_MAX && !entry.json().contains('\n'));
    let json: serde_json::Value = serde_json::from_str(entry.json()).expect("a record is JSON");
    assert_eq!(json["readOnly"], input.read_only);
    assert_eq!(json.get("errorCode").is_some(), input.failure.is_some());
    assert_eq!(Entry::parse(entry.json().as_bytes()).expect("a record reads back"), entry);
    let shown = &json["requestParameters"];
    assert!(shown.is_null() || *shown == serde_json::Value::from(parameters));
    // Other texts are refused or are records, and then of these bytes.
    if let Ok(entry) = Entry::parse(a.as_bytes()) {
        assert_eq!(entry.json(), a);
    }
});

fn identity<'a>(input: &Input<'a>, account: AccountId) -> UserIdentity<'a> {
    let (principal_id, arn, access_key) = (input.a, input.b, input.key);
    let issuer = Issuer { kind: IssuerKind::Role, principal_id, arn, account, user_name: Some(input.c) };
    let session = Session { source_identity: Some(input.c), ..Session::new(Time::from_seconds(0)) };
    match input.kind % 9 {
        0 => UserIdentity::Root { arn, account, access_key, alias: Some(input.c), session: Some(session) },
        1 => UserIdentity::User { principal_id, arn, account, access_key, name: input.c, session: None },
        2 => UserIdentity::AssumedRole { principal_id, arn, account, access_key, issuer, session },
        3 => UserIdentity::FederatedUser { principal_id, arn, account, access_key, issuer, session },
        4 => UserIdentity::Account { principal_id, account },
        5 => UserIdentity::Service { name: input.c },
        6 => UserIdentity::HiddenUser { account },
        7 => UserIdentity::ServiceFor { account, name: input.c },
        _ => UserIdentity::Unknown { account: Some(account), access_key },
    }
}

//! What goes out comes back: values through the protocol of each service, through JSON and through the Rust types.

use proptest::prelude::*;
use rootward_api::{SERVICES, account, cloudtrail, iam, rootward, signin, sts};
use rootward_wire::{
    Frame, HttpRequest, Operation, OperationSchema, Record, Shape, Structure, Value, to_json,
};

use crate::values::{Sent, Source, record};

fn operations() -> impl Iterator<Item = &'static OperationSchema> {
    SERVICES.iter().flat_map(|service| service.operations.iter().copied())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_input_survives_its_protocol(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for operation in operations() {
            let input = record(operation.input, &mut Source(bytes.iter()));
            let sent = Sent::new(operation, &input);
            let frame = Frame::read(sent.request(), SERVICES).unwrap();
            prop_assert!(std::ptr::eq(frame.operation, operation), "{}", operation.name);
            prop_assert_eq!(&frame.record().unwrap(), &input, "{}", String::from_utf8_lossy(&sent.body));
        }
    }

    #[test]
    fn every_type_holds_what_its_schema_says(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        macro_rules! check {
            ($service:ident: $($operation:ident),*) => {$(
                check::<$service::$operation>(&bytes);
            )*};
        }
        macro_rules! check_account { ($($operation:ident),*) => { check! { account: $($operation),* } }; }
        macro_rules! check_cloudtrail { ($($operation:ident),*) => { check! { cloudtrail: $($operation),* } }; }
        macro_rules! check_iam { ($($operation:ident),*) => { check! { iam: $($operation),* } }; }
        macro_rules! check_rootward { ($($operation:ident),*) => { check! { rootward: $($operation),* } }; }
        macro_rules! check_signin { ($($operation:ident),*) => { check! { signin: $($operation),* } }; }
        macro_rules! check_sts { ($($operation:ident),*) => { check! { sts: $($operation),* } }; }
        rootward_api::account_operations!(check_account);
        rootward_api::cloudtrail_operations!(check_cloudtrail);
        rootward_api::iam_operations!(check_iam);
        rootward_api::rootward_operations!(check_rootward);
        rootward_api::signin_operations!(check_signin);
        rootward_api::sts_operations!(check_sts);
    }

    #[test]
    fn arbitrary_body_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), at in any::<prop::sample::Index>()) {
        let operation = operations().nth(at.index(operations().count())).unwrap();
        let mut sent = Sent::new(operation, &Record::empty(operation.input));
        for cut in [sent.body.len(), sent.body.len().saturating_sub(1), 0] {
            sent.body.truncate(cut);
            sent.body.extend(&bytes);
            if let Ok(frame) = Frame::read(sent.request(), SERVICES) {
                let _ = frame.input();
            }
        }
    }

    #[test]
    fn arbitrary_request_line_never_panics(
        method in "GET|POST|PUT|DELETE|",
        path in "(/(v1|token|[.]{1,2}|%|%[0-9a-f]{2}|é)?){0,5}",
        query in "((Action|x-amz-token-request-type|x)=(bearer|GetUser|%)&?){0,3}",
        media in "application/(json|x-amz-json-1.1|x-www-form-urlencoded)|",
    ) {
        let request = HttpRequest {
            method: &method,
            path: &path,
            query: &query,
            content_type: Some(&media),
            ..HttpRequest::default()
        };
        let _ = request.protocol(SERVICES);
        if let Ok(frame) = Frame::read(request, SERVICES) {
            let _ = frame.input();
        }
    }

    #[test]
    fn arbitrary_keys_of_members_never_panic(keys in prop::collection::vec("(Tags|UserName|ContextEntries)(\\.(member|entry|Key|key|[0-9]{1,3})){0,5}=(a|%)?", 0..8)) {
        for action in ["TagUser", "SimulateCustomPolicy", "CreateUser"] {
            let body = format!("Action={action}&Version=2010-05-08&{}", keys.join("&"));
            let request = HttpRequest { method: "POST", body: body.as_bytes(), ..HttpRequest::default() };
            if let Ok(frame) = Frame::read(request, SERVICES) {
                let _ = frame.input();
            }
        }
    }
}

/// Values → types → values, for the input and the output of `O`.
fn check<O: Operation>(bytes: &[u8]) {
    same::<O::Input>(record(O::DESCRIPTION.input, &mut Source(bytes.iter())));
    same::<O::Output>(record(O::DESCRIPTION.output, &mut Source(bytes.iter())));
}

fn same<T: Shape + Structure>(record: Record) {
    // A required structure all of whose members are optional may come out of the generator empty, thus absent.
    let Ok(typed) = T::from_value(Some(Value::Structure(record.clone()))) else {
        let missing = record.schema.members().iter().zip(&record.fields);
        assert!(missing.into_iter().any(|(member, field)| member.required && field.is_none()), "{record:?}");
        return;
    };
    assert!(std::ptr::eq(typed.schema(), record.schema));
    assert_eq!(
        String::from_utf8(to_json(&typed).unwrap()).unwrap(),
        String::from_utf8(to_json(&record).unwrap()).unwrap()
    );
}

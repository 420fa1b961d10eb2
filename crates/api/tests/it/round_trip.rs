//! What goes out comes back: values through the query protocol, through JSON and through the Rust types.

use proptest::prelude::*;
use rootward_api::{SERVICES, iam, sts};
use rootward_wire::{
    Frame, HttpRequest, Operation, OperationSchema, Record, Shape, Structure, Value, to_json,
};

use crate::values::{Source, form, record};

fn operations() -> impl Iterator<Item = &'static OperationSchema> {
    SERVICES.iter().flat_map(|service| service.operations.iter().copied())
}

fn decoded(operation: &OperationSchema, body: &str) -> Record {
    let request = HttpRequest { method: "POST", body: body.as_bytes(), ..HttpRequest::default() };
    Frame::read(request, &[operation.service]).unwrap().record().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_input_survives_the_query_protocol(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for operation in operations() {
            let input = record(operation.input, &mut Source(bytes.iter()));
            let body = form(operation.name, operation.service.version, &input);
            prop_assert_eq!(&decoded(operation, &body), &input, "{}", body);
        }
    }

    #[test]
    fn every_type_holds_what_its_schema_says(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        macro_rules! check {
            ($service:ident: $($operation:ident),*) => {$(
                check::<$service::$operation>(&bytes);
            )*};
        }
        macro_rules! check_iam { ($($operation:ident),*) => { check! { iam: $($operation),* } }; }
        macro_rules! check_sts { ($($operation:ident),*) => { check! { sts: $($operation),* } }; }
        rootward_api::iam_operations!(check_iam);
        rootward_api::sts_operations!(check_sts);
    }

    #[test]
    fn arbitrary_body_never_panics(body in prop::collection::vec(any::<u8>(), 0..300), at in 0..180_usize) {
        let operation = operations().nth(at).unwrap();
        let mut full = form(operation.name, operation.service.version, &rootward_wire::Empty).into_bytes();
        full.push(b'&');
        full.extend(body);
        let request = HttpRequest { method: "POST", body: &full, ..HttpRequest::default() };
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

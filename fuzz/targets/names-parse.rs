//! Names: any text is refused or reads back as the same name.
#![no_main]

use std::{fmt::Display, str::FromStr};

use libfuzzer_sys::fuzz_target;
use rootward_names::{AccessKeyId, AccountId, Arn, Partition, Time, UniqueId};

fuzz_target!(|text: &str| {
    if let Ok(arn) = Arn::parse(text) {
        assert_eq!(arn.to_string(), text);
    }
    reads_back::<AccountId>(text);
    reads_back::<UniqueId>(text);
    reads_back::<AccessKeyId>(text);
    if let Ok(id) = text.parse::<AccessKeyId>() {
        let _ = (id.kind(), id.account());
    }
    if let Ok(time) = Time::parse(text) {
        assert_eq!(Time::parse(&time.to_string()).map(Time::seconds), Ok(time.seconds()));
        assert_eq!(time.basic().len(), 16);
    }
    let _ = Partition::of_region(text);
});

/// A name has one spelling.
fn reads_back<T: FromStr + Display>(text: &str) {
    if let Ok(name) = text.parse::<T>() {
        assert_eq!(name.to_string(), text);
    }
}

//! Whatever the bytes are, reading them neither panics nor goes on without end.

use proptest::prelude::*;
use rootward_reference::Reference;

const TABLES: &[u8] = include_bytes!("../../data/tables.bin");
const NAMES: &str = include_str!("../../data/names.txt");

/// Asks for a little of everything.
fn walk(reference: &Reference<'_>) {
    const SOME: usize = 12;
    let _ = (
        reference.source(),
        reference.action("s3:GetObject"),
        reference.condition_key("aws:RequestTag/team"),
    );
    reference.condition_keys().take(SOME).for_each(|key| drop(format!("{key:?}")));
    reference.actions_matching("*:Get*").take(SOME).for_each(|action| drop(action.to_string()));
    let middle = reference.services().skip(300).step_by(40).take(SOME);
    for service in reference.services().take(SOME).chain(middle) {
        let _ =
            (service.name(), service.supports_rcps(), service.action("ListTags"), service.resource_type("x"));
        let _ = service.condition_keys().take(SOME).count();
        for action in service.actions().take(SOME) {
            let _ = (action.level(), action.accepts_key("aws:ResourceTag/team"));
            for resource in action.resources().take(SOME) {
                let _ = (resource.is_required(), resource.condition_keys().take(SOME).count());
            }
        }
        for kind in service.resource_types().take(SOME) {
            let _ = (
                kind.fits("arn:aws:s3:::docs/a"),
                kind.overlaps("arn:aws:*:*/x"),
                kind.condition_keys().take(SOME).count(),
            );
        }
    }
}

#[test]
fn every_shorter_file_is_refused() {
    for length in (0..200).chain((0..TABLES.len()).step_by(997)).chain([TABLES.len() - 1]) {
        assert!(Reference::read(&TABLES[..length], NAMES).is_none(), "{length}");
    }
    let longer = [TABLES, &[0]].concat();
    assert!(Reference::read(&longer, NAMES).is_none());
}

#[test]
fn tables_without_their_text_have_no_names() {
    let reference = Reference::read(TABLES, "").unwrap();
    walk(&reference);
    assert_eq!((reference.services().count(), reference.source()), (0, ""));
}

#[test]
fn text_that_is_no_ascii_is_read_where_it_can_be() {
    walk(&Reference::read(TABLES, &"é".repeat(NAMES.len() / 2)).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_bytes_are_refused_or_read(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 1..64_usize), 1..40),
    ) {
        let mut bytes = TABLES.to_vec();
        for (index, value, run) in edits {
            let start = index.index(bytes.len());
            bytes.iter_mut().skip(start).take(run).for_each(|byte| *byte ^= value);
        }
        if let Some(reference) = Reference::read(&bytes, NAMES) {
            walk(&reference);
        }
    }

    #[test]
    fn sections_of_any_bytes_are_read(sections in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 9)) {
        let mut bytes = b"RWR1\0\0\0\x20".to_vec();
        for (section, record) in sections.iter().zip([19, 9, 12, 7, 2, 4, 2, 4, 4]) {
            let count = section.len() / record;
            bytes.extend(u32::try_from(count).unwrap().to_le_bytes());
            bytes.extend(&section[..count * record]);
        }
        walk(&Reference::read(&bytes, NAMES).unwrap());
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [b"RWR1".as_slice(), &bytes].concat();
        if let Some(reference) = Reference::read(&bytes, NAMES) {
            walk(&reference);
        }
    }
}

//! `LookupEvents`: the management events of the last 90 days, the newest first, by one attribute at most.
//!
//! DIFFERENCE: events of all Regions are shown in each of them: one server is all Regions, and who signs for a Region is not
//! somewhere else.
//! DIFFERENCE: there are no Insights events; a look-up of them finds none.

use rootward_api::cloudtrail as api;
use rootward_audit::{Attribute, EventId, Query, Stored};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Target, always};
use rootward_state::Txn;

use super::{failures, token};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&LOOKUP_EVENTS];

pub(super) static LOOKUP_EVENTS: Declaration<api::LookupEvents> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "cloudtrail:LookupEvents",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: lookup_events,
};

/// Which records a look-up may show.
#[derive(Debug)]
enum Wanted<'a> {
    All,
    By(Attribute<'a>),
    /// What no record can have.
    Nothing,
}

/// A page may be shorter than asked for, or empty, and have a successor: a page costs no more than the log allows for one.
fn lookup_events(
    ctx: &OpContext<'_>,
    _: &mut Txn,
    input: &api::LookupEventsRequest,
) -> Result<api::LookupEventsResponse, Failure> {
    let is_of_insights = is_of_insights(input)?;
    let wanted = wanted(input, is_of_insights)?;
    let count = match input.max_results {
        None => EVENTS_MAX,
        Some(count) => usize::try_from(count)
            .ok()
            .filter(|count| (1..=EVENTS_MAX).contains(count))
            .ok_or_else(failures::bad_max_results)?,
    };
    if input.start_time.zip(input.end_time).is_some_and(|(start, end)| start > end) {
        return Err(failures::start_after_end());
    }
    let before = input.next_token.as_deref().map(|text| token::open(ctx, input, text));
    let before = before.map(|place| place.ok_or_else(failures::bad_next_token)).transpose()?;
    let attribute = match wanted {
        _ if is_of_insights => return Ok(nothing()),
        Wanted::Nothing => return Ok(nothing()),
        Wanted::All => None,
        Wanted::By(attribute) => Some(attribute),
    };
    let oldest = ctx.now.plus_seconds(-DAYS_MAX * 86_400);
    let from = input.start_time.map_or(oldest, |start| start.max(oldest));
    let query = Query { account: ctx.account(), from: Some(from), until: input.end_time, attribute };
    let mut page = ctx.look_up(&query, count, before)?;
    // Calls at the same time are on record as they were done with, not as they arrived.
    page.events.sort_by_key(|stored| std::cmp::Reverse(stored.entry.time()));
    Ok(api::LookupEventsResponse {
        events: Some(page.events.into_iter().map(shown).collect()),
        next_token: page.next.map(|before| token::seal(ctx, input, before)),
    })
}

fn is_of_insights(input: &api::LookupEventsRequest) -> Result<bool, Failure> {
    match input.event_category.as_deref() {
        None => Ok(false),
        Some("insight") => Ok(true),
        Some(_) => Err(failures::bad_category()),
    }
}

fn wanted(input: &api::LookupEventsRequest, is_of_insights: bool) -> Result<Wanted<'_>, Failure> {
    use api::LookupAttributeKey as Key;
    let api::LookupAttribute { attribute_key, attribute_value: value } =
        match input.lookup_attributes.as_deref() {
            None | Some([]) => return Ok(Wanted::All),
            Some([attribute]) => attribute,
            Some(_) => return Err(failures::too_many_attributes()),
        };
    let has_insights = matches!(attribute_key, Key::EventId | Key::EventName | Key::EventSource);
    if is_of_insights && !has_insights {
        return Err(failures::not_of_insights());
    }
    Ok(Wanted::By(match attribute_key {
        Key::AccessKeyId => Attribute::AccessKeyId(value),
        Key::EventId => match EventId::parse(value) {
            Some(id) => Attribute::EventId(id),
            None => return Ok(Wanted::Nothing),
        },
        Key::EventName => Attribute::EventName(value),
        Key::EventSource => Attribute::EventSource(value),
        Key::ReadOnly => match value.as_str() {
            "true" => Attribute::ReadOnly(true),
            "false" => Attribute::ReadOnly(false),
            _ => return Err(failures::read_only_is_no_flag()),
        },
        Key::ResourceName => Attribute::ResourceName(value),
        Key::ResourceType => Attribute::ResourceType(value),
        Key::Username => Attribute::UserName(value),
    }))
}

fn nothing() -> api::LookupEventsResponse {
    api::LookupEventsResponse { events: Some(Vec::new()), next_token: None }
}

fn shown(Stored { entry, .. }: Stored) -> api::Event {
    let resource = |resource: rootward_audit::Referenced| api::Resource {
        resource_type: resource.kind,
        resource_name: Some(resource.name),
    };
    api::Event {
        event_id: Some(entry.id().to_string()),
        event_name: Some(entry.event_name().to_owned()),
        read_only: Some(entry.read_only().to_string()),
        // Who signs in has used none, which the record says by an empty one.
        access_key_id: entry.access_key_id().filter(|id| !id.is_empty()).map(str::to_owned),
        event_time: Some(entry.time()),
        event_source: Some(entry.event_source().to_owned()),
        username: entry.user_name().map(str::to_owned),
        resources: Some(entry.resources().into_iter().map(resource).collect()),
        cloud_trail_event: Some(entry.json().to_owned()),
    }
}

/// Events on a page, and when the caller does not say.
const EVENTS_MAX: usize = 50;
/// How far back a look-up reaches.
const DAYS_MAX: i64 = 90;

#[cfg(test)]
mod tests {
    use rootward_audit::{Call, Entry, Record, Resource, UserIdentity};
    use rootward_names::AccountId;
    use rootward_testkit::Seeded;

    use super::*;
    use crate::testing::Bench;

    /// Records of user `ann`, one each minute up to now, oldest first; those with an even number only read.
    fn record(bench: &Bench, account: AccountId, count: u32) {
        let mut random = Seeded::new(u64::from(count));
        let arn = format!("arn:aws:iam::{account}:user/ann");
        bench.record((0..count).map(|number| {
            let time = bench.now().plus_seconds(-60 * i64::from(count - number - 1));
            let name = format!("Call{number}");
            let call = Call {
                source: "iam.amazonaws.com",
                name: &name,
                region: "us-east-1",
                source_ip: "192.0.2.7",
            };
            let identity = UserIdentity::User {
                principal_id: "AIDAEXAMPLE",
                arn: &arn,
                account,
                access_key: Some("AKIAEXAMPLE"),
                name: "ann",
                session: None,
            };
            let resources = [Resource { arn: &arn, account: Some(account), kind: Some("AWS::IAM::User") }];
            let read_only = number.is_multiple_of(2);
            let resources = if read_only { [].as_slice() } else { resources.as_slice() };
            let id = EventId::new(time, &mut random);
            Entry::new(&Record { resources, read_only, ..Record::new(id, time, call, identity) })
        }));
    }

    fn ask(key: api::LookupAttributeKey, value: &str) -> api::LookupEventsRequest {
        let attribute = api::LookupAttribute { attribute_key: key, attribute_value: value.into() };
        api::LookupEventsRequest { lookup_attributes: Some(vec![attribute]), ..Default::default() }
    }

    fn look_up(
        bench: &Bench,
        input: &api::LookupEventsRequest,
    ) -> Result<(Vec<String>, Option<String>), Failure> {
        let page = bench.run(&LOOKUP_EVENTS, input.clone())?;
        let names = page.events.unwrap().into_iter().map(|event| event.event_name.unwrap());
        Ok((names.collect(), page.next_token))
    }

    fn code(bench: &Bench, input: &api::LookupEventsRequest) -> &'static str {
        look_up(bench, input).unwrap_err().code
    }

    #[test]
    fn event_shows_its_record_and_what_is_in_it() {
        let bench = Bench::new();
        record(&bench, bench.account(), 2);
        let event = bench.run(&LOOKUP_EVENTS, Default::default()).unwrap().events.unwrap().remove(0);
        let stored: serde_json::Value = serde_json::from_str(&event.cloud_trail_event.unwrap()).unwrap();
        assert_eq!(stored["eventID"], event.event_id.unwrap());
        assert_eq!((event.event_name.as_deref(), event.read_only.as_deref()), (Some("Call1"), Some("false")));
        assert_eq!(
            (event.username.as_deref(), event.access_key_id.as_deref()),
            (Some("ann"), Some("AKIAEXAMPLE"))
        );
        assert_eq!(
            (event.event_source.as_deref(), event.event_time),
            (Some("iam.amazonaws.com"), Some(bench.now()))
        );
        let names = event.resources.unwrap().into_iter().map(|resource| {
            assert_eq!(resource.resource_type.as_deref(), Some("AWS::IAM::User"));
            resource.resource_name.unwrap()
        });
        assert_eq!(names.collect::<Vec<_>>(), ["ann", "arn:aws:iam::111122223333:user/ann"]);
    }

    #[test]
    fn newest_are_first_and_others_accounts_are_not_shown() {
        let bench = Bench::new();
        record(&bench, "444455556666".parse().unwrap(), 3);
        record(&bench, bench.account(), 3);
        record(&bench, "444455556666".parse().unwrap(), 3);
        let (names, next) = look_up(&bench, &Default::default()).unwrap();
        assert_eq!((names, next), (vec!["Call2".into(), "Call1".into(), "Call0".into()], None));
    }

    #[test]
    fn one_attribute_selects() {
        use api::LookupAttributeKey as Key;
        let bench = Bench::new();
        record(&bench, bench.account(), 4);
        let count = |key, value: &str| look_up(&bench, &ask(key, value)).unwrap().0.len();
        let event = bench.run(&LOOKUP_EVENTS, Default::default()).unwrap().events.unwrap().remove(0);
        assert_eq!(count(Key::AccessKeyId, "AKIAEXAMPLE"), 4);
        assert_eq!(count(Key::EventId, &event.event_id.unwrap()), 1);
        assert_eq!(count(Key::EventId, "no-id"), 0);
        assert_eq!(count(Key::EventName, "Call2"), 1);
        assert_eq!(count(Key::EventSource, "sts.amazonaws.com"), 0);
        assert_eq!((count(Key::ReadOnly, "true"), count(Key::ReadOnly, "false")), (2, 2));
        assert_eq!((count(Key::ResourceName, "ann"), count(Key::ResourceName, "an")), (2, 0));
        assert_eq!(count(Key::ResourceName, "arn:aws:iam::111122223333:user/ann"), 2);
        assert_eq!(
            (count(Key::ResourceType, "AWS::IAM::User"), count(Key::ResourceType, "AWS::IAM::Role")),
            (2, 0)
        );
        assert_eq!((count(Key::Username, "ann"), count(Key::Username, "root")), (4, 0));
    }

    #[test]
    fn more_than_one_attribute_is_refused_and_so_is_a_flag_that_is_none() {
        let bench = Bench::new();
        let mut two = ask(api::LookupAttributeKey::Username, "ann");
        let attributes = two.lookup_attributes.as_mut().unwrap();
        attributes.push(attributes[0].clone());
        assert_eq!(code(&bench, &two), "InvalidLookupAttributesException");
        let no_flag = ask(api::LookupAttributeKey::ReadOnly, "True");
        assert_eq!(code(&bench, &no_flag), "InvalidLookupAttributesException");
    }

    #[test]
    fn times_are_inclusive_and_their_order_matters() {
        let bench = Bench::new();
        record(&bench, bench.account(), 5);
        let at = |minutes: i64| Some(bench.now().plus_seconds(60 * minutes));
        let between =
            |start_time, end_time| api::LookupEventsRequest { start_time, end_time, ..Default::default() };
        let found = |input| look_up(&bench, &input).unwrap().0;
        assert_eq!(found(between(at(-2), at(-1))), ["Call3", "Call2"]);
        assert_eq!(found(between(at(-2), at(-2))), ["Call2"]);
        assert_eq!(found(between(None, at(-4))), ["Call0"]);
        assert_eq!(found(between(at(1), None)), [""; 0]);
        assert_eq!(code(&bench, &between(at(-1), at(-2))), "InvalidTimeRangeException");
    }

    #[test]
    fn what_is_older_than_90_days_is_not_shown_whatever_the_start() {
        let bench = Bench::new();
        record(&bench, bench.account(), 2);
        bench.pass_seconds(90 * 86_400);
        let since_ever = api::LookupEventsRequest {
            start_time: Some(rootward_names::Time::from_seconds(0)),
            ..Default::default()
        };
        assert_eq!(look_up(&bench, &since_ever).unwrap().0, ["Call1"]);
        bench.pass_seconds(1);
        assert!(look_up(&bench, &since_ever).unwrap().0.is_empty());
    }

    #[test]
    fn pages_join_and_may_have_other_lengths() {
        let bench = Bench::new();
        record(&bench, bench.account(), 60);
        let first = api::LookupEventsRequest { max_results: Some(7), ..Default::default() };
        let (mut names, mut next) = look_up(&bench, &first).unwrap();
        assert_eq!(names.len(), 7);
        while let Some(next_token) = next.take() {
            // As time goes by, 90 days ago is later; the query is the same.
            bench.pass_seconds(1);
            let page = api::LookupEventsRequest { next_token: Some(next_token), ..Default::default() };
            let (more, token) = look_up(&bench, &page).unwrap();
            names.extend(more);
            next = token;
        }
        assert_eq!(names, (0..60).rev().map(|number| format!("Call{number}")).collect::<Vec<_>>());
        assert_eq!(look_up(&bench, &Default::default()).unwrap().0.len(), 50);
    }

    #[test]
    fn token_is_good_for_its_query_alone() {
        let bench = Bench::new();
        record(&bench, bench.account(), 3);
        let query = api::LookupEventsRequest {
            max_results: Some(1),
            end_time: Some(bench.now()),
            ..ask(api::LookupAttributeKey::Username, "ann")
        };
        let next_token = look_up(&bench, &query).unwrap().1;
        let with_token = |input: &api::LookupEventsRequest| {
            let next_token = next_token.clone();
            api::LookupEventsRequest { next_token, ..input.clone() }
        };
        assert_eq!(look_up(&bench, &with_token(&query)).unwrap().0, ["Call1"]);
        let others = [
            api::LookupEventsRequest { end_time: None, ..query.clone() },
            api::LookupEventsRequest { start_time: query.end_time, ..query.clone() },
            api::LookupEventsRequest { lookup_attributes: None, ..query.clone() },
            api::LookupEventsRequest {
                end_time: query.end_time,
                ..ask(api::LookupAttributeKey::Username, "bo")
            },
        ];
        for other in &others {
            assert_eq!(code(&bench, &with_token(other)), "InvalidNextTokenException");
        }
        let mut altered = next_token.clone().unwrap();
        altered.replace_range(40..41, if altered.as_bytes()[40] == b'A' { "B" } else { "A" });
        for next_token in ["", "x", "AAAA", &altered] {
            let input = api::LookupEventsRequest { next_token: Some(next_token.into()), ..query.clone() };
            assert_eq!(code(&bench, &input), "InvalidNextTokenException", "{next_token}");
        }
    }

    #[test]
    fn pages_have_1_to_50_events() {
        let bench = Bench::new();
        for max_results in [-1, 0, 51] {
            let input = api::LookupEventsRequest { max_results: Some(max_results), ..Default::default() };
            assert_eq!(code(&bench, &input), "InvalidMaxResultsException");
        }
    }

    #[test]
    fn there_are_no_insights_and_no_other_categories() {
        let bench = Bench::new();
        record(&bench, bench.account(), 1);
        let category = |category: &str, input: api::LookupEventsRequest| api::LookupEventsRequest {
            event_category: Some(category.into()),
            ..input
        };
        let by_name = ask(api::LookupAttributeKey::EventName, "Call0");
        assert_eq!(look_up(&bench, &category("insight", by_name)).unwrap(), (Vec::new(), None));
        let by_user = ask(api::LookupAttributeKey::Username, "ann");
        assert_eq!(code(&bench, &category("insight", by_user)), "InvalidLookupAttributesException");
        assert_eq!(code(&bench, &category("Data", Default::default())), "InvalidEventCategoryException");
    }

    #[test]
    fn every_look_up_needs_the_action_on_everything() {
        let bench = Bench::new();
        let [(action, target)] = bench.targets(&LOOKUP_EVENTS, &Default::default()).try_into().unwrap();
        assert_eq!((action, target.arn.as_str()), ("cloudtrail:LookupEvents", "*"));
    }
}

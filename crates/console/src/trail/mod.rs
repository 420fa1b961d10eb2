//! The audit trail: what was done in the account, by whom, and what its root user did.
//!
//! Everything is read by `LookupEvents` as who is signed in, and so is on record itself.

mod facts;
mod timeline;

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use http::StatusCode;
use rootward_api::cloudtrail as api;
use rootward_names::Time;
use rootward_wire::Error;
use serde::Deserialize;

use self::facts::{Facts, second};
use self::timeline::{Drawing, Span, Tone, draw};
use crate::layout::{Frame, VERSION, html_with, unseen};
use crate::list::segment;
use crate::visit::{Query, SignedIn};

const TITLE: &str = "Audit trail";

/// What to look for, as the address says it.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    /// An attribute; changes are shown when none is named.
    #[serde(default = "read_only")]
    by: String,
    /// What the attribute is; everything when empty.
    #[serde(default = "no")]
    value: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    until: String,
    /// Of a page before.
    #[serde(default)]
    token: String,
    /// What the timeline spans.
    #[serde(default)]
    span: Span,
}

/// Reads, the look-ups of this page among them, are many more than changes and hide them.
fn read_only() -> String {
    "ReadOnly".to_owned()
}

fn no() -> String {
    "false".to_owned()
}

#[derive(Template)]
#[template(path = "trail.html")]
struct Page {
    version: &'static str,
    frame: Frame,
    asked: Asked,
    /// Why the events may not be seen, if they may not.
    denied: Option<String>,
    events: Vec<Row>,
    older: Option<String>,
    /// On the first page of all changes only.
    root: Option<Drawing>,
}

struct Row {
    id: String,
    time: String,
    who: String,
    is_root: bool,
    what: String,
    read_only: bool,
    from: String,
    /// How it was refused or has failed.
    failed: Option<String>,
}

impl Row {
    fn of(facts: &Facts) -> Self {
        Self {
            id: facts.id.clone(),
            time: second(facts.time),
            who: facts.who(),
            is_root: facts.is_root(),
            what: facts.what(),
            read_only: facts.read_only,
            from: facts.text("/sourceIPAddress").to_owned(),
            failed: facts.failed().map(str::to_owned),
        }
    }
}

/// An attribute that events are looked up by, and how the page calls it.
struct Choice {
    by: &'static str,
    name: &'static str,
}

const CHOICES: &[Choice] = &[
    Choice { by: "Username", name: "User name" },
    Choice { by: "EventName", name: "Event" },
    Choice { by: "EventSource", name: "Event source" },
    Choice { by: "ResourceName", name: "Resource name or ARN" },
    Choice { by: "ResourceType", name: "Resource type" },
    Choice { by: "AccessKeyId", name: "Access key ID" },
    Choice { by: "ReadOnly", name: "Read-only (true or false)" },
    Choice { by: "EventId", name: "Event ID" },
];

impl Page {
    fn choices(&self) -> &'static [Choice] {
        CHOICES
    }
}

impl Asked {
    /// Whether this is what the page shows when nothing is asked for.
    fn is_plain(&self) -> bool {
        self.by == read_only()
            && self.value == no()
            && [&self.from, &self.until, &self.token].into_iter().all(String::is_empty)
    }

    fn input(&self) -> Result<api::LookupEventsRequest, String> {
        let attribute = match self.value.trim() {
            "" => None,
            value => Some(api::LookupAttribute {
                attribute_key: self
                    .by
                    .parse()
                    .map_err(|_| format!("There is no attribute `{}`.", self.by))?,
                attribute_value: value.to_owned(),
            }),
        };
        Ok(api::LookupEventsRequest {
            lookup_attributes: attribute.map(|attribute| vec![attribute]),
            start_time: time(&self.from, "00")?,
            // To the end of the minute.
            end_time: time(&self.until, "59")?,
            next_token: Some(self.token.clone()).filter(|token| !token.is_empty()),
            ..Default::default()
        })
    }

    /// The address of the page that begins with this token.
    fn older(&self, token: Option<String>) -> Option<String> {
        let token = token?;
        // An empty value is everything: left out it would be changes.
        let kept = [("by", &self.by), ("value", &self.value)];
        let times = [("from", &self.from), ("until", &self.until), ("token", &token)];
        let pairs = kept.into_iter().chain(times.into_iter().filter(|(_, value)| !value.is_empty()));
        let pairs = pairs.map(|(name, value)| format!("{name}={}", segment(value)));
        Some(format!("/console/trail?{}", pairs.collect::<Vec<_>>().join("&")))
    }
}

/// A time as browsers send it, in UTC: to the minute, or to the second.
fn time(text: &str, seconds: &str) -> Result<Option<Time>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let to_the_minute = text.matches(':').count() == 1;
    let whole = if to_the_minute { format!("{text}:{seconds}Z") } else { format!("{text}Z") };
    Time::parse(&whole).map(Some).map_err(|_| format!("`{text}` is no time such as 2026-01-31T09:30."))
}

pub(crate) async fn page(signed_in: SignedIn, Query(asked): Query<Asked>) -> Response {
    let frame = Frame::new(&signed_in, TITLE, "trail");
    let mut page =
        Page { version: VERSION, frame, denied: None, events: Vec::new(), older: None, root: None, asked };
    match page.asked.input() {
        Err(refused) => page.frame = page.frame.mistyped(refused),
        Ok(input) => match signed_in.call::<api::LookupEvents>(&input).await {
            Ok(found) => {
                page.events = facts_of(found.events).iter().map(Row::of).collect();
                page.older = page.asked.older(found.next_token);
                if page.asked.is_plain() {
                    page.root = root_activity(&signed_in, page.asked.span).await.ok();
                }
            }
            Err(error) if error.status == 403 => {
                page.frame = page.frame.unread(&error);
                page.denied = Some(unseen(&error));
            }
            Err(error) => page.frame = page.frame.refused(&error),
        },
    }
    signed_in.answer(html_with(page.frame.status, &page))
}

fn facts_of(events: Option<Vec<api::Event>>) -> Vec<Facts> {
    events.unwrap_or_default().into_iter().filter_map(Facts::new).collect()
}

/// What the root user did, and what was done about it. Failed sign-ins, which anybody can make, and reads may hide what is
/// older, so that the events of sessions and the seal are looked up by name.
async fn root_activity(signed_in: &SignedIn, span: Span) -> Result<Drawing, Error> {
    use api::LookupAttributeKey::{EventName, EventSource, Username};
    let now = signed_in.visit.house.pipeline.now();
    let since = now.plus_seconds(-span.seconds());
    let (mut events, is_whole) = look_up(signed_in, since, Username, "root", ROOT_PAGES_MAX).await?;
    for (key, value) in [
        (EventName, "RootSessionStarted"),
        (EventName, "RootSessionEnded"),
        (EventName, "RootResealed"),
        (EventSource, "rootward.host"),
    ] {
        events.extend(look_up(signed_in, since, key, value, 1).await?.0);
    }
    Ok(draw(events, is_whole, span, now))
}

/// The newest events of an attribute, in so many pages at most, and whether these are all.
async fn look_up(
    signed_in: &SignedIn,
    since: Time,
    attribute_key: api::LookupAttributeKey,
    value: &str,
    pages_max: usize,
) -> Result<(Vec<Facts>, bool), Error> {
    let attribute = api::LookupAttribute { attribute_key, attribute_value: value.to_owned() };
    let mut input = api::LookupEventsRequest {
        lookup_attributes: Some(vec![attribute]),
        start_time: Some(since),
        ..Default::default()
    };
    let mut events = Vec::new();
    for _ in 0..pages_max {
        let found = signed_in.call::<api::LookupEvents>(&input).await?;
        events.extend(facts_of(found.events));
        input.next_token = found.next_token;
        if input.next_token.is_none() {
            return Ok((events, true));
        }
    }
    Ok((events, false))
}

/// Pages of 50 events that a timeline is drawn from.
const ROOT_PAGES_MAX: usize = 4;

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    version: &'static str,
    frame: Frame,
    /// None when there is no such event, or it may not be seen.
    event: Option<Shown>,
    /// Why it may not be seen, if it may not.
    denied: Option<String>,
}

/// An event with everything that is on record.
struct Shown {
    row: Row,
    agent: String,
    arn: String,
    /// Beside a code.
    message: String,
    record: String,
}

pub(crate) async fn event(signed_in: SignedIn, Path(id): Path<String>) -> Response {
    let frame = Frame::new(&signed_in, TITLE, "trail");
    let attribute =
        api::LookupAttribute { attribute_key: api::LookupAttributeKey::EventId, attribute_value: id };
    let input = api::LookupEventsRequest { lookup_attributes: Some(vec![attribute]), ..Default::default() };
    let (frame, event, denied) = match signed_in.call::<api::LookupEvents>(&input).await {
        Err(error) => (frame.unread(&error), None, Some(unseen(&error))),
        Ok(found) => match facts_of(found.events).first() {
            None => (Frame { status: StatusCode::NOT_FOUND, ..frame }, None, None),
            Some(facts) => (frame, Some(shown(facts)), None),
        },
    };
    signed_in.answer(html_with(frame.status, &EventPage { version: VERSION, frame, event, denied }))
}

fn shown(facts: &Facts) -> Shown {
    Shown {
        row: Row::of(facts),
        agent: facts.text("/userAgent").to_owned(),
        arn: facts.text("/userIdentity/arn").to_owned(),
        message: Some(facts.text("/errorMessage"))
            .filter(|text| facts.failed() != Some(text))
            .unwrap_or_default()
            .to_owned(),
        record: facts.pretty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Asked {
        serde_urlencoded::from_str(query).unwrap()
    }

    fn asked(by: &str, value: &str) -> Asked {
        Asked { by: by.into(), value: value.into(), ..read("") }
    }

    #[test]
    fn changes_are_shown_when_nothing_is_asked_for_and_everything_when_no_value_is() {
        let [attribute] = read("").input().unwrap().lookup_attributes.unwrap().try_into().unwrap();
        assert_eq!(
            (attribute.attribute_key.as_str(), attribute.attribute_value.as_str()),
            ("ReadOnly", "false")
        );
        assert_eq!(read("by=Username&value=").input().unwrap().lookup_attributes, None);
        assert!(read("").is_plain() && read("span=day").is_plain());
        assert!(
            !read("value=").is_plain()
                && !read("token=x").is_plain()
                && !read("from=2026-01-31T09:30").is_plain()
        );
    }

    #[test]
    fn blank_fields_ask_for_everything() {
        let input = asked("Username", " ").input().unwrap();
        assert_eq!((input.lookup_attributes, input.start_time, input.end_time), (None, None, None));
        assert_eq!(input.next_token, None);
    }

    #[test]
    fn minutes_are_whole_and_other_times_and_attributes_are_refused() {
        let of = |from: &str, until: &str| Asked {
            from: from.into(),
            until: until.into(),
            ..asked("Username", "")
        };
        let input = of("2026-01-31T09:30", "2026-01-31T09:30").input().unwrap();
        let shown = |time: Option<Time>| time.unwrap().to_string();
        assert_eq!(shown(input.start_time), "2026-01-31T09:30:00Z");
        assert_eq!(shown(input.end_time), "2026-01-31T09:30:59Z");
        assert_eq!(shown(of("2026-01-31T09:30:07", "").input().unwrap().start_time), "2026-01-31T09:30:07Z");
        assert!(of("yesterday", "").input().is_err());
        assert!(asked("Colour", "red").input().is_err());
    }

    #[test]
    fn older_page_keeps_what_was_asked_for() {
        let next = |asked: &Asked| asked.older(Some("a=b".into())).unwrap();
        assert_eq!(next(&asked("Username", "a&b")), "/console/trail?by=Username&value=a%26b&token=a%3Db");
        assert_eq!(next(&asked("Username", "")), "/console/trail?by=Username&value=&token=a%3Db");
        assert_eq!(asked("", "").older(None), None);
    }
}

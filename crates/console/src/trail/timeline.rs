//! The timeline of root activity: a picture, and the same in words below it.
//!
//! Places are percentages of the picture's width, so that it fits every screen while its texts keep their size. Calls that
//! follow one another are one mark, and so are failed sign-ins: anybody can try, as often as they like.

use std::collections::HashSet;
use std::fmt::Write as _;

use rootward_names::Time;
use serde::Deserialize;

use super::facts::{Facts, second};
use crate::security::ROOT_NAME;

/// How much time the picture shows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Span {
    #[serde(rename = "day")]
    Day,
    #[default]
    #[serde(rename = "week")]
    Week,
    #[serde(rename = "month")]
    Month,
    #[serde(rename = "all")]
    All,
}

impl Span {
    const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Day, "day", "24 hours"),
        (Self::Week, "week", "7 days"),
        (Self::Month, "month", "30 days"),
        (Self::All, "all", "90 days"),
    ];

    pub(super) const fn seconds(self) -> i64 {
        const DAY: i64 = 86_400;
        match self {
            Self::Day => DAY,
            Self::Week => 7 * DAY,
            Self::Month => 30 * DAY,
            Self::All => 90 * DAY,
        }
    }
}

/// A row of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    SignIns,
    Sessions,
    Guard,
    Calls,
}

impl Lane {
    const ALL: [(Self, &'static str); 4] = [
        (Self::SignIns, "Sign-ins"),
        (Self::Sessions, "Sessions"),
        (Self::Guard, "Seal and credentials"),
        (Self::Calls, "Calls"),
    ];
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    Good,
    Warn,
    Bad,
}

impl Tone {
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// The timeline, ready for its page.
pub(super) struct Drawing {
    span: Span,
    /// Whether everything that there is has been looked at.
    pub(super) is_whole: bool,
    pub(super) marks: Vec<Mark>,
    pub(super) ticks: Vec<Tick>,
    /// The newest first.
    pub(super) told: Vec<Told>,
}

/// Something in the picture: a mark, or a bar where it has a length.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) y: usize,
    pub(super) x: String,
    pub(super) width: Option<String>,
    pub(super) tone: Tone,
    pub(super) label: String,
}

/// A time below the picture.
pub(super) struct Tick {
    pub(super) x: String,
    pub(super) anchor: &'static str,
    pub(super) text: String,
}

/// Something in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) time: String,
    pub(super) text: String,
    pub(super) tone: Tone,
    /// The first of the events.
    pub(super) id: String,
}

/// One thing that happened, or several alike.
#[derive(Debug, Clone)]
struct Item {
    lane: Lane,
    tone: Tone,
    from: Time,
    until: Time,
    text: String,
    id: String,
    /// Of calls: their names, as often as they were called.
    calls: Vec<String>,
    changes: usize,
    refused: usize,
    /// Of failed sign-ins.
    failures: usize,
}

impl Drawing {
    pub(super) fn spans(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        let shown = self.span;
        Span::ALL.into_iter().map(move |(span, name, text)| (name, text, span == shown))
    }

    /// The rows: name, where its text stands, where its line is.
    pub(super) fn lanes(&self) -> impl Iterator<Item = (&'static str, usize, usize)> {
        Lane::ALL.into_iter().map(|(lane, name)| (name, y(lane) - 16, y(lane)))
    }

    pub(super) fn shown_span(&self) -> &'static str {
        Span::ALL.iter().find(|(span, ..)| *span == self.span).map_or("", |(_, _, text)| text)
    }
}

/// Draws these events, each of which may be there twice, in no order.
pub(super) fn draw(events: Vec<Facts>, is_whole: bool, span: Span, now: Time) -> Drawing {
    let mut seen = HashSet::new();
    let mut events: Vec<_> = events.into_iter().filter(|event| seen.insert(event.id.clone())).collect();
    // Ids begin with their time in milliseconds, which records do not show.
    events.sort_by(|a, b| (a.time, &a.id).cmp(&(b.time, &b.id)));
    let items = merged(events.iter().filter_map(item).collect());
    let since = now.plus_seconds(-span.seconds());
    let place = |time: Time| percent(time, since, now);
    let bars = sessions(&events, now).into_iter().map(|(from, until, label)| Mark {
        y: y(Lane::Sessions),
        x: shown(place(from)),
        width: Some(shown((place(until) - place(from)).max(WIDTH_MIN))),
        tone: Tone::Warn,
        label,
    });
    let marks = Lane::ALL
        .into_iter()
        .filter(|(lane, _)| *lane != Lane::Sessions)
        .flat_map(|(lane, _)| marks(items.iter().filter(|item| item.lane == lane), place));
    let marks = bars.chain(marks).collect();
    let told = items.iter().rev().take(TOLD_MAX).map(Item::told).collect();
    Drawing { span, is_whole, marks, ticks: ticks(span, since), told }
}

/// The marks of a row, oldest first: what would lie over one another is one mark, of its worst tone.
fn marks<'a>(items: impl Iterator<Item = &'a Item>, place: impl Fn(Time) -> f64) -> Vec<Mark> {
    let mut groups: Vec<Vec<&Item>> = Vec::new();
    let end = |group: &[&Item]| group.last().map_or(f64::MIN, |last| place(last.until));
    for item in items {
        match groups.last_mut() {
            Some(group) if place(item.from) - end(group) < MARK_WIDTH => group.push(item),
            _ => groups.push(vec![item]),
        }
    }
    let mark = |group: Vec<&Item>| {
        let first = group.first()?;
        let (from, until) = (place(first.from), end(&group));
        let label = |item: &&Item| format!("{}: {}", second(item.from), item.words());
        Some(Mark {
            y: y(first.lane),
            x: shown(from),
            width: Some(until - from).filter(|width| *width > MARK_WIDTH).map(shown),
            tone: group.iter().map(|item| item.tone).max()?,
            label: group.iter().map(label).collect::<Vec<_>>().join("; "),
        })
    };
    groups.into_iter().filter_map(mark).collect()
}

impl Item {
    fn words(&self) -> String {
        let until = || {
            let is_long = self.until.seconds() / 60 > self.from.seconds() / 60;
            if is_long { format!(" until {}", clock(self.until)) } else { String::new() }
        };
        match self.lane {
            Lane::Calls if self.calls.len() > 1 => {
                let counts = [(self.changes, "change", "changes"), (self.refused, "refused", "refused")];
                let counts = counts.into_iter().filter(|(count, ..)| *count > 0);
                let counts: Vec<_> = counts
                    .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
                    .collect();
                let counts =
                    if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) };
                format!("{} calls{}{counts}: {}", self.calls.len(), until(), names(&self.calls))
            }
            Lane::SignIns if self.failures > 1 => {
                format!("{} sign-ins failed{}, the first {}", self.failures, until(), self.text)
            }
            Lane::SignIns if self.failures == 1 => format!("Sign-in failed {}", self.text),
            Lane::Calls | Lane::Guard | Lane::Sessions | Lane::SignIns => self.text.clone(),
        }
    }

    fn told(&self) -> Told {
        Told { time: second(self.from), text: self.words(), tone: self.tone, id: self.id.clone() }
    }

    /// Whether what came next is more of the same.
    fn takes(&self, next: &Self) -> bool {
        let is_alike = match self.lane {
            Lane::Calls => true,
            Lane::SignIns => self.failures > 0 && next.failures > 0,
            Lane::Guard | Lane::Sessions => false,
        };
        is_alike && self.lane == next.lane && next.from.seconds() - self.until.seconds() <= GAP_SECONDS
    }
}

/// Items with those that are more of the same joined to what they are more of, oldest first.
fn merged(items: Vec<Item>) -> Vec<Item> {
    let mut merged: Vec<Item> = Vec::new();
    for item in items {
        match merged.last_mut() {
            Some(last) if last.takes(&item) => {
                last.until = item.until;
                last.tone = last.tone.max(item.tone);
                last.calls.extend(item.calls);
                last.changes += item.changes;
                last.refused += item.refused;
                last.failures += item.failures;
            }
            _ => merged.push(item),
        }
    }
    merged
}

/// What an event is in the timeline; none for what is not of it.
fn item(event: &Facts) -> Option<Item> {
    let (lane, tone, text) = match event.name.as_str() {
        // A step of a sign-in, whose end is told.
        "CheckMfa" => return None,
        "ConsoleLogin" if event.is_root() => sign_in(event),
        name => match guarding(name) {
            Some(what)
                if event.is_root() || event.is_from_host() || event.text("/eventType") == BY_ITSELF =>
            {
                guard(event, what)?
            }
            _ if event.is_root() => call(event),
            _ => return None,
        },
    };
    let failed = event.failed().is_some();
    let is_call = lane == Lane::Calls;
    Some(Item {
        lane,
        tone,
        from: event.time,
        until: event.time,
        text,
        id: event.id.clone(),
        calls: if is_call { vec![event.name.clone()] } else { Vec::new() },
        changes: usize::from(is_call && !failed && !event.read_only),
        refused: usize::from(is_call && failed),
        failures: usize::from(lane == Lane::SignIns && failed),
    })
}

fn sign_in(event: &Facts) -> (Lane, Tone, String) {
    let from = format!("from {}", event.text("/sourceIPAddress"));
    if event.failed().is_some() {
        return (Lane::SignIns, Tone::Bad, from);
    }
    match event.text("/additionalEventData/MFAUsed") {
        "Yes" => (Lane::SignIns, Tone::Good, format!("Signed in with a second factor {from}")),
        _ => (Lane::SignIns, Tone::Warn, format!("Signed in without a second factor {from}")),
    }
}

fn call(event: &Facts) -> (Lane, Tone, String) {
    match event.failed() {
        Some(code) => (Lane::Calls, Tone::Bad, format!("Called {}: {code}", event.what())),
        None if event.read_only => (Lane::Calls, Tone::Good, format!("Called {}", event.what())),
        None => (Lane::Calls, Tone::Warn, format!("Called {}, which changed something", event.what())),
    }
}

/// None when it is a user's own device or key that the root user has dealt with.
fn guard(event: &Facts, what: &Guarding) -> Option<(Lane, Tone, String)> {
    let of_user =
        Some(event.text("/requestParameters/userName")).filter(|name| !name.is_empty() && *name != ROOT_NAME);
    if what.of_users_too && of_user.is_some() {
        return Some(call(event));
    }
    let mut text = what.text.to_owned();
    let reason = event.text("/requestParameters/reason");
    if !reason.is_empty() {
        let _ = write!(text, ": {reason}");
    }
    if event.is_from_host() {
        text.push_str(", by the operator at the host");
    }
    let tone = if let Some(code) = event.failed() {
        let _ = write!(text, " – refused, {code}");
        Tone::Bad
    } else {
        what.tone
    };
    Some((what.lane, tone, text))
}

/// Sessions of a sealed root user: from, until, in words. An end is that of the oldest session that is still open; without
/// one, a session ends when it was to end.
fn sessions(events: &[Facts], now: Time) -> Vec<(Time, Time, String)> {
    let mut open: Vec<(Time, Time, String)> = Vec::new();
    let mut over = Vec::new();
    for event in events.iter().filter(|event| event.failed().is_none()) {
        if event.name == "RootSessionStarted" {
            let expires = Time::parse(event.text("/requestParameters/expires")).unwrap_or(now);
            let reason = event.text("/requestParameters/reason");
            let label = format!("Session from {} on: {reason}", second(event.time));
            open.push((event.time, expires.min(now).max(event.time), label));
        } else if event.name == "RootSessionEnded" && !open.is_empty() {
            let (from, _, label) = open.remove(0);
            over.push((from, event.time, label));
        }
    }
    over.extend(open);
    over
}

/// What an event says about how the root user is guarded, or about a session of it.
struct Guarding {
    name: &'static str,
    lane: Lane,
    tone: Tone,
    text: &'static str,
    /// Users have such things too: with their name in the request, it is theirs.
    of_users_too: bool,
}

const fn guarding_of(name: &'static str, lane: Lane, tone: Tone, text: &'static str) -> Guarding {
    Guarding { name, lane, tone, text, of_users_too: false }
}

const fn own(name: &'static str, tone: Tone, text: &'static str) -> Guarding {
    Guarding { name, lane: Lane::Guard, tone, text, of_users_too: true }
}

fn guarding(name: &str) -> Option<&'static Guarding> {
    GUARDING.iter().find(|guarding| guarding.name == name)
}

#[rustfmt::skip]
const GUARDING: &[Guarding] = &[
    guarding_of("AcceptRootEmailUpdate", Lane::Guard, Tone::Warn, "E-mail address changed"),
    guarding_of("ChangeRootEmail", Lane::Guard, Tone::Warn, "E-mail address changed"),
    guarding_of("ChangeRootPassword", Lane::Guard, Tone::Warn, "Password changed"),
    own("CreateAccessKey", Tone::Bad, "Access key created"),
    guarding_of("CreateRootAccessKey", Lane::Guard, Tone::Bad, "Access key created"),
    own("DeactivateMFADevice", Tone::Bad, "Second factor removed"),
    own("DeleteAccessKey", Tone::Good, "Access key deleted"),
    guarding_of("DeleteGuardPolicy", Lane::Guard, Tone::Bad, "Guard policy removed"),
    own("EnableMFADevice", Tone::Good, "Second factor registered"),
    own("FinishPasskeyRegistration", Tone::Good, "Passkey registered"),
    guarding_of("PutGuardPolicy", Lane::Guard, Tone::Warn, "Guard policy set"),
    guarding_of("PutRootAccessSettings", Lane::Guard, Tone::Warn, "Approvers or session length changed"),
    guarding_of("ResetRootMfa", Lane::Guard, Tone::Bad, "All second factors removed"),
    guarding_of("ResetRootPassword", Lane::Guard, Tone::Bad, "Password set anew"),
    guarding_of("RootAccessRequested", Lane::Guard, Tone::Warn, "Approval asked for"),
    guarding_of("RootResealed", Lane::Guard, Tone::Good, "Seal closed by itself"),
    guarding_of("RootSessionEnded", Lane::Sessions, Tone::Good, "Session ended"),
    guarding_of("RootSessionStarted", Lane::Sessions, Tone::Warn, "Session began"),
    guarding_of("SealRoot", Lane::Guard, Tone::Good, "Seal closed"),
    guarding_of("UnsealRoot", Lane::Guard, Tone::Bad, "Seal broken"),
];

/// Of events that are nobody's call.
const BY_ITSELF: &str = "AwsServiceEvent";

/// The first few different names, and how many more there are.
fn names(calls: &[String]) -> String {
    let mut seen = HashSet::new();
    let different: Vec<&str> = calls.iter().map(String::as_str).filter(|name| seen.insert(*name)).collect();
    let shown = different.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    match different.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn ticks(span: Span, since: Time) -> Vec<Tick> {
    let at = |quarter: i64| since.plus_seconds(span.seconds() / 4 * quarter);
    let text = |time: Time| match span {
        Span::Day => clock(time),
        Span::All | Span::Month | Span::Week => second(time).get(5..10).unwrap_or_default().to_owned(),
    };
    let tick = |quarter: i64| {
        let (x, anchor) = match quarter {
            0 => ("0".to_owned(), "start"),
            4 => ("100".to_owned(), "end"),
            _ => (format!("{}", 25 * quarter), "middle"),
        };
        Tick { x, anchor, text: if quarter == 4 { "now".into() } else { text(at(quarter)) } }
    };
    (0..=4).map(tick).collect()
}

/// `16:44`
fn clock(time: Time) -> String {
    second(time).get(11..16).unwrap_or_default().to_owned()
}

/// Where a time is in the picture, which keeps room for half a mark at its ends.
fn percent(time: Time, since: Time, now: Time) -> f64 {
    let seconds = |from: Time, until: Time| {
        f64::from(i32::try_from(until.seconds() - from.seconds()).unwrap_or(i32::MAX))
    };
    let part = seconds(since, time.max(since).min(now)) / seconds(since, now).max(1.0);
    MARGIN + part * (100.0 - 2.0 * MARGIN)
}

fn shown(percent: f64) -> String {
    format!("{percent:.2}")
}

const fn y(lane: Lane) -> usize {
    let place = match lane {
        Lane::SignIns => 0,
        Lane::Sessions => 1,
        Lane::Guard => 2,
        Lane::Calls => 3,
    };
    LANE_TOP + LANE_HEIGHT * place
}

const LANE_TOP: usize = 34;
const LANE_HEIGHT: usize = 44;
const MARGIN: f64 = 1.5;
/// Sessions are no shorter, in percent.
const WIDTH_MIN: f64 = 1.0;
/// Room that a mark takes on a phone, in percent.
const MARK_WIDTH: f64 = 3.0;
/// What follows within this time may be more of the same.
const GAP_SECONDS: i64 = 1_800;
/// Names in a list of calls.
const NAMES_MAX: usize = 4;
/// Lines below the picture.
const TOLD_MAX: usize = 50;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::trail::facts::tests::facts;

    const NOW: i64 = 10_000_000;

    fn by_root(seconds: i64, name: &str, more: Value) -> Facts {
        let mut record =
            json!({ "userIdentity": { "type": "Root" }, "readOnly": true, "sourceIPAddress": "192.0.2.7" });
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        facts(seconds, name, record)
    }

    fn drawn(events: Vec<Facts>) -> Drawing {
        draw(events, true, Span::Day, Time::from_seconds(NOW))
    }

    fn texts(drawing: &Drawing) -> Vec<&str> {
        drawing.told.iter().map(|told| told.text.as_str()).collect()
    }

    #[test]
    fn everything_of_root_is_told_newest_first_and_once() {
        let failed = json!({ "errorMessage": "Failed authentication" });
        let start = json!({ "requestParameters": { "reason": "drill" }, "eventType": BY_ITSELF });
        let events = vec![
            by_root(NOW - 80, "ConsoleLogin", json!({ "additionalEventData": { "MFAUsed": "Yes" } })),
            by_root(NOW - 90, "ConsoleLogin", failed),
            by_root(NOW - 79, "RootSessionStarted", start.clone()),
            by_root(NOW - 79, "RootSessionStarted", start),
            by_root(NOW - 60, "EnableMFADevice", json!({ "readOnly": false })),
            facts(NOW - 50, "ResetRootMfa", json!({ "eventSource": "rootward.host" })),
            facts(NOW - 40, "ListAccounts", json!({ "eventSource": "rootward.host" })),
            by_root(NOW - 30, "CheckMfa", json!({})),
        ];
        let expected = [
            "All second factors removed, by the operator at the host",
            "Second factor registered",
            "Session began: drill",
            "Signed in with a second factor from 192.0.2.7",
            "Sign-in failed from 192.0.2.7",
        ];
        assert_eq!(texts(&drawn(events)), expected);
    }

    #[test]
    fn calls_and_failed_sign_ins_that_follow_one_another_are_one() {
        let call = |seconds, name, more| by_root(NOW - seconds, name, more);
        let failed = || json!({ "errorMessage": "Failed authentication" });
        let events = vec![
            call(5_000, "ConsoleLogin", failed()),
            call(4_940, "ConsoleLogin", failed()),
            call(4_900, "ListUsers", json!({})),
            call(4_800, "ListUsers", json!({})),
            call(4_700, "CreateUser", json!({ "readOnly": false })),
            call(4_600, "GetUser", json!({ "errorCode": "NoSuchEntity" })),
            call(100, "CreateUser", json!({ "readOnly": false, "eventSource": "iam.amazonaws.com" })),
        ];
        let drawing = drawn(events);
        let [last, calls, sign_ins] = texts(&drawing).try_into().unwrap();
        assert_eq!(last, "Called iam:CreateUser, which changed something");
        assert_eq!(calls, "4 calls until 16:30 (1 change, 1 refused): ListUsers, CreateUser, GetUser");
        assert_eq!(sign_ins, "2 sign-ins failed until 16:24, the first from 192.0.2.7");
        assert_eq!(
            drawing.told.iter().map(|told| told.tone).collect::<Vec<_>>(),
            [Tone::Warn, Tone::Bad, Tone::Bad]
        );
    }

    #[test]
    fn keys_and_devices_of_users_are_calls() {
        let of = |name: &str| {
            let of_user = json!({ "requestParameters": { "userName": name }, "readOnly": false });
            drawn(vec![by_root(NOW - 10, "EnableMFADevice", of_user)])
        };
        assert_eq!(texts(&of("ann")), ["Called iam:EnableMFADevice, which changed something"]);
        assert_eq!(texts(&of(ROOT_NAME)), ["Second factor registered"]);
    }

    #[test]
    fn others_are_not_in_it_whatever_their_name() {
        let events = vec![
            facts(NOW, "CreateUser", json!({ "userIdentity": { "type": "IAMUser", "userName": "root" } })),
            facts(NOW, "ConsoleLogin", json!({ "userIdentity": { "type": "IAMUser", "userName": "root" } })),
            facts(NOW, "UnsealRoot", json!({ "userIdentity": { "type": "IAMUser" } })),
        ];
        assert!(texts(&drawn(events)).is_empty());
    }

    #[test]
    fn session_is_a_bar_from_its_beginning_to_its_end() {
        let began = |seconds: i64, minutes: i64| {
            let expires = Time::from_seconds(NOW - seconds + 60 * minutes).to_string();
            let parameters = json!({ "reason": "drill", "expires": expires });
            by_root(NOW - seconds, "RootSessionStarted", json!({ "requestParameters": parameters }))
        };
        let ended = facts(NOW - 43_200, "RootSessionEnded", json!({ "eventType": BY_ITSELF }));
        let drawing = drawn(vec![began(64_800, 600), ended, began(3_600, 600)]);
        let bars: Vec<_> =
            drawing.marks.iter().map(|mark| (mark.x.as_str(), mark.width.as_deref())).collect();
        assert_eq!(bars, [("25.75", Some("24.25")), ("94.46", Some("4.04"))]);
    }

    #[test]
    fn marks_that_would_lie_over_one_another_are_one_of_the_worst_tone() {
        let host = |seconds, name| facts(NOW - seconds, name, json!({ "eventSource": "rootward.host" }));
        let drawing = drawn(vec![host(40_000, "SealRoot"), host(300, "UnsealRoot"), host(200, "SealRoot")]);
        let tones: Vec<_> = drawing.marks.iter().map(|mark| mark.tone).collect();
        assert_eq!((tones, drawing.told.len()), (vec![Tone::Good, Tone::Bad], 3));
        assert!(
            drawing.marks[1].label.contains("Seal broken") && drawing.marks[1].label.contains("Seal closed")
        );
    }

    #[test]
    fn everything_stays_in_the_picture() {
        let events = vec![by_root(0, "GetUser", json!({})), by_root(NOW + 60, "GetUser", json!({}))];
        let places: Vec<f64> = drawn(events).marks.iter().map(|mark| mark.x.parse().unwrap()).collect();
        assert_eq!(places, [MARGIN, 100.0 - MARGIN]);
    }
}

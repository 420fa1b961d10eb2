//! Alerts of a node: following the log, and the host commands about targets.

use std::sync::Arc;

use rootward_alerts::{Alerts, NewTarget, Setup, Totals, send_test, shown};
use rootward_audit::EventId;
use rootward_services::accounts::AccountError;
use rootward_state::alerts::{AlertCursor, AlertTarget};
use rootward_state::{NameKey, RowKey};
use serde_json::{Value, json};

use super::Node;
use super::host::Changed;
use crate::operator::OperatorError;
use crate::source::Source;

/// Each has a thread of its own.
const TARGETS_MAX: usize = 64;

impl Node {
    /// Starts telling targets what is worth an alert; a node that is opened for one host command does not.
    pub(crate) fn start_alerts(&self) {
        self.alerts.get_or_init(|| {
            Alerts::start(Setup {
                db: Arc::clone(&self.db),
                log: Arc::clone(&self.log),
                vault: Arc::clone(&self.vault),
                bell: Arc::clone(&self.bell),
                // Receivers hold the time against their own clock, also in a sandbox whose clock is made up.
                source: Arc::new(Source::Machine),
            })
        });
    }

    pub(super) fn stop_alerts(&self) {
        if let Some(alerts) = self.alerts.get() {
            alerts.stop();
        }
    }

    /// How many targets do not take their alerts, and what was done since the start.
    pub(crate) fn alert_figures(&self) -> (usize, Totals) {
        self.alerts.get().map_or((0, Totals::default()), |alerts| (alerts.failing(), alerts.totals()))
    }

    /// Adds a target, for a host command.
    pub(crate) fn add_alert_target(&self, new: &NewTarget<'_>) -> Result<Value, OperatorError> {
        let parameters = json!({
            "targetName": new.name,
            "accountId": new.account.map(|id| id.to_string()),
            "severity": new.severity.name(),
        });
        // What happened before is older than the target, and so must be its record.
        self.catch_up();
        let made = self.host_write("AddAlertTarget", &parameters, |txn, now, random| {
            let made = new.make(now, &self.vault, random).map_err(|error| refused(&error))?;
            let key = NameKey::new(new.name);
            if let Some(id) = new.account
                && txn.account(id).is_none()
            {
                return Err(AccountError::NoSuchAccount(id).into());
            }
            if txn.get::<AlertTarget>(RowKey::AlertTarget(key.clone())).is_some() {
                return Err(refused(&format_args!(
                    "there is a target `{0}` already; `rootward alerts remove {0}` makes room for another",
                    new.name
                )));
            }
            if txn.world().alert_targets().count() >= TARGETS_MAX {
                return Err(refused(&format_args!("there are {TARGETS_MAX} targets already")));
            }
            let cursor = AlertCursor { seq: self.log.head().seq, delivered: None };
            txn.put(RowKey::AlertTarget(key.clone()), made.target.clone());
            txn.put(RowKey::AlertCursor(key), cursor);
            let elements = json!({ "target": shown(&made.target) });
            Ok(Changed { account: new.account, elements, result: made })
        })?;
        self.reload_alerts();
        let mut answer = json!({ "Name": made.target.name, "Target": shown(&made.target) });
        if let (Some(secret), Some(answer)) = (&made.secret, answer.as_object_mut()) {
            answer.insert("Secret".into(), json!(**secret));
        }
        Ok(answer)
    }

    /// Removes a target, for a host command. What it was not told yet it will never be.
    pub(crate) fn remove_alert_target(&self, name: &str) -> Result<Value, OperatorError> {
        let target = self.host_write("RemoveAlertTarget", &json!({ "targetName": name }), |txn, _, _| {
            let key = NameKey::new(name);
            let target = txn.get::<AlertTarget>(RowKey::AlertTarget(key.clone()));
            let target = target.ok_or_else(|| no_such_target(name))?;
            txn.delete(RowKey::AlertTarget(key.clone()));
            txn.delete(RowKey::AlertCursor(key));
            let elements = json!({ "target": shown(&target) });
            Ok(Changed { account: target.account, elements, result: target })
        })?;
        self.reload_alerts();
        Ok(json!({ "Name": target.name, "Target": shown(&target) }))
    }

    /// All targets and how their deliveries go, for a host command.
    pub(crate) fn list_alert_targets(&self) -> Result<Value, OperatorError> {
        let world = self.db.snapshot();
        let targets: Vec<Value> = world.alert_targets().map(|target| self.shown_target(target)).collect();
        self.record_read("ListAlertTargets", &json!({}), Ok(json!({ "targets": targets })))
    }

    fn shown_target(&self, target: &AlertTarget) -> Value {
        let world = self.db.snapshot();
        let cursor = world.alert_cursor(&target.name);
        let delivery = self.alerts.get().and_then(|alerts| alerts.delivery(&target.name));
        // Without a thread what is written down is all that is known.
        let (seq, delivered) = delivery.as_ref().map_or_else(
            || cursor.map_or((0, None), |cursor| (cursor.seq, cursor.delivered)),
            |delivery| (delivery.seq, delivery.delivered),
        );
        let failure = delivery.as_ref().and_then(|delivery| delivery.failure.as_ref());
        let waiting = delivery.as_ref().and_then(|delivery| delivery.waiting_since);
        json!({
            "name": target.name,
            "target": shown(target),
            "accountId": target.account.map(|id| id.to_string()),
            "severity": target.severity.name(),
            "created": target.created.to_string(),
            "followed": delivery.is_some(),
            "lastSuccess": delivered.map(|time| time.to_string()),
            "lastError": failure.map(|(time, why)| json!({ "time": time.to_string(), "text": why.to_string() })),
            "waitingSince": waiting.map(|time| time.to_string()),
            "backlogRecords": self.log.head().seq.saturating_sub(seq),
        })
    }

    /// Sends a test alert and waits for the outcome, for a host command.
    pub(crate) fn test_alert_target(&self, name: &str) -> Result<Value, OperatorError> {
        let outcome = match self.db.snapshot().alert_target(name) {
            None => Err(no_such_target(name)),
            Some(target) => {
                let id = EventId::new(self.source.now(), &mut self.draw()).to_string();
                send_test(target, &self.vault, &id, self.source.now())
                    .map(|()| json!({ "Name": target.name, "Target": shown(target), "EventId": id }))
                    .map_err(|why| OperatorError::Failed(format!("the target did not take the alert: {why}")))
            }
        };
        self.record_read("TestAlertTarget", &json!({ "targetName": name }), outcome)
    }

    fn reload_alerts(&self) {
        if let Some(alerts) = self.alerts.get() {
            alerts.reload();
        }
    }
}

fn refused(why: &dyn std::fmt::Display) -> OperatorError {
    OperatorError::Refused(why.to_string())
}

fn no_such_target(name: &str) -> OperatorError {
    refused(&format_args!("there is no target `{name}`"))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use rootward_alerts::NewRoute;
    use rootward_names::AccountId;
    use rootward_state::alerts::Severity;

    use crate::front::Face;

    use super::*;
    use crate::Location;

    /// The address of a receiver, and what it is told.
    fn receiver() -> (String, Receiver<Value>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (tell, told) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let (mut length, mut line) = (0, String::new());
                while reader.read_line(&mut line).unwrap() > 2 {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let answer = b"HTTP/1.1 204 x\r\nconnection: close\r\n\r\n";
                reader.into_inner().write_all(answer).unwrap();
                let _ = tell.send(serde_json::from_slice(&body).unwrap());
            }
        });
        (url, told)
    }

    fn add(node: &Node, name: &str, url: &str, account: Option<AccountId>) -> Result<Value, OperatorError> {
        let route = NewRoute::Webhook { url, secret: None };
        node.add_alert_target(&NewTarget { name, account, severity: Severity::Info, route })
    }

    #[track_caller]
    fn next(told: &Receiver<Value>) -> String {
        let event = told.recv_timeout(Duration::from_secs(20)).unwrap();
        event["data"]["eventName"].as_str().unwrap().to_owned()
    }

    fn listed(node: &Node) -> Value {
        node.list_alert_targets().ok().unwrap()["targets"].clone()
    }

    #[test]
    fn sandbox_tells_from_when_a_target_is_added_until_it_is_removed() {
        let node = Node::sandbox(Some(7), false, &Face::none()).unwrap();
        node.start_alerts();
        let (url, told) = receiver();
        let answer = add(&node, "hook", &url, None).ok().unwrap();
        assert!(answer["Secret"].as_str().unwrap().starts_with("whsec_"));
        assert_eq!(next(&told), "AddAlertTarget");
        node.create_root_access_key(AccountId::SANDBOX).ok().unwrap();
        assert_eq!(next(&told), "CreateRootAccessKey");
        node.test_alert_target("HOOK").ok().unwrap();
        assert_eq!(next(&told), "TestAlertTarget");
        assert_eq!(node.alert_figures().0, 0);
        node.remove_alert_target("hook").ok().unwrap();
        assert_eq!(listed(&node), json!([]));
        node.close();
    }

    #[test]
    fn target_that_cannot_be_is_refused_and_no_record_has_its_address() {
        let node = Node::sandbox(None, false, &Face::none()).unwrap();
        let refused = |outcome: Result<Value, OperatorError>| match outcome {
            Err(OperatorError::Refused(why)) => why,
            other => panic!("not refused: {other:?}"),
        };
        let url = "https://hooks.example.com/very-secret";
        assert!(refused(add(&node, "a b", url, None)).contains("a target's name"));
        let nobody = AccountId::from_number(1);
        assert!(refused(add(&node, "a", url, nobody)).contains("000000000001"));
        add(&node, "a", url, Some(AccountId::SANDBOX)).ok().unwrap();
        let why = refused(add(&node, "A", url, None));
        assert!(why.starts_with("there is a target `A` already; `rootward alerts remove A`"), "{why}");
        assert_eq!(refused(node.remove_alert_target("b")), "there is no target `b`");
        assert_eq!(refused(node.test_alert_target("b")), "there is no target `b`");
        let records = node.tail_trail(100, None).ok().unwrap().to_string();
        assert!(records.contains("https://hooks.example.com") && !records.contains("very-secret"));
        assert!(!listed(&node).to_string().contains("very-secret"));
        node.close();
    }

    #[test]
    fn target_added_without_a_server_is_told_by_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::new(folder.path().join("data"), None);
        let (url, told) = receiver();
        let node = Node::open(&location, &Face::none()).unwrap();
        add(&node, "hook", &url, None).ok().unwrap();
        assert_eq!(listed(&node)[0]["followed"], false);
        node.close();
        assert!(told.recv_timeout(Duration::from_millis(300)).is_err());
        let node = Node::open(&location, &Face::none()).unwrap();
        node.start_alerts();
        assert_eq!(next(&told), "AddAlertTarget");
        node.close();
        let node = Node::open(&location, &Face::none()).unwrap();
        assert!(listed(&node)[0]["lastSuccess"].is_string());
        node.start_alerts();
        assert!(told.recv_timeout(Duration::from_millis(300)).is_err(), "told again after a clean stop");
        node.close();
    }
}

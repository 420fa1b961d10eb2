//! How host commands run: each is on record, whether it changed something, only read, or was refused.

use rootward_audit::{Call, Entry, EventId, EventType, Failure, Lane, Record, UserIdentity};
use rootward_names::{AccountId, Partition, Random, Time};
use rootward_state::{ATTEMPTS_MAX, CommitError, Txn};
use serde_json::Value;

use super::Node;
use crate::operator::OperatorError;

/// A host command, as it goes on record.
#[derive(Clone, Copy)]
struct Asked<'a> {
    name: &'a str,
    parameters: &'a Value,
    /// Whether it could change nothing.
    read_only: bool,
}

/// Whose hand is on the host, as records have it.
#[derive(Clone, Copy)]
pub(super) struct Hand<'a> {
    /// `invokedBy` of the identity.
    pub(super) name: &'static str,
    /// Where from.
    pub(super) source_ip: &'a str,
    pub(super) user_agent: Option<&'a str>,
}

impl Hand<'static> {
    /// Who can open the node's files.
    pub(super) const OPERATOR: Self =
        Self { name: "rootward host command", source_ip: "operator socket", user_agent: None };
}

impl<'a> Hand<'a> {
    /// Who has the setup code, in a browser.
    pub(super) const fn setup_code(source_ip: &'a str, user_agent: Option<&'a str>) -> Self {
        Self { name: "rootward setup code", source_ip, user_agent }
    }
}

/// What a host command changed.
pub(super) struct Changed<R> {
    /// In whose trail it is recorded; none for what is of the whole server.
    pub(super) account: Option<AccountId>,
    /// `responseElements` of the record.
    pub(super) elements: Value,
    pub(super) result: R,
}

impl Node {
    /// Records a command that changes nothing, whether or not it could be answered.
    pub(super) fn record_read(
        &self,
        name: &str,
        parameters: &Value,
        answer: Result<Value, OperatorError>,
    ) -> Result<Value, OperatorError> {
        let asked = Asked { name, parameters, read_only: true };
        if let Err(error) = &answer {
            self.record_refused_by(Hand::OPERATOR, asked, error);
            return answer;
        }
        let (account, now) = (account_of(parameters), self.source.now());
        let entry = self.host_entry(Hand::OPERATOR, asked, account, Ok(&Value::Null), now);
        if self.writer.try_send(Lane::Plain, entry).is_err() {
            return Err(OperatorError::Failed(
                "the question cannot be recorded, and so is not answered".into(),
            ));
        }
        answer
    }

    /// Commits what `change` does, with its record, as host commands do: again when it loses a race.
    pub(super) fn host_write<R>(
        &self,
        name: &str,
        parameters: &Value,
        change: impl Fn(&mut Txn, Time, &mut dyn Random) -> Result<Changed<R>, OperatorError>,
    ) -> Result<R, OperatorError> {
        self.host_write_by(Hand::OPERATOR, name, parameters, change)
    }

    /// The same by another hand than the operator's.
    pub(super) fn host_write_by<R>(
        &self,
        hand: Hand<'_>,
        name: &str,
        parameters: &Value,
        change: impl Fn(&mut Txn, Time, &mut dyn Random) -> Result<Changed<R>, OperatorError>,
    ) -> Result<R, OperatorError> {
        let asked = Asked { name, parameters, read_only: false };
        for _ in 0..ATTEMPTS_MAX {
            let (mut txn, now) = (self.db.begin(), self.source.now());
            let Changed { account, elements, result } = match change(&mut txn, now, &mut self.draw()) {
                Ok(done) => done,
                Err(error) => {
                    self.record_refused_by(hand, asked, &error);
                    return Err(error);
                }
            };
            let entry = self.host_entry(hand, asked, account, Ok(&elements), now);
            txn.put_outbox(entry.id().to_bytes(), entry.json().as_bytes());
            match self.db.commit_wait(txn) {
                Ok(_) => return Ok(result),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(OperatorError::Failed(error.to_string())),
            }
        }
        Err(OperatorError::Failed("too many other changes at the same time; try again".into()))
    }

    /// Records a command that would have changed something, and got no further than its arguments.
    pub(super) fn record_refused(&self, name: &str, parameters: &Value, error: &OperatorError) {
        self.record_refused_by(Hand::OPERATOR, Asked { name, parameters, read_only: false }, error);
    }

    fn record_refused_by(&self, hand: Hand<'_>, asked: Asked<'_>, error: &OperatorError) {
        let account = account_of(asked.parameters);
        let message = error.to_string();
        let code = if error.is_callers_fault() { "OperatorCommandRefused" } else { "OperatorCommandFailed" };
        let failure = Failure { code: Some(code), message: &message };
        let entry = self.host_entry(hand, asked, account, Err(failure), self.source.now());
        if self.writer.try_send(Lane::Plain, entry).is_err() {
            tracing::warn!("a host command that did not succeed could not be recorded");
        }
    }

    fn host_entry(
        &self,
        hand: Hand<'_>,
        asked: Asked<'_>,
        account: Option<AccountId>,
        ended: Result<&Value, Failure<'_>>,
        now: Time,
    ) -> Entry {
        let region = Partition::Aws.global_region();
        let call = Call { source: "rootward.host", name: asked.name, region, source_ip: hand.source_ip };
        let id = EventId::new(now, &mut self.draw());
        let request = serde_json::value::to_raw_value(asked.parameters).ok();
        let response =
            ended.as_ref().ok().and_then(|elements| serde_json::value::to_raw_value(elements).ok());
        Entry::new(&Record {
            failure: ended.err(),
            request: request.as_deref(),
            response: response.as_deref(),
            event_type: EventType::AwsServiceEvent,
            recipient: account,
            read_only: asked.read_only,
            user_agent: hand.user_agent,
            ..Record::new(id, now, call, UserIdentity::Service { name: hand.name })
        })
    }
}

/// In whose trail a command is recorded: the account it names.
fn account_of(parameters: &Value) -> Option<AccountId> {
    parameters.get("accountId").and_then(Value::as_str).and_then(|id| id.parse().ok())
}

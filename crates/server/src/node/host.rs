//! How host commands run: each is on record, whether it changed something, only read, or was refused.

use rootward_audit::{Call, Entry, EventId, EventType, Failure, Lane, Record, UserIdentity};
use rootward_names::{AccountId, Partition, Random, Time};
use rootward_state::{ATTEMPTS_MAX, CommitError, Txn};
use serde_json::Value;

use super::Node;
use crate::operator::OperatorError;

/// The host commands on record that change nothing.
const READING: [&str; 6] =
    ["Can", "GetRootProtection", "ListAccounts", "ListAlertTargets", "TestAlertTarget", "WhoCan"];
/// Where records of host commands say they come from.
const HOST: &str = "operator socket";

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
        if let Err(error) = &answer {
            self.record_refused(name, parameters, error);
            return answer;
        }
        let entry =
            self.host_entry(name, parameters, account_of(parameters), Ok(&Value::Null), self.source.now());
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
        for _ in 0..ATTEMPTS_MAX {
            let (mut txn, now) = (self.db.begin(), self.source.now());
            let Changed { account, elements, result } = match change(&mut txn, now, &mut self.draw()) {
                Ok(done) => done,
                Err(error) => {
                    self.record_refused(name, parameters, &error);
                    return Err(error);
                }
            };
            let entry = self.host_entry(name, parameters, account, Ok(&elements), now);
            txn.put_outbox(entry.id().to_bytes(), entry.json().as_bytes());
            match self.db.commit_wait(txn) {
                Ok(_) => return Ok(result),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(OperatorError::Failed(error.to_string())),
            }
        }
        Err(OperatorError::Failed("too many other changes at the same time; try again".into()))
    }

    pub(super) fn record_refused(&self, name: &str, parameters: &Value, error: &OperatorError) {
        let account = account_of(parameters);
        let message = error.to_string();
        let code = if error.is_callers_fault() { "OperatorCommandRefused" } else { "OperatorCommandFailed" };
        let failure = Failure { code: Some(code), message: &message };
        let entry = self.host_entry(name, parameters, account, Err(failure), self.source.now());
        if self.writer.try_send(Lane::Plain, entry).is_err() {
            tracing::warn!("a host command that did not succeed could not be recorded");
        }
    }

    fn host_entry(
        &self,
        name: &str,
        parameters: &Value,
        account: Option<AccountId>,
        ended: Result<&Value, Failure<'_>>,
        now: Time,
    ) -> Entry {
        let call =
            Call { source: "rootward.host", name, region: Partition::Aws.global_region(), source_ip: HOST };
        let id = EventId::new(now, &mut self.draw());
        let request = serde_json::value::to_raw_value(parameters).ok();
        let response =
            ended.as_ref().ok().and_then(|elements| serde_json::value::to_raw_value(elements).ok());
        Entry::new(&Record {
            failure: ended.err(),
            request: request.as_deref(),
            response: response.as_deref(),
            event_type: EventType::AwsServiceEvent,
            recipient: account,
            read_only: READING.contains(&name),
            ..Record::new(id, now, call, UserIdentity::Service { name: "rootward host command" })
        })
    }
}

/// In whose trail a command is recorded: the account it names.
fn account_of(parameters: &Value) -> Option<AccountId> {
    parameters.get("accountId").and_then(Value::as_str).and_then(|id| id.parse().ok())
}

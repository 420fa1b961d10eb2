//! The host commands that ask who may do what: an answer, and that it was asked on record.

use rootward_names::{AccountId, Arn};
use serde_json::{Value, json};

use super::Node;
use crate::operator::OperatorError;
use crate::questions::{self, Place, Question};

impl Node {
    /// Whether a principal may do something, for a host command.
    pub(crate) fn can(
        &self,
        principal: &str,
        account: Option<AccountId>,
        question: &Question,
    ) -> Result<Value, OperatorError> {
        let (world, now) = (self.db.snapshot(), self.source.now());
        let answer = questions::can(&world, principal, account, question, now, &mut self.draw());
        // The account that the principal turned out to be of.
        let found =
            answer.as_ref().ok().and_then(|answer| Arn::parse(answer.get("principal")?.as_str()?).ok());
        let account = account.map(|id| id.to_string()).or_else(|| found.map(|arn| arn.account.to_owned()));
        let parameters = json!({ "principal": principal, "accountId": account, "action": question.action,
            "resource": question.resource });
        self.record_read("Can", &parameters, answer)
    }

    /// Who may do something, for a host command. The first portion is on record, for all of them.
    pub(crate) fn who_can(
        &self,
        account: Option<AccountId>,
        question: &Question,
        after: Option<&Place>,
    ) -> Result<Value, OperatorError> {
        let (world, now) = (self.db.snapshot(), self.source.now());
        let answer = questions::who_can(&world, account, question, after, now, &mut self.draw());
        if after.is_some() {
            return answer;
        }
        let parameters = json!({ "accountId": account.map(|id| id.to_string()), "action": question.action,
            "resource": question.resource });
        self.record_read("WhoCan", &parameters, answer)
    }
}

//! What host commands do about accounts that exist: list them, give their root users other addresses, close them and open
//! them again.

use rootward_names::{AccountId, Random, Time};
use rootward_services::accounts::{self, AccountError};
use rootward_services::sign_ins::{End, Why};
use rootward_state::Txn;
use rootward_state::entities::{Account, AccountStatus};
use serde_json::{Value, json};

use super::{Changed, Node};
use crate::operator::OperatorError;

impl Node {
    /// Every account, by id.
    pub(crate) fn list_accounts(&self) -> Result<Value, OperatorError> {
        let (world, now) = (self.db.snapshot(), self.source.now());
        let accounts: Vec<_> = world.accounts().map(|state| shown(state.account(), now)).collect();
        self.record_read("ListAccounts", &json!({}), Ok(json!({ "Accounts": accounts })))
    }

    /// Gives a root user another e-mail address: whoever can open the node's files vouches for it.
    pub(crate) fn change_email(&self, account: AccountId, email: &str) -> Result<Value, OperatorError> {
        let parameters = json!({ "accountId": account.to_string(), "email": email });
        self.host_write("ChangeRootEmail", &parameters, |txn, _, _| {
            let old = accounts::change_email(txn, account, email)?;
            let elements = json!({ "previousEmail": old });
            Ok(Changed {
                account: Some(account),
                elements,
                result: json!({ "AccountId": account.to_string(), "Email": email }),
            })
        })
    }

    /// Closes an account.
    pub(crate) fn close_account(&self, account: AccountId) -> Result<Value, OperatorError> {
        self.change_status("CloseAccount", account, |txn, account, now, random| {
            let end = End { why: Why::AccountClosed, source_ip: None, now };
            accounts::close(txn, account, &end, random)
        })
    }

    /// Opens a closed account again.
    pub(crate) fn reopen_account(&self, account: AccountId) -> Result<Value, OperatorError> {
        self.change_status("ReopenAccount", account, |txn, account, now, _| {
            accounts::reopen(txn, account, now)
        })
    }

    fn change_status(
        &self,
        name: &str,
        account: AccountId,
        change: fn(&mut Txn, AccountId, Time, &mut dyn Random) -> Result<(), AccountError>,
    ) -> Result<Value, OperatorError> {
        let parameters = json!({ "accountId": account.to_string() });
        self.host_write(name, &parameters, |txn, now, random| {
            change(txn, account, now, random)?;
            let row = txn.account(account).ok_or(AccountError::NoSuchAccount(account))?;
            Ok(Changed {
                account: Some(account),
                elements: json!({ "status": status(&row, now) }),
                result: shown(&row, now),
            })
        })
    }
}

fn shown(account: &Account, now: Time) -> Value {
    json!({
        "AccountId": account.id.to_string(),
        "Name": account.name,
        "Email": account.email,
        "Alias": account.alias,
        "Status": status(account, now),
        "Opened": account.created.to_string(),
        "ReopenableUntil": account.status.reopenable_until().map(|until| until.to_string()),
    })
}

/// In the words of Account Management.
fn status(account: &Account, now: Time) -> &'static str {
    match account.status {
        AccountStatus::Active => "ACTIVE",
        status if status.is_gone(now) => "CLOSED",
        AccountStatus::Suspended | AccountStatus::Closed { .. } => "SUSPENDED",
    }
}

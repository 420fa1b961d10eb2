//! Host commands about accounts: open, list and close them, open them again, and give their root users other addresses.

use std::sync::PoisonError;

use rootward_auth::password::Password;
use rootward_console::Opening;
use rootward_names::{AccountId, Partition, Random, Time};
use rootward_services::accounts::{self, AccountError, OpenAccount};
use rootward_services::session_end::{End, Why};
use rootward_state::Txn;
use rootward_state::entities::{Account, AccountStatus};
use serde_json::{Value, json};

use super::Node;
use super::host::{Changed, Hand};
use super::root::access_key;
use crate::operator::OperatorError;

impl Node {
    /// Opens an account, for a host command.
    pub(crate) fn create_account(
        &self,
        name: &str,
        email: &str,
        password: Option<&str>,
        admin: Option<&str>,
    ) -> Result<Value, OperatorError> {
        self.open_account(Hand::OPERATOR, name, email, password, admin)
    }

    fn open_account(
        &self,
        hand: Hand<'_>,
        name: &str,
        email: &str,
        password: Option<&str>,
        admin: Option<&str>,
    ) -> Result<Value, OperatorError> {
        let hash = password
            .map(|text| accounts::root_password(&Password::new(text), name, email, &mut self.draw()))
            .transpose()?;
        let request = OpenAccount { name, email, password: hash, admin, partition: Partition::Aws, id: None };
        let parameters = json!({ "accountName": name, "email": email, "adminUserName": admin });
        let opened = self.host_write_by(hand, "CreateAccount", &parameters, |txn, now, random| {
            let opened = accounts::open(txn, &request, now, random, &self.vault)?;
            let admin = opened.admin.as_ref();
            let admin =
                admin.map(|admin| json!({ "arn": admin.arn, "accessKeyId": admin.key.id.to_string() }));
            let elements = json!({ "accountId": opened.account.to_string(), "admin": admin });
            Ok(Changed { account: Some(opened.account), elements, result: opened })
        })?;
        let mut answer = json!({
            "AccountId": opened.account.to_string(),
            "Root": { "Arn": opened.root_arn, "Email": email },
        });
        if let (Some(admin), Some(answer)) = (&opened.admin, answer.as_object_mut()) {
            let key = access_key(&admin.key);
            answer.insert(
                "Admin".into(),
                json!({ "UserName": admin.user_name, "Arn": admin.arn, "AccessKey": key }),
            );
        }
        Ok(answer)
    }

    /// Opens the first account, for who has the setup code. Of two at once one finds that it is not the first.
    pub(crate) fn open_first_account(&self, opening: &Opening<'_>) -> Result<AccountId, OperatorError> {
        let Opening { name, email, password, address, user_agent } = *opening;
        let _one_at_a_time = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if self.accounts() > 0 {
            return Err(OperatorError::Refused("there is an account already: sign in to it".into()));
        }
        let address = address.to_string();
        let hand = Hand::setup_code(&address, user_agent);
        let opened = self.open_account(hand, name, email, Some(password), None)?;
        let id = opened.get("AccountId").and_then(Value::as_str).and_then(|id| id.parse().ok());
        id.ok_or_else(|| OperatorError::Failed("the account was opened and its id is not known".into()))
    }

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

//! Host commands about root users: how they are guarded, and help for those who are locked out.

use std::sync::Arc;

use rootward_auth::password::Password;
use rootward_auth::totp::Seed;
use rootward_names::{AccountId, Handle, Time};
use rootward_services::accounts::{self, AccountError};
use rootward_services::guard_policy;
use rootward_services::hardware_tokens::import_hardware_token;
use rootward_services::root_guard::{self, GuardError, Settings};
use rootward_services::root_report::{Around, Device, DeviceKind, Finding, Key, RootReport, Severity};
use rootward_services::root_user;
use rootward_services::session_end::{End, Why};
use rootward_state::entities::{Account, GuardPolicy, RootGuard, Seal};
use rootward_state::{AccountState, RowKey, World};
use serde_json::{Value, json};

use super::Node;
use super::host::Changed;
use crate::operator::OperatorError;

const DAY_SECONDS: i64 = 86_400;

/// Accounts that are named to whoever must choose one.
const CHOICES_MAX: usize = 20;

/// The only account there is, which is meant where none is named.
///
/// # Errors
/// [`OperatorError::Refused`]: there is none, or there are several, which are named.
pub(crate) fn only_account(world: &World) -> Result<&Arc<AccountState>, OperatorError> {
    let mut accounts = world.accounts();
    match (accounts.next(), accounts.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(OperatorError::Refused("there is no account yet".into())),
        (Some(first), Some(second)) => {
            let shown = |state: &Arc<AccountState>| {
                let account = state.account();
                format!("{} ({}, {})", account.id, account.name, account.email)
            };
            let mut choices: Vec<_> = [first, second]
                .into_iter()
                .chain(accounts.by_ref().take(CHOICES_MAX - 2))
                .map(shown)
                .collect();
            if accounts.next().is_some() {
                choices.push("and others, see `rootward account list`".to_owned());
            }
            Err(OperatorError::Refused(format!(
                "there are several accounts; say which with --account: {}",
                choices.join(", ")
            )))
        }
    }
}

impl Node {
    /// The account that a host command means: the one it names, or the only one there is.
    pub(crate) fn meant(&self, named: Option<AccountId>) -> Result<AccountId, OperatorError> {
        let world = self.db.snapshot();
        named.map_or_else(|| only_account(&world).map(|state| state.account().id), Ok)
    }

    /// How well root users are guarded, of one account or of all.
    pub(crate) fn root_status(&self, account: Option<AccountId>) -> Result<Value, OperatorError> {
        let (world, now) = (self.db.snapshot(), self.source.now());
        let parameters = json!({ "accountId": account.map(|id| id.to_string()) });
        let answer = match account {
            Some(id) => world.account(id).map(|state| vec![state]).ok_or(AccountError::NoSuchAccount(id)),
            None => Ok(world.accounts().collect()),
        };
        let answer = answer.map_err(OperatorError::from).map(|states| {
            let of = |state: &Arc<AccountState>| {
                report(&RootReport::new(state, Around::of(&world, state.account().id), now), now)
            };
            let shown: Vec<_> = states.into_iter().map(of).collect();
            json!({ "RootUsers": shown })
        });
        self.record_read("GetRootProtection", &parameters, answer)
    }

    /// Closes the seal.
    pub(crate) fn seal_root(&self, account: AccountId) -> Result<Value, OperatorError> {
        let parameters = json!({ "accountId": account.to_string() });
        self.change_guard("SealRoot", account, &parameters, |txn, _| Ok(root_guard::seal(txn, account)?))
    }

    /// Breaks the seal for some minutes.
    pub(crate) fn unseal_root(
        &self,
        account: AccountId,
        reason: &str,
        minutes: u8,
    ) -> Result<Value, OperatorError> {
        let parameters = json!({ "accountId": account.to_string(), "reason": reason, "minutes": minutes });
        self.change_guard("UnsealRoot", account, &parameters, |txn, now| {
            Ok(root_guard::unseal(txn, account, reason, minutes, now)?)
        })
    }

    /// Sets who must agree, and how long sessions last.
    pub(crate) fn put_root_access_settings(
        &self,
        account: AccountId,
        required: u8,
        users: &[String],
        session_minutes: Option<u8>,
    ) -> Result<Value, OperatorError> {
        let parameters = json!({
            "accountId": account.to_string(),
            "approvalsRequired": required,
            "approverUserNames": users,
            "sessionMinutes": session_minutes,
        });
        let settings = Settings { session_minutes, approvals_required: required, approvers: users };
        self.change_guard("PutRootAccessSettings", account, &parameters, |txn, _| {
            Ok(root_guard::change_settings(txn, account, &settings)?)
        })
    }

    /// The guard policy.
    pub(crate) fn guard_policy(&self, account: AccountId) -> Result<Value, OperatorError> {
        let parameters = json!({ "accountId": account.to_string() });
        let world = self.db.snapshot();
        let answer = match world.account(account) {
            None => Err(AccountError::NoSuchAccount(account).into()),
            Some(state) => match state.guard_policy() {
                None => Err(GuardError::NoGuardPolicy(account).into()),
                Some(policy) => Ok(guard_policy_of(state.account(), policy)),
            },
        };
        self.record_read("GetGuardPolicy", &parameters, answer)
    }

    /// Sets the guard policy; in place of another only to `replace` it. The host asks nobody.
    pub(crate) fn put_guard_policy(
        &self,
        account: AccountId,
        policy: &str,
        replace: bool,
    ) -> Result<Value, OperatorError> {
        let parameters = json!({ "accountId": account.to_string(), "policy": policy });
        self.host_write("PutGuardPolicy", &parameters, |txn, now, _| {
            let document = guard_policy::checked(policy)?;
            if !replace && txn.get::<GuardPolicy>(RowKey::GuardPolicy(account)).is_some() {
                return Err(OperatorError::Refused(format!(
                    "account {account} has a guard policy, which would not bind any more: see it with `rootward root guard-policy \
                     show`, and set this one in its place with `--replace`"
                )));
            }
            let policy = guard_policy::put(txn, account, document, now)?;
            let row = txn.account(account).ok_or(AccountError::NoSuchAccount(account))?;
            let result = guard_policy_of(&row, &policy);
            Ok(Changed { account: Some(account), elements: Value::Null, result })
        })
    }

    /// Removes the guard policy.
    pub(crate) fn delete_guard_policy(&self, account: AccountId) -> Result<Value, OperatorError> {
        let parameters = json!({ "accountId": account.to_string() });
        self.host_write("DeleteGuardPolicy", &parameters, |txn, _, _| {
            guard_policy::remove(txn, account)?;
            Ok(Changed { account: Some(account), elements: Value::Null, result: () })
        })?;
        Ok(json!({ "AccountId": account.to_string() }))
    }

    /// Makes a root user's access key, for a host command.
    pub(crate) fn create_root_access_key(&self, account: AccountId) -> Result<Value, OperatorError> {
        let parameters = json!({ "accountId": account.to_string() });
        let key = self.host_write("CreateRootAccessKey", &parameters, |txn, now, random| {
            let key = accounts::create_root_access_key(txn, account, now, random, &self.vault)?;
            let elements = json!({ "accessKey": { "accessKeyId": key.id.to_string(), "status": "Active" } });
            Ok(Changed { account: Some(account), elements, result: key })
        })?;
        Ok(json!({ "AccountId": account.to_string(), "AccessKey": access_key(&key) }))
    }

    /// Gives the root user another password, and shows it if nobody has given one.
    pub(crate) fn reset_root_password(
        &self,
        account: AccountId,
        password: Option<&str>,
    ) -> Result<Value, OperatorError> {
        let parameters = json!({ "accountId": account.to_string() });
        let prepared = self.prepare_password(account, password);
        let prepared =
            prepared.inspect_err(|error| self.record_refused("ResetRootPassword", &parameters, error))?;
        let (ended, email) = self.host_write("ResetRootPassword", &parameters, |txn, now, random| {
            let end = End { why: Why::PasswordChanged, source_ip: None, now };
            let ended = root_user::reset_password(txn, account, &prepared.hash, &end, random)?;
            let row = txn.account(account).ok_or(AccountError::NoSuchAccount(account))?;
            Ok(Changed {
                account: Some(account),
                elements: json!({ "sessionsEnded": texts(&ended) }),
                result: (ended, row.email.clone()),
            })
        })?;
        Ok(json!({
            "AccountId": account.to_string(),
            "Email": email,
            "SignInUrl": self.root_sign_in(&email),
            "Password": prepared.made.as_ref().map(Password::expose),
            "SessionsEnded": ended.len(),
        }))
    }

    /// Where a root user signs in; none while no server runs, which alone knows its address.
    fn root_sign_in(&self, email: &str) -> Option<String> {
        let query = serde_urlencoded::to_string([("door", "root"), ("email", email)]).ok()?;
        (!self.url.is_empty()).then(|| format!("{}/console/sign-in?{query}", self.url))
    }

    fn prepare_password(
        &self,
        account: AccountId,
        password: Option<&str>,
    ) -> Result<root_user::NewPassword, OperatorError> {
        let world = self.db.snapshot();
        let state = world.account(account).ok_or(AccountError::NoSuchAccount(account))?;
        let password = password.map(Password::new);
        Ok(root_user::new_password(state.account(), password.as_ref(), &mut self.draw())?)
    }

    /// Takes all MFA devices from the root user.
    pub(crate) fn reset_root_mfa(&self, account: AccountId) -> Result<Value, OperatorError> {
        let parameters = json!({ "accountId": account.to_string() });
        let unbound = self.host_write("ResetRootMfa", &parameters, |txn, now, random| {
            let end = End { why: Why::FactorRemoved, source_ip: None, now };
            let unbound = root_user::reset_mfa(txn, account, &end, random)?;
            let elements =
                json!({ "serialNumbers": unbound.devices, "sessionsEnded": texts(&unbound.sessions) });
            Ok(Changed { account: Some(account), elements, result: unbound })
        })?;
        Ok(json!({
            "AccountId": account.to_string(),
            "MfaDevicesRemoved": unbound.devices,
            "SessionsEnded": unbound.sessions.len(),
        }))
    }

    /// Takes a hardware token into an account.
    pub(crate) fn import_hardware_token(
        &self,
        account: AccountId,
        serial_number: &str,
        seed: &str,
    ) -> Result<Value, OperatorError> {
        let parameters = json!({ "accountId": account.to_string(), "serialNumber": serial_number });
        let seed = Seed::import(seed).map_err(|error| OperatorError::Refused(error.to_string()));
        let seed =
            seed.inspect_err(|error| self.record_refused("ImportHardwareToken", &parameters, error))?;
        self.host_write("ImportHardwareToken", &parameters, |txn, now, random| {
            import_hardware_token(txn, account, serial_number, &seed, now, random, &self.vault)?;
            Ok(Changed { account: Some(account), elements: Value::Null, result: () })
        })?;
        Ok(json!({ "AccountId": account.to_string(), "SerialNumber": serial_number }))
    }

    fn change_guard(
        &self,
        name: &str,
        account: AccountId,
        parameters: &Value,
        change: impl Fn(&mut rootward_state::Txn, Time) -> Result<RootGuard, OperatorError>,
    ) -> Result<Value, OperatorError> {
        self.host_write(name, parameters, |txn, now, _| {
            let guard = change(txn, now)?;
            let state = txn.view(account).ok_or(AccountError::NoSuchAccount(account))?;
            let approvers = root_guard::approver_names(&state, &guard);
            let seal = seal(&guard, now);
            let elements = json!({
                "seal": seal,
                "sessionMinutes": guard.session_minutes,
                "approvalsRequired": guard.approvals_required,
                "approverUserNames": approvers,
            });
            let result = json!({
                "AccountId": account.to_string(),
                "Seal": seal,
                "SessionMinutes": guard.session_minutes,
                "Approvers": { "Required": guard.approvals_required, "UserNames": approvers },
            });
            Ok(Changed { account: Some(account), elements, result })
        })
    }
}

fn guard_policy_of(account: &Account, policy: &GuardPolicy) -> Value {
    json!({
        "AccountId": account.id.to_string(),
        "Arn": GuardPolicy::arn(account.partition, account.id),
        "Policy": policy.document.text(),
        "LastChangedDate": policy.set.to_string(),
    })
}

/// One root user. Names and their meaning stay as they are; what is not known is null.
fn report(report: &RootReport, now: Time) -> Value {
    let text = |time: Option<Time>| time.map(|time| time.to_string());
    let age = report.password_set.map(|set| (now.seconds() - set.seconds()) / DAY_SECONDS);
    let approvers: Vec<_> =
        report.approvers.iter().map(|(name, able)| json!({ "UserName": name, "CanApprove": able })).collect();
    json!({
        "AccountId": report.account.to_string(),
        "AccountName": report.account_name,
        "RootArn": report.arn,
        "Email": report.email,
        "PasswordPresent": report.has_password,
        "PasswordLastChanged": text(report.password_set),
        "PasswordAgeDays": age,
        "PasswordLastUsed": text(report.password_used),
        "AccessKeys": report.keys.iter().map(key).collect::<Vec<_>>(),
        "MfaDevices": report.devices.iter().map(device).collect::<Vec<_>>(),
        "MfaMissingSince": text(report.mfa_missing_since),
        "LastUsed": text(report.last_used),
        "Seal": seal(&report.guard, now),
        "SessionMinutes": report.guard.session_minutes,
        "Approvers": { "Required": report.guard.approvals_required, "Users": approvers },
        "GuardPolicy": if report.has_guard_policy { "IN_FORCE" } else { "ABSENT" },
        "Protected": report.is_protected(),
        "Findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn key(key: &Key) -> Value {
    json!({
        "AccessKeyId": key.id.to_string(),
        "Status": if key.active { "Active" } else { "Inactive" },
        "CreateDate": key.created.to_string(),
        "LastUsed": key.used.map(|used| used.to_string()),
    })
}

fn device(device: &Device) -> Value {
    let kind = match device.kind {
        DeviceKind::Hardware => "HARDWARE",
        DeviceKind::Passkey => "PASSKEY",
        DeviceKind::Virtual => "VIRTUAL",
    };
    json!({ "SerialNumber": device.serial_number, "Type": kind, "EnableDate": device.since.to_string() })
}

fn finding(finding: &Finding) -> Value {
    let severity = match finding.severity {
        Severity::Critical => "CRITICAL",
        Severity::High => "HIGH",
        Severity::Medium => "MEDIUM",
        Severity::Low => "LOW",
    };
    json!({
        "Id": finding.id, "Severity": severity, "Message": finding.message, "Remedy": finding.remedy,
    })
}

/// The seal as it stands now: `SEALED`, `UNSEALED` with until when and why, or `NONE`.
fn seal(guard: &RootGuard, now: Time) -> Value {
    match &guard.seal {
        Seal::Never => json!({ "State": "NONE" }),
        Seal::Open { until, reason, .. } if !guard.is_sealed(now) => {
            json!({ "State": "UNSEALED", "UnsealedUntil": until.to_string(), "Reason": reason })
        }
        Seal::Closed | Seal::Open { .. } => json!({ "State": "SEALED" }),
    }
}

fn texts(handles: &[Handle]) -> Vec<String> {
    handles.iter().map(Handle::to_string).collect()
}

/// An access key as it is shown, this once.
pub(super) fn access_key(key: &accounts::AccessKeyPair) -> Value {
    json!({ "AccessKeyId": key.id.to_string(), "SecretAccessKey": key.secret.expose() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front::Face;

    #[test]
    fn account_need_not_be_named_where_there_is_but_one() {
        let node = Node::sandbox(Some(7), false, &Face::none()).unwrap();
        assert_eq!(node.meant(None).ok(), Some(AccountId::SANDBOX));
        let named = AccountId::from_number(1).unwrap();
        assert_eq!(
            node.meant(Some(named)).ok(),
            Some(named),
            "whether it is there is said by what is done with it"
        );
        node.create_account("Second", "second@example.com", None, None).ok().unwrap();
        let Err(OperatorError::Refused(why)) = node.meant(None) else { panic!("one was chosen") };
        assert!(
            why.contains("--account: 123456789012 (") && why.contains("(Second, second@example.com)"),
            "{why}"
        );
        node.close();
    }

    #[test]
    fn whoever_gets_a_new_password_is_told_where_to_sign_in() {
        let face = Face { url: "https://iam.example.com".into(), ..Face::none() };
        for (face, url) in
            [(face, Some("https://iam.example.com/console/sign-in?door=root&email=")), (Face::none(), None)]
        {
            let node = Node::sandbox(Some(7), true, &face).unwrap();
            let answer = node.reset_root_password(AccountId::SANDBOX, None).ok().unwrap();
            let shown = answer["SignInUrl"].as_str();
            assert_eq!((shown.is_some(), answer["Email"].is_string()), (url.is_some(), true));
            assert!(shown.unwrap_or_default().starts_with(url.unwrap_or_default()));
            node.close();
        }
    }
}

//! Host commands about root users: how they are guarded, and help for those who are locked out.

use std::sync::Arc;

use rootward_auth::password::Password;
use rootward_auth::totp::Seed;
use rootward_names::{AccountId, Handle, Time};
use rootward_services::accounts::{self, AccountError};
use rootward_services::hardware_tokens::import_hardware_token;
use rootward_services::root_guard::{self, Settings};
use rootward_services::root_report::{Device, DeviceKind, Finding, Key, RootReport, Severity, is_told};
use rootward_services::root_user;
use rootward_services::session_end::{End, Why};
use rootward_state::AccountState;
use rootward_state::entities::{RootGuard, Seal};
use serde_json::{Value, json};

use super::Node;
use super::host::Changed;
use crate::operator::OperatorError;

const DAY_SECONDS: i64 = 86_400;

impl Node {
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
                let alerts = is_told(&world, state.account().id);
                report(&RootReport::new(state, alerts, now), now)
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
        let ended = self.host_write("ResetRootPassword", &parameters, |txn, now, random| {
            let end = End { why: Why::PasswordChanged, source_ip: None, now };
            let ended = root_user::reset_password(txn, account, &prepared.hash, &end, random)?;
            Ok(Changed {
                account: Some(account),
                elements: json!({ "sessionsEnded": texts(&ended) }),
                result: ended,
            })
        })?;
        Ok(json!({
            "AccountId": account.to_string(),
            "Password": prepared.made.as_ref().map(Password::expose),
            "SessionsEnded": ended.len(),
        }))
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

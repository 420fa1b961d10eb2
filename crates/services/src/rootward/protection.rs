//! `GetRootProtection`: how well the root user is guarded, as the host's `rootward root status` tells it.

use rootward_api::rootward as api;
use rootward_names::Time;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, always};
use rootward_state::entities::{RootGuard, Seal};
use rootward_state::{AccountState, Txn};

use super::root_user;
use crate::root_guard;
use crate::root_report::{Around, DeviceKind, RootReport, Severity};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&GET_ROOT_PROTECTION];

const DAY_SECONDS: i64 = 86_400;

static GET_ROOT_PROTECTION: Declaration<api::GetRootProtection> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule { action: "rootward:GetRootProtection", when: always, target: root_user, keys: &[] }],
    run: get_root_protection,
};

fn get_root_protection(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &api::GetRootProtectionRequest,
) -> Result<api::GetRootProtectionResponse, Failure> {
    let state = ctx.view(txn)?;
    let report = RootReport::new(&state, Around::of(txn.world(), state.account().id), ctx.now);
    let is_protected = report.is_protected();
    // Known once the root user has signed in without a second factor for the first time.
    let missing_since = report.mfa_missing_since.filter(|_| report.devices.is_empty());
    let required_from =
        missing_since.map(|since| since.plus_seconds(i64::from(ctx.mfa_grace_days) * DAY_SECONDS));
    let access_keys = report.keys.iter().map(|key| api::RootAccessKey {
        access_key_id: key.id.to_string(),
        status: if key.active { api::AccessKeyStatus::Active } else { api::AccessKeyStatus::Inactive },
        create_date: key.created,
        last_used_date: key.used,
    });
    let mfa_devices = report.devices.into_iter().map(|device| api::RootMfaDevice {
        serial_number: device.serial_number,
        r#type: match device.kind {
            DeviceKind::Hardware => api::MfaDeviceType::Hardware,
            DeviceKind::Passkey => api::MfaDeviceType::Passkey,
            DeviceKind::Virtual => api::MfaDeviceType::Virtual,
        },
        enable_date: device.since,
    });
    let findings = report.findings.into_iter().map(|finding| api::RootFinding {
        id: finding.id.to_owned(),
        severity: match finding.severity {
            Severity::Critical => api::FindingSeverity::Critical,
            Severity::High => api::FindingSeverity::High,
            Severity::Medium => api::FindingSeverity::Medium,
            Severity::Low => api::FindingSeverity::Low,
        },
        message: finding.message,
        remedy: finding.remedy,
    });
    Ok(api::GetRootProtectionResponse {
        account_id: report.account.to_string(),
        root_arn: report.arn,
        email: report.email.into(),
        password_present: report.has_password,
        password_last_changed: report.password_set,
        password_last_used: report.password_used,
        access_keys: access_keys.collect(),
        mfa_devices: mfa_devices.collect(),
        mfa_required_from: required_from,
        seal: seal(&report.guard, ctx.now),
        approvers: approvers(&report.guard, &state),
        guard_policy: if report.has_guard_policy {
            api::GuardPolicyState::InForce
        } else {
            api::GuardPolicyState::Absent
        },
        last_used_date: report.last_used,
        protected: is_protected,
        findings: findings.collect(),
    })
}

/// The seal as it stands now.
pub(super) fn seal(guard: &RootGuard, now: Time) -> api::Seal {
    let (until, reason) = match &guard.seal {
        Seal::Open { until, reason, .. } if !guard.is_sealed(now) => (Some(*until), Some(reason.to_string())),
        Seal::Closed | Seal::Never | Seal::Open { .. } => (None, None),
    };
    let is_sealed = guard.is_sealed(now);
    api::Seal {
        state: if is_sealed { api::SealState::Sealed } else { api::SealState::Unsealed },
        unsealed_until: until,
        reason,
        session_minutes: guard.session_minutes.into(),
    }
}

/// Who must agree.
pub(super) fn approvers(guard: &RootGuard, state: &AccountState) -> api::RootApprovers {
    let user_names = root_guard::approver_names(state, guard);
    api::RootApprovers { required: guard.approvals_required.into(), user_names }
}

#[cfg(test)]
mod tests {
    use rootward_state::RowKey;
    use rootward_state::entities::{Bound, CredentialOwner, Factor, MfaDevice, Passkey};

    use super::*;
    use crate::testing::Bench;

    #[test]
    fn what_the_report_says_is_shown() {
        let bench = Bench::new();
        bench.write(|txn| drop(root_guard::seal(txn, bench.account()).unwrap()));
        let shown = bench.run(&GET_ROOT_PROTECTION, api::GetRootProtectionRequest::default()).unwrap();
        assert_eq!(
            (&*shown.account_id, &*shown.root_arn),
            ("111122223333", "arn:aws:iam::111122223333:root")
        );
        assert_eq!((shown.email.expose(), shown.password_present), ("root@example.com", false));
        assert_eq!((shown.seal.state, shown.seal.session_minutes), (api::SealState::Sealed, 60));
        assert!(shown.protected && shown.approvers.user_names.is_empty());
        let [untold, finding] = &*shown.findings else { panic!("{:?}", shown.findings) };
        assert_eq!((&*untold.id, untold.severity), ("no-alerts", api::FindingSeverity::Medium));
        assert_eq!((&*finding.id, finding.severity), ("no-approvals", api::FindingSeverity::Low));
        assert!(finding.remedy.contains("rootward root approvers --account 111122223333"));
    }

    #[test]
    fn second_factor_is_required_from_the_end_of_the_grace_period_on_while_there_is_none() {
        let bench = Bench::new();
        let shown = || {
            let input = api::GetRootProtectionRequest::default();
            bench.run(&GET_ROOT_PROTECTION, input).unwrap().mfa_required_from
        };
        assert_eq!(shown(), None);
        bench.write(|txn| {
            let guard = RootGuard { mfa_missing_since: Some(bench.now()), ..RootGuard::new() };
            txn.put(RowKey::RootGuard(bench.account()), guard);
        });
        assert_eq!(shown(), Some(bench.now().plus_seconds(35 * DAY_SECONDS)));
        let passkey = Passkey { credential_id: [1].into(), credential: "{}".into(), uses: 0 };
        let device = MfaDevice {
            id: "u2f/root/key".into(),
            created: bench.now(),
            tags: Vec::new(),
            bound: Some(Bound { owner: CredentialOwner::Root, at: bench.now() }),
            factor: Factor::Passkey(passkey),
        };
        bench.write(|txn| txn.put(RowKey::MfaDevice(bench.account(), device.id.clone()), device));
        assert_eq!(shown(), None);
    }

    #[test]
    fn it_is_authorized_on_the_root_user() {
        let bench = Bench::new();
        let input = api::GetRootProtectionRequest::default();
        let (action, target) = bench.targets(&GET_ROOT_PROTECTION, &input).remove(0);
        assert_eq!(action, "rootward:GetRootProtection");
        assert_eq!(target.arn, "arn:aws:iam::111122223333:root");
    }
}

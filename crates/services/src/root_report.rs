//! How well a root user is guarded: what it has, and what is to be mended, each with how.
//!
//! A pure view of an account, for `rootward root status` and for `GetRootProtection`. The advice is AWS's (IAM User Guide,
//! "Root user best practices"): no access keys, more than one second factor, others to agree, another password after use.

use rootward_auth::guard::is_approver;
use rootward_auth::principal::root_arn;
use rootward_names::{AccessKeyId, AccountId, Time};
use rootward_state::entities::{CredentialOwner, Factor, Named, RootGuard, Seal, SignedIn, User};
use rootward_state::{AccountState, World};

/// What is known of one root user.
#[derive(Debug)]
pub struct RootReport {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub account_name: String,
    /// `arn:…:root`
    pub arn: String,
    /// The root user's e-mail address.
    pub email: String,
    /// Whether it can sign in.
    pub has_password: bool,
    /// When the password was set.
    pub password_set: Option<Time>,
    /// When it was last used.
    pub password_used: Option<Time>,
    /// Its access keys.
    pub keys: Vec<Key>,
    /// Its second factors.
    pub devices: Vec<Device>,
    /// Since when it signs in without a second factor; how long that goes on is for the server to say.
    pub mfa_missing_since: Option<Time>,
    /// How it is guarded.
    pub guard: RootGuard,
    /// Whether the seal is closed now.
    pub is_sealed: bool,
    /// Those who are asked, by name, and whether each can agree as things stand.
    pub approvers: Vec<(String, bool)>,
    /// Whether the account has a guard policy.
    pub has_guard_policy: bool,
    /// When it was last used: signed in, or by an access key.
    pub last_used: Option<Time>,
    /// What is to be mended, worst first.
    pub findings: Vec<Finding>,
}

/// What the report says that the account alone does not.
#[derive(Debug, Clone, Copy)]
pub struct Around {
    /// Whether anybody is told of what the root user does.
    pub alerts: bool,
    /// Whether the account manages an organization: no service control policy binds it.
    pub manages: bool,
}

impl Around {
    /// As the World has it.
    pub fn of(world: &World, account: AccountId) -> Self {
        let organization = world.organization_of(account);
        Self { alerts: is_told(world, account), manages: organization.is_some() && !world.is_member(account) }
    }
}

/// Whether there is a target of alerts that is told when the root user of `account` is used: that is critical, which every target
/// takes.
fn is_told(world: &World, account: AccountId) -> bool {
    world.alert_targets().any(|target| target.account.is_none_or(|of| of == account))
}

/// An access key of a root user.
#[derive(Debug)]
pub struct Key {
    /// `AKIA…`
    pub id: AccessKeyId,
    /// Whether requests can be signed with it.
    pub active: bool,
    /// When it was made.
    pub created: Time,
    /// When it was last used.
    pub used: Option<Time>,
}

/// A second factor of a root user.
#[derive(Debug)]
pub struct Device {
    /// Its serial number or ARN.
    pub serial_number: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Since when it is bound.
    pub since: Time,
}

/// What a second factor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceKind {
    /// A token of plastic.
    Hardware,
    /// A passkey or security key.
    Passkey,
    /// An app.
    Virtual,
}

/// What is to be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What programs know it by.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The command or page that mends it.
    pub remedy: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// One secret that leaks is enough.
    Critical,
    /// The root user is not guarded as it should be.
    High,
    /// Guarded, with a weakness.
    Medium,
    /// It could be better.
    Low,
}

impl RootReport {
    /// The report on an account's root user.
    pub fn new(state: &AccountState, around: Around, now: Time) -> Self {
        let account = state.account();
        let (id, partition, root, guard) = (account.id, account.partition, &account.root, state.root_guard());
        let keys: Vec<_> = root.access_keys.iter().filter_map(|id| state.access_key(*id)).collect();
        let keys = keys.into_iter().map(|key| Key {
            id: key.id,
            active: key.active,
            created: key.created,
            used: state.key_usage(key.id).map(|usage| usage.time),
        });
        let bound = state.mfa_devices_of(CredentialOwner::Root);
        let devices = bound.map(|device| Device {
            serial_number: device.serial_number(partition, id),
            kind: match &device.factor {
                Factor::Passkey(_) => DeviceKind::Passkey,
                Factor::Totp(totp) if totp.hardware => DeviceKind::Hardware,
                Factor::Totp(_) => DeviceKind::Virtual,
            },
            since: device.bound.map_or(device.created, |bound| bound.at),
        });
        let approvers = guard.approvers.iter().filter_map(|user| state.by_id::<User>(*user));
        let mut report = Self {
            account: id,
            account_name: account.name.to_string(),
            arn: root_arn(partition, id),
            email: account.email.to_string(),
            has_password: root.password.is_some(),
            password_set: root.password_set,
            password_used: root.password_used,
            keys: keys.collect(),
            devices: devices.collect(),
            mfa_missing_since: guard.mfa_missing_since,
            guard: guard.clone(),
            is_sealed: guard.is_sealed(now),
            approvers: approvers.map(|user| (user.name().to_owned(), is_approver(state, user.id))).collect(),
            has_guard_policy: state.guard_policy().is_some(),
            last_used: None,
            findings: Vec::new(),
        };
        let signed_in = state.sessions().iter().filter(|(_, session)| session.holder == SignedIn::Root);
        let by_session = signed_in.map(|(_, session)| session.used);
        let by_key = report.keys.iter().filter_map(|key| key.used);
        report.last_used = by_session.chain(by_key).chain(root.password_used).max();
        let here = signed_in_now(state, now);
        report.findings = report.found(around, here);
        report.findings.sort_by_key(|finding| finding.severity);
        report
    }

    /// Whether one leaked secret is not enough to become the root user, and nobody is it for good.
    pub fn is_protected(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity > Severity::High)
    }

    /// `here`: whether the root user is signed in.
    fn found(&self, around: Around, here: bool) -> Vec<Finding> {
        let account = self.account;
        let mut found = Vec::new();
        let mut add = |id, severity, message: String, remedy: String| {
            found.push(Finding { id, severity, message, remedy });
        };
        for key in &self.keys {
            let (severity, is) = match (key.active, self.is_sealed) {
                (true, false) => (Severity::Critical, "can do everything in the account, for good"),
                (true, true) => (Severity::High, "is active, and good again when the seal is broken"),
                (false, _) => (Severity::Medium, "is inactive and still there"),
            };
            add(
                "root-access-key",
                severity,
                format!("the access key {} {is}", key.id),
                "delete it as the root user: its page of security credentials in the console, or iam:DeleteAccessKey"
                    .into(),
            );
        }
        let register =
            "sign in as the root user and register one on its page of security credentials in the console";
        match self.devices.len() {
            0 if self.has_password => add(
                "no-mfa",
                Severity::Critical,
                "the password alone opens the root user: it has no second factor".into(),
                register.into(),
            ),
            1 => add(
                "one-mfa",
                Severity::Low,
                "there is one second factor: if it is lost, the root user is locked out".into(),
                format!(
                    "{register}; a lost one is taken away by `rootward root reset-mfa --account {account}`"
                ),
            ),
            _ => {}
        }
        match &self.guard.seal {
            Seal::Open { until, .. } if !self.is_sealed => add(
                "unsealed",
                Severity::High,
                format!("the seal is broken until {until}"),
                format!("`rootward root seal --account {account}`"),
            ),
            Seal::Never => add(
                "no-seal",
                Severity::High,
                "the root user has no seal: the account is a sandbox's".into(),
                "`rootward serve --sandbox --sealed`".into(),
            ),
            Seal::Closed | Seal::Open { .. } => {}
        }
        let required = usize::from(self.guard.approvals_required);
        let able = self.approvers.iter().filter(|(_, able)| *able).count();
        let set = format!("`rootward root approvers --account {account} --required N --user NAME`");
        if required == 0 {
            add("no-approvals", Severity::Low, "nobody needs to agree to a use of the root user".into(), set);
        } else if able < required {
            add(
                "too-few-approvers",
                Severity::High,
                format!("{required} must agree and only {able} can: the root user cannot be used"),
                format!("give the others second factors, or name others: {set}"),
            );
        }
        if around.manages && !self.has_guard_policy {
            add(
                "no-guard-policy",
                Severity::Low,
                "nothing binds the account, which manages an organization: service control policies do not, and it has no guard policy"
                    .into(),
                format!(
                    "`rootward root guard-policy set FILE --account {account}`, or rootward:PutGuardPolicy with the approvals of others"
                ),
            );
        }
        if !around.alerts {
            add(
                "no-alerts",
                Severity::Medium,
                "nobody would be told of a use of the root user: there is no target of alerts".into(),
                "on the host, `rootward alerts add NAME --webhook URL`, or `--mail SERVER --from ADDRESS --to ADDRESS`"
                    .into(),
            );
        }
        // What is used now is changed afterwards, and a password is not changed for having been tried out when it was set.
        if let (Some(set), Some(used)) = (self.password_set, self.password_used)
            && !here
            && used.seconds() - set.seconds() >= FIRST_USE_SECONDS
        {
            add(
                "password-used",
                Severity::Low,
                format!(
                    "the password was last used on {used} and is the same since: whoever saw or kept it then can use it again"
                ),
                format!("change it in the console, or `rootward root reset-password --account {account}`"),
            );
        }
        found
    }
}

/// A password is used for the first time when it is set, or soon after: uses within a day are one with setting it.
const FIRST_USE_SECONDS: i64 = 86_400;

/// Whether the root user has a session that is not over.
fn signed_in_now(state: &AccountState, now: Time) -> bool {
    let mut sessions = state.sessions().iter();
    sessions.any(|(_, session)| session.holder == SignedIn::Root && now < session.expires)
}

#[cfg(test)]
mod tests {
    use rootward_state::alerts::{self, AlertRoute, AlertTarget, WebhookRoute};
    use rootward_state::entities::{Account, PasswordHash, SessionKind};
    use rootward_state::{NameKey, RowKey};

    use super::*;
    use crate::organizations::testing::organization;
    use crate::testing::Bench;
    use crate::{guard_policy, root_guard};

    fn report(bench: &Bench) -> RootReport {
        let around = Around { alerts: true, ..Around::of(bench.begin().world(), bench.account()) };
        RootReport::new(&bench.state(), around, bench.now())
    }

    fn found(bench: &Bench) -> Vec<(&'static str, Severity)> {
        report(bench).findings.iter().map(|finding| (finding.id, finding.severity)).collect()
    }

    fn seal(bench: &Bench) {
        bench.write(|txn| drop(root_guard::seal(txn, bench.account()).unwrap()));
    }

    #[test]
    fn sealed_root_user_without_credentials_is_protected() {
        let bench = Bench::new();
        assert_eq!(found(&bench), [("no-seal", Severity::High), ("no-approvals", Severity::Low)]);
        seal(&bench);
        assert_eq!(found(&bench), [("no-approvals", Severity::Low)]);
        let report = report(&bench);
        assert!(report.is_protected() && report.is_sealed && !report.has_password);
        assert_eq!((report.last_used, report.devices.len(), report.keys.len()), (None, 0, 0));
    }

    #[test]
    fn nobody_to_be_told_is_a_finding_that_leaves_the_root_user_protected() {
        let bench = Bench::new();
        seal(&bench);
        let around = Around::of(bench.begin().world(), bench.account());
        let report = RootReport::new(&bench.state(), around, bench.now());
        let found: Vec<_> = report.findings.iter().map(|finding| (finding.id, finding.severity)).collect();
        assert_eq!(found, [("no-alerts", Severity::Medium), ("no-approvals", Severity::Low)]);
        assert!(report.is_protected());
    }

    #[test]
    fn management_account_without_a_guard_policy_is_a_finding_until_it_has_one() {
        let bench = Bench::new();
        seal(&bench);
        assert!(!report(&bench).has_guard_policy);
        assert_eq!(found(&bench), [("no-approvals", Severity::Low)]);
        organization(&bench, &[], &[]);
        assert!(found(&bench).contains(&("no-guard-policy", Severity::Low)));
        let document =
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}"#;
        let document = guard_policy::checked(document).unwrap();
        bench.write(|txn| {
            drop(guard_policy::put(txn, bench.account(), document, bench.now()).unwrap());
        });
        assert!(report(&bench).has_guard_policy);
        assert_eq!(found(&bench), [("no-approvals", Severity::Low)]);
    }

    #[test]
    fn alerts_of_another_account_tell_nobody_of_this_one() {
        let bench = Bench::new();
        let add = |name: &str, account: Option<&str>, severity| {
            let target = AlertTarget {
                name: name.into(),
                created: bench.now(),
                account: account.map(|id| id.parse().unwrap()),
                severity,
                route: AlertRoute::Webhook(WebhookRoute {
                    origin: "https://example.com".into(),
                    url: Box::default(),
                    secret: Box::default(),
                }),
            };
            bench.write(|txn| txn.put(RowKey::AlertTarget(NameKey::new(name)), target));
        };
        let told = || is_told(bench.begin().world(), bench.account());
        assert!(!told());
        add("other", Some("444455556666"), alerts::Severity::Info);
        assert!(!told());
        add("own", Some("111122223333"), alerts::Severity::Critical);
        assert!(told());
    }

    #[test]
    fn password_alone_is_critical_and_one_used_is_to_be_changed() {
        let bench = Bench::new();
        seal(&bench);
        let mut account = Account::clone(bench.state().account());
        account.root.password = Some(PasswordHash::new("$argon2id$"));
        account.root.password_set = Some(bench.now());
        account.root.password_used = Some(bench.now().plus_seconds(86_400));
        bench.write(|txn| txn.put(RowKey::Account(bench.account()), account));
        let all = [
            ("no-mfa", Severity::Critical),
            ("no-approvals", Severity::Low),
            ("password-used", Severity::Low),
        ];
        assert_eq!(found(&bench), all);
        let report = report(&bench);
        assert!(!report.is_protected());
        assert_eq!(report.last_used, Some(bench.now().plus_seconds(86_400)));
    }

    #[test]
    fn password_is_not_to_be_changed_for_the_use_it_was_set_for_nor_while_it_is_used() {
        let bench = Bench::new();
        seal(&bench);
        let use_after = |seconds| {
            let mut account = Account::clone(bench.state().account());
            account.root.password_set = Some(bench.now());
            account.root.password_used = Some(bench.now().plus_seconds(seconds));
            bench.write(|txn| txn.put(RowKey::Account(bench.account()), account));
        };
        let is_found = || found(&bench).iter().any(|(id, _)| *id == "password-used");
        use_after(86_399);
        assert!(!is_found());
        use_after(86_400);
        assert!(is_found());
        bench.add_session(SignedIn::Root, SessionKind::Console);
        assert!(!is_found());
    }

    #[test]
    fn key_is_worst_while_the_seal_is_broken() {
        let bench = Bench::new();
        bench
            .write_with(|txn, now, random, vault| {
                crate::accounts::create_root_access_key(txn, bench.account(), now, random, vault)
            })
            .unwrap();
        let of_key = || found(&bench).into_iter().find(|(id, _)| *id == "root-access-key").unwrap().1;
        assert_eq!(of_key(), Severity::Critical);
        seal(&bench);
        assert_eq!(of_key(), Severity::High);
        bench.write(|txn| {
            drop(root_guard::unseal(txn, bench.account(), "drill", 1, bench.now()).unwrap());
        });
        assert!(found(&bench).contains(&("unsealed", Severity::High)));
        bench.pass_seconds(60);
        assert!(!found(&bench).iter().any(|(id, _)| *id == "unsealed"));
    }

    #[test]
    fn approvers_who_cannot_agree_are_told() {
        let bench = Bench::new();
        seal(&bench);
        let ann = bench.add_user("ann");
        let guard = RootGuard { approvals_required: 1, approvers: vec![ann], ..RootGuard::new() };
        bench.write(|txn| txn.put(RowKey::RootGuard(bench.account()), guard));
        assert_eq!(found(&bench), [("too-few-approvers", Severity::High)]);
        assert_eq!(report(&bench).approvers, [("ann".to_owned(), false)]);
    }
}

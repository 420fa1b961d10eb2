//! Which records are worth an alert, and what it says.
//!
//! A record is looked at in this order: a sign-in as root; what a root user was refused; what succeeded and is in the tables
//! below; anything else that a root user called. Other refusals are nothing new to anybody: they are in the log. Neither is what a
//! root user only looks at in the console: the session was told of when it began, and every page of it reads something.
//!
//! Root use is what the CIS benchmark's metric filter says it is: `userIdentity.type` is `Root`, `invokedBy` is absent and
//! `eventType` is not `AwsServiceEvent`. So are the IAM policy changes. What a root user does is never less than a warning.
//!
//! Texts of a record come from anybody: they are bounded and stripped, and nothing here trusts them to be well formed. A
//! member that is not what it should be counts as absent; it never keeps a record from being told.

use std::fmt::Write;
use std::sync::LazyLock;

use memchr::memmem::{Finder, FinderRev};
use rootward_names::{AccountId, Time};
use rootward_state::alerts::Severity;
use serde_json::Value;

use crate::alert::{Alert, Kind, plain};

/// Whether [`classify`] could have something to say, by the record's text alone: true for every change and for everything
/// that a root user did.
pub fn may_matter(record: &str) -> bool {
    static READ_ONLY: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(b"\"readOnly\":"));
    static ROOT: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\"type\":\"Root\""));
    let record = record.as_bytes();
    // The last one is the record's own: no caller's text stands behind it but as a string, whose quotes are escaped.
    let read_only = READ_ONLY.rfind(record).is_some_and(|at| {
        record.get(at + READ_ONLY.needle().len()..).is_some_and(|rest| rest.starts_with(b"true"))
    });
    !read_only || ROOT.find(record).is_some()
}

/// The alert for a record of the audit log, given as its JSON; none for what is not worth one.
pub fn classify(record: &str) -> Option<Alert> {
    let facts = Facts(serde_json::from_str(record).ok()?);
    let (kind, severity, done) = judge(&facts)?;
    let severity = if facts.by_root() { severity.max(Severity::Warning) } else { severity };
    Some(Alert {
        id: plain(facts.text("/eventID"), TEXT_CHARS_MAX),
        kind,
        severity,
        event_name: plain(facts.text("/eventName"), TEXT_CHARS_MAX),
        account: facts.account(),
        actor: facts.actor(),
        by_root: facts.by_root(),
        source: plain(facts.text("/sourceIPAddress"), TEXT_CHARS_MAX),
        time: Time::parse(facts.text("/eventTime")).unwrap_or_default(),
        what: facts.sentence(&done),
        advice: kind.advice(),
        error: facts.error().map(|code| plain(code, TEXT_CHARS_MAX)),
        reason: facts.reason(),
    })
}

/// The kind, how much it matters, and what was done, as it goes behind the name of who did it.
fn judge(facts: &Facts) -> Option<(Kind, Severity, String)> {
    let name = facts.text("/eventName");
    if name == "ConsoleLogin" {
        return facts.is_root().then(|| sign_in(facts));
    }
    // A step of a sign-in, whose end is told.
    if name == "CheckMfa" {
        return None;
    }
    // The sign-in that opened the session is told, with the reason.
    if name == "RootSessionStarted" {
        return None;
    }
    if let Some(code) = facts.error() {
        let code = plain(code, NAME_CHARS_MAX);
        let refused = format!("called {} and was refused ({code}){}", facts.call(), facts.because());
        return facts.by_root().then_some((Kind::RootRefused, Severity::Warning, refused));
    }
    let grant = facts.text("/requestParameters/tokenInput/grantType");
    if name == "CreateOAuth2Token" && grant == "authorization_code" && facts.by_root() {
        return Some(command_line(facts));
    }
    if name == "CreateAccessKey" && facts.by_root() && facts.text("/requestParameters/userName").is_empty() {
        return Some((Kind::RootKeyCreated, Severity::Critical, "made an access key for itself".to_owned()));
    }
    if let Some(done) = password_of_assumed_root(facts) {
        return Some((Kind::RootCredentialsChanged, Severity::Critical, done.to_owned()));
    }
    if let Some(rule) = rule(facts.text("/eventSource"), name) {
        return Some((
            rule.kind,
            rule.severity,
            format!("{}{}{}", rule.done, facts.objects(), facts.because()),
        ));
    }
    let called = || format!("called {}{}", facts.call(), facts.because());
    (facts.by_root() && !facts.is_look_in_console()).then(|| (Kind::RootUsed, Severity::Warning, called()))
}

fn sign_in(facts: &Facts) -> (Kind, Severity, String) {
    if facts.error().is_some() || facts.text("/responseElements/ConsoleLogin") == "Failure" {
        return (Kind::RootSignInFailed, Severity::Warning, "could not sign in".to_owned());
    }
    let (severity, how) = if facts.text("/additionalEventData/MFAUsed") == "Yes" {
        (Severity::Warning, "with MFA")
    } else {
        (Severity::Critical, "without MFA")
    };
    // Who gives a reason has broken the glass.
    let severity = if facts.reason().is_some() { Severity::Critical } else { severity };
    (Kind::RootSignInSucceeded, severity, format!("signed in {how}{}", facts.because()))
}

/// What an organization does to the password of a member's root user that it has assumed: elsewhere these events are about users.
fn password_of_assumed_root(facts: &Facts) -> Option<&'static str> {
    let is_own = facts.is_assumed_root()
        && facts.text("/eventSource") == "iam.amazonaws.com"
        && facts.text("/requestParameters/userName").is_empty();
    match facts.text("/eventName") {
        "CreateLoginProfile" if is_own => Some("let the root user recover a password by mail"),
        "DeleteLoginProfile" if is_own => Some("deleted the root user's password"),
        _ => None,
    }
}

/// A command line was let in, which is a sign-in as much as the one in the browser.
fn command_line(facts: &Facts) -> (Kind, Severity, String) {
    let mfa = facts.text("/userIdentity/sessionContext/attributes/mfaAuthenticated") == "true";
    let (severity, how) =
        if mfa { (Severity::Warning, "with MFA") } else { (Severity::Critical, "without MFA") };
    (Kind::RootSignInSucceeded, severity, format!("signed in on a command line {how}{}", facts.because()))
}

fn rule(source: &str, name: &str) -> Option<&'static Rule> {
    let of_source = match source {
        "iam.amazonaws.com" => OF_IAM,
        "organizations.amazonaws.com" => OF_ORGANIZATIONS,
        _ => &[],
    };
    let found = of_source.iter().chain(OF_ANY).find(|rule| rule.name == name);
    // However many steps a recovery has, and whatever they are called.
    found.or_else(|| name.starts_with(RECOVERY.name).then_some(&RECOVERY))
}

/// A record as far as anybody may rely on it.
struct Facts(Value);

impl Facts {
    /// The text at a place; empty for what is absent or no text.
    fn text(&self, pointer: &str) -> &str {
        self.0.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The reason that a use of a root user is given: that of the session it takes place in, or the one that is just given. Only records
    /// of some names have one in their parameters: elsewhere a member of this name would be anything.
    fn reason(&self) -> Option<String> {
        let of_session = self.text("/additionalEventData/rootAccessReason");
        let is_given = of_session.is_empty() && WITH_REASON.contains(&self.text("/eventName"));
        let reason = if is_given { self.text("/requestParameters/reason") } else { of_session };
        (!reason.is_empty()).then(|| plain(reason, TEXT_CHARS_MAX))
    }

    /// Whether this only reads, in a session of the console. Credentials that are handed out are more than a look, also where they
    /// count as a read.
    fn is_look_in_console(&self) -> bool {
        self.0.get("readOnly") == Some(&Value::Bool(true))
            && self.text("/sessionCredentialFromConsole") == "true"
            && !CREDENTIALS_FROM.contains(&self.text("/eventSource"))
    }

    /// The reason as it goes behind what was done.
    fn because(&self) -> String {
        self.reason().map_or_else(String::new, |reason| format!(", for this reason: “{reason}”"))
    }

    fn is_root(&self) -> bool {
        self.text("/userIdentity/type") == "Root"
    }

    fn by_root(&self) -> bool {
        self.is_root()
            && self.text("/userIdentity/invokedBy").is_empty()
            && self.text("/eventType") != "AwsServiceEvent"
    }

    fn error(&self) -> Option<&str> {
        let code = self.text("/errorCode");
        let error = if code.is_empty() { self.text("/errorMessage") } else { code };
        (!error.is_empty()).then_some(error)
    }

    fn account(&self) -> Option<AccountId> {
        let texts = [self.text("/recipientAccountId"), self.text("/userIdentity/accountId")];
        texts.iter().find_map(|text| text.parse().ok())
    }

    /// `iam:CreateUser`
    fn call(&self) -> String {
        let service = self.text("/eventSource").split('.').next().unwrap_or_default();
        format!("{}:{}", plain(service, NAME_CHARS_MAX), plain(self.text("/eventName"), NAME_CHARS_MAX))
    }

    fn actor(&self) -> String {
        if self.text("/eventSource") == "rootward.host" {
            let by_code = self.text("/userIdentity/invokedBy") == "rootward setup code";
            return if by_code { NEWCOMER } else { OPERATOR }.to_owned();
        }
        let texts = ["arn", "invokedBy", "principalId", "accountId", "type"];
        let texts = texts.map(|name| self.text(&format!("/userIdentity/{name}")));
        let actor = texts.into_iter().find(|text| !text.is_empty()).unwrap_or("somebody unknown");
        plain(actor, TEXT_CHARS_MAX)
    }

    /// Who, what and where, as one sentence.
    fn sentence(&self, done: &str) -> String {
        let account = self.account().map(|id| id.to_string());
        match (self.is_root(), account) {
            (true, Some(account)) => format!("The root user of account {account}{} {done}.", self.manner()),
            (true, None) => format!("A root user {done}."),
            (false, Some(account)) => format!("{} {done} in account {account}.", self.who()),
            (false, None) => format!("{} {done}.", self.who()),
        }
    }

    fn who(&self) -> String {
        let actor = self.actor();
        match &*actor {
            OPERATOR => format!("The {actor}"),
            NEWCOMER => "Somebody with the setup code".to_owned(),
            _ => actor,
        }
    }

    fn is_assumed_root(&self) -> bool {
        self.is_root() && self.text("/userIdentity/sessionContext/assumedRoot") == "true"
    }

    fn manner(&self) -> &'static str {
        if self.is_assumed_root() { ", in a privileged session," } else { "" }
    }

    /// Who and what was changed: names only, whatever else the request said.
    fn objects(&self) -> String {
        let mut objects = String::new();
        for (member, what) in OBJECTS {
            let name = plain(self.text(&format!("/requestParameters/{member}")), NAME_CHARS_MAX);
            if !name.is_empty() {
                let lead = if objects.is_empty() { " (" } else { ", " };
                // Writing to a string cannot fail.
                let _ = write!(objects, "{lead}{what} {name}");
            }
        }
        if !objects.is_empty() {
            objects.push(')');
        }
        objects
    }
}

#[derive(Clone, Copy)]
struct Rule {
    name: &'static str,
    kind: Kind,
    severity: Severity,
    done: &'static str,
}

const fn rule_of(name: &'static str, kind: Kind, severity: Severity, done: &'static str) -> Rule {
    Rule { name, kind, severity, done }
}

const OPERATOR: &str = "operator at the host";
const NEWCOMER: &str = "somebody with the setup code";

/// ARNs of users have up to 600 characters.
const TEXT_CHARS_MAX: usize = 640;
const NAME_CHARS_MAX: usize = 160;

/// Events of uses of a root user that are given a reason.
const WITH_REASON: &[&str] = &["RootAccessRequested", "UnsealRoot"];

/// Services that hand credentials out, or what becomes credentials.
const CREDENTIALS_FROM: &[&str] = &["signin.amazonaws.com", "sts.amazonaws.com"];

/// Names in `requestParameters` that an alert may repeat.
const OBJECTS: &[(&str, &str)] = &[
    ("userName", "user"),
    ("groupName", "group"),
    ("roleName", "role"),
    ("policyName", "policy"),
    ("policyArn", "policy"),
    ("versionId", "version"),
    ("permissionsBoundary", "boundary"),
    ("serialNumber", "device"),
    ("virtualMFADeviceName", "device"),
    ("accountId", "account"),
    ("accountName", "name"),
    ("targetName", "target"),
];

/// Events that begin like this.
const RECOVERY: Rule = rule_of(
    "PasswordRecovery",
    Kind::RootCredentialsChanged,
    Severity::Warning,
    "went a step towards a new password of the root user",
);

/// What only IAM's events of these names mean.
#[rustfmt::skip]
const OF_IAM: &[Rule] = &[
    rule_of("AttachGroupPolicy", Kind::PolicyChanged, Severity::Info, "attached a policy to a group"),
    rule_of("AttachRolePolicy", Kind::PolicyChanged, Severity::Info, "attached a policy to a role"),
    rule_of("AttachUserPolicy", Kind::PolicyChanged, Severity::Info, "attached a policy to a user"),
    rule_of("CreateLoginProfile", Kind::LoginProfileChanged, Severity::Warning, "gave a user a password"),
    rule_of("CreatePolicy", Kind::PolicyChanged, Severity::Info, "made a policy"),
    rule_of("CreatePolicyVersion", Kind::PolicyChanged, Severity::Info, "made a new version of a policy"),
    rule_of("DeleteGroupPolicy", Kind::PolicyChanged, Severity::Info, "deleted a policy of a group"),
    rule_of("DeletePolicy", Kind::PolicyChanged, Severity::Info, "deleted a policy"),
    rule_of("DeletePolicyVersion", Kind::PolicyChanged, Severity::Info, "deleted a version of a policy"),
    rule_of("DeleteRolePermissionsBoundary", Kind::PolicyChanged, Severity::Warning, "took a role's boundary away"),
    rule_of("DeleteRolePolicy", Kind::PolicyChanged, Severity::Info, "deleted a policy of a role"),
    rule_of("DeleteUserPermissionsBoundary", Kind::PolicyChanged, Severity::Warning, "took a user's boundary away"),
    rule_of("DeleteUserPolicy", Kind::PolicyChanged, Severity::Info, "deleted a policy of a user"),
    rule_of("DetachGroupPolicy", Kind::PolicyChanged, Severity::Info, "detached a policy from a group"),
    rule_of("DetachRolePolicy", Kind::PolicyChanged, Severity::Info, "detached a policy from a role"),
    rule_of("DetachUserPolicy", Kind::PolicyChanged, Severity::Info, "detached a policy from a user"),
    rule_of("DisableOrganizationsRootCredentialsManagement", Kind::RootSealChanged, Severity::Warning, "turned off that members' root credentials are managed from one place"),
    rule_of("DisableOrganizationsRootSessions", Kind::RootSealChanged, Severity::Warning, "turned off privileged sessions in members"),
    rule_of("EnableOrganizationsRootCredentialsManagement", Kind::RootSealChanged, Severity::Warning, "turned on that members' root credentials are managed from one place"),
    rule_of("EnableOrganizationsRootSessions", Kind::RootSealChanged, Severity::Warning, "turned on privileged sessions in members"),
    rule_of("PutGroupPolicy", Kind::PolicyChanged, Severity::Info, "wrote a policy of a group"),
    rule_of("PutRolePermissionsBoundary", Kind::PolicyChanged, Severity::Info, "set a role's boundary"),
    rule_of("PutRolePolicy", Kind::PolicyChanged, Severity::Info, "wrote a policy of a role"),
    rule_of("PutUserPermissionsBoundary", Kind::PolicyChanged, Severity::Info, "set a user's boundary"),
    rule_of("PutUserPolicy", Kind::PolicyChanged, Severity::Info, "wrote a policy of a user"),
    rule_of("SetDefaultPolicyVersion", Kind::PolicyChanged, Severity::Info, "put another version of a policy in force"),
    rule_of("UpdateAssumeRolePolicy", Kind::PolicyChanged, Severity::Info, "changed who may assume a role"),
    rule_of("UpdateLoginProfile", Kind::LoginProfileChanged, Severity::Warning, "changed a user's password"),
];

/// What only Organizations' events of these names mean.
#[rustfmt::skip]
const OF_ORGANIZATIONS: &[Rule] = &[
    rule_of("AcceptHandshake", Kind::OrganizationChanged, Severity::Warning, "accepted what an organization asks of the account"),
    rule_of("CloseAccount", Kind::AccountClosed, Severity::Critical, "closed an account of the organization"),
    rule_of("CreateAccount", Kind::AccountOpened, Severity::Info, "asked for an account in the organization"),
    rule_of("CreateOrganization", Kind::OrganizationChanged, Severity::Info, "made an organization"),
    rule_of("DeleteOrganization", Kind::OrganizationChanged, Severity::Critical, "deleted the organization"),
    rule_of("EnableAllFeatures", Kind::OrganizationChanged, Severity::Info, "asked for all features of the organization"),
    rule_of("InviteAccountToOrganization", Kind::OrganizationChanged, Severity::Info, "invited an account to the organization"),
    rule_of("InviteOrganizationToTransferResponsibility", Kind::OrganizationChanged, Severity::Info, "offered to take over the bills of another organization"),
    rule_of("LeaveOrganization", Kind::OrganizationChanged, Severity::Critical, "took the account out of its organization"),
    rule_of("RemoveAccountFromOrganization", Kind::OrganizationChanged, Severity::Critical, "sent an account out of the organization"),
    rule_of("TerminateResponsibilityTransfer", Kind::OrganizationChanged, Severity::Warning, "ended the transfer of an organization's bills"),
];

/// What events of these names mean, wherever they come from: of IAM, of sign-in, of the account API or of the host.
#[rustfmt::skip]
const OF_ANY: &[Rule] = &[
    rule_of("AcceptPrimaryEmailUpdate", Kind::RootCredentialsChanged, Severity::Critical, "changed the root user's e-mail address"),
    rule_of("AcceptRootEmailUpdate", Kind::RootCredentialsChanged, Severity::Critical, "changed the root user's e-mail address"),
    rule_of("AddAlertTarget", Kind::TargetsChanged, Severity::Info, "added a target of alerts"),
    rule_of("ApproveRootAccess", Kind::RootAccessApproved, Severity::Warning, "approved the use of the root user"),
    rule_of("AssumeRoot", Kind::RootUsed, Severity::Warning, "began a privileged session of a member's root user"),
    rule_of("ChangeRootPassword", Kind::RootCredentialsChanged, Severity::Critical, "changed the root user's password"),
    rule_of("CloseAccount", Kind::AccountClosed, Severity::Critical, "closed the account"),
    rule_of("CreateAccount", Kind::AccountOpened, Severity::Info, "opened an account"),
    rule_of("CreateRootAccessKey", Kind::RootKeyCreated, Severity::Critical, "made an access key for the root user"),
    rule_of("CreateVirtualMFADevice", Kind::MfaChanged, Severity::Info, "made a virtual MFA device"),
    rule_of("DeactivateMFADevice", Kind::MfaChanged, Severity::Warning, "deactivated an MFA device"),
    rule_of("DeleteGuardPolicy", Kind::GuardPolicyChanged, Severity::Critical, "removed the guard policy"),
    rule_of("DeleteVirtualMFADevice", Kind::MfaChanged, Severity::Warning, "deleted a virtual MFA device"),
    rule_of("EmailUpdated", Kind::RootCredentialsChanged, Severity::Critical, "changed the root user's e-mail address"),
    rule_of("EnableMFADevice", Kind::MfaChanged, Severity::Info, "enabled an MFA device"),
    rule_of("FinishPasskeyRegistration", Kind::MfaChanged, Severity::Info, "registered a passkey"),
    rule_of("PasswordRecoveryCompleted", Kind::RootCredentialsChanged, Severity::Critical, "recovered the root user's password"),
    rule_of("PasswordUpdated", Kind::RootCredentialsChanged, Severity::Critical, "changed the root user's password"),
    rule_of("PutGuardPolicy", Kind::GuardPolicyChanged, Severity::Critical, "set the guard policy"),
    rule_of("PutRootAccessSettings", Kind::RootSealChanged, Severity::Warning, "changed how the root user may be used"),
    rule_of("RejectRootAccess", Kind::RootAccessRejected, Severity::Warning, "rejected the use of the root user"),
    rule_of("RemoveAlertTarget", Kind::TargetsChanged, Severity::Warning, "removed a target of alerts"),
    rule_of("ResetRootMfa", Kind::MfaChanged, Severity::Critical, "removed the root user's MFA devices"),
    rule_of("ResetRootPassword", Kind::RootCredentialsChanged, Severity::Critical, "set the root user's password anew"),
    rule_of("ResyncMFADevice", Kind::MfaChanged, Severity::Info, "brought an MFA device back into step"),
    rule_of("RootAccessApproved", Kind::RootAccessApproved, Severity::Warning, "approved the use of the root user"),
    rule_of("RootAccessRejected", Kind::RootAccessRejected, Severity::Warning, "rejected the use of the root user"),
    rule_of("RootAccessRequested", Kind::RootAccessRequested, Severity::Critical, "asked to be let in"),
    rule_of("RootResealed", Kind::RootSealChanged, Severity::Info, "sealed the root user again"),
    rule_of("RootSessionEnded", Kind::RootSessionEnded, Severity::Warning, "ended a session of the root user"),
    rule_of("SealRoot", Kind::RootSealChanged, Severity::Warning, "sealed the root user"),
    rule_of("UnsealRoot", Kind::RootSealChanged, Severity::Critical, "took the seal off the root user"),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rootward_audit::{
        Call, Entry, EventId, EventType, Failure, Issuer, IssuerKind, Record, Session, UserIdentity,
    };
    use serde_json::value::RawValue;

    use super::*;

    const ACCOUNT: &str = "123456789012";
    const ANN: &str = "arn:aws:iam::123456789012:user/ann";
    const ROOT: &str = "arn:aws:iam::123456789012:root";

    /// One call, in the words of its record.
    struct Told<'a> {
        source: &'a str,
        name: &'a str,
        identity: UserIdentity<'a>,
        event_type: EventType,
        request: &'a str,
        response: &'a str,
        additional: &'a str,
        error: Option<(&'a str, &'a str)>,
        read_only: bool,
        from_console: bool,
    }

    impl Told<'_> {
        fn json(&self) -> String {
            let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
            let (request, response, additional) =
                (raw(self.request), raw(self.response), raw(self.additional));
            let call =
                Call { source: self.source, name: self.name, region: "us-east-1", source_ip: "192.0.2.1" };
            let id = EventId::from_bytes([7; 16]);
            let record = Record {
                event_type: self.event_type,
                request: Some(&request),
                response: Some(&response),
                additional: Some(&additional),
                failure: self.error.map(|(code, message)| Failure { code: Some(code), message }),
                read_only: self.read_only,
                from_console: self.from_console,
                recipient: ACCOUNT.parse().ok(),
                ..Record::new(id, Time::from_seconds(1_700_000_000), call, self.identity)
            };
            Entry::new(&record).json().to_owned()
        }

        fn alert(&self) -> Option<Alert> {
            let json = self.json();
            let alert = classify(&json);
            // What the cheap half passes over, the other half has nothing to say about.
            assert!(may_matter(&json) || alert.is_none());
            alert
        }
    }

    fn account() -> AccountId {
        ACCOUNT.parse().unwrap()
    }

    fn root() -> UserIdentity<'static> {
        UserIdentity::Root { arn: ROOT, account: account(), access_key: None, alias: None, session: None }
    }

    fn ann() -> UserIdentity<'static> {
        UserIdentity::User {
            principal_id: "AIDAEXAMPLE",
            arn: ANN,
            account: account(),
            access_key: None,
            name: "ann",
            session: None,
        }
    }

    fn told<'a>(identity: UserIdentity<'a>, source: &'a str, name: &'a str) -> Told<'a> {
        Told {
            source,
            name,
            identity,
            event_type: EventType::AwsApiCall,
            request: "{}",
            response: "null",
            additional: "{}",
            error: None,
            read_only: false,
            from_console: false,
        }
    }

    const IAM: &str = "iam.amazonaws.com";
    const ORGANIZATIONS: &str = "organizations.amazonaws.com";
    const SIGN_IN: &str = "signin.amazonaws.com";
    const HOST: &str = "rootward.host";
    const GIVEN: &str = r#"{"MFAUsed": "Yes", "rootAccessReason": "set up\r\nBcc: x billing"}"#;
    const DENIED: Option<(&str, &str)> = Some(("AccessDenied", "not authorized"));

    fn host(name: &str) -> Told<'_> {
        let identity = UserIdentity::Service { name: "rootward host command" };
        Told { event_type: EventType::AwsServiceEvent, ..told(identity, HOST, name) }
    }

    #[track_caller]
    fn check(told: &Told<'_>, kind: Kind, severity: Severity, what: &str) {
        let alert = told.alert().unwrap();
        assert_eq!((alert.kind, alert.severity, &*alert.what), (kind, severity, what));
        assert_eq!((&*alert.event_name, &*alert.source), (told.name, "192.0.2.1"));
        assert_eq!((alert.account, alert.time), (Some(account()), Time::from_seconds(1_700_000_000)));
        assert_eq!(alert.id, "07070707-0707-0707-0707-070707070707");
    }

    #[test]
    fn sign_in_as_root_is_told_however_it_ended() {
        let sign_in = |response, additional, error| Told {
            event_type: EventType::AwsConsoleSignIn,
            response,
            additional,
            error,
            ..told(root(), SIGN_IN, "ConsoleLogin")
        };
        let (ok, mfa) = (r#"{"ConsoleLogin": "Success"}"#, r#"{"MFAUsed": "Yes"}"#);
        let (succeeded, failed) = (Kind::RootSignInSucceeded, Kind::RootSignInFailed);
        let text = |done| format!("The root user of account {ACCOUNT} {done}.");
        check(&sign_in(ok, mfa, None), succeeded, Severity::Warning, &text("signed in with MFA"));
        check(
            &sign_in(ok, r#"{"MFAUsed": "No"}"#, None),
            succeeded,
            Severity::Critical,
            &text("signed in without MFA"),
        );
        let refused = Some(("Failed authentication", "Failed authentication"));
        check(&sign_in("null", mfa, refused), failed, Severity::Warning, &text("could not sign in"));
        check(
            &sign_in(r#"{"ConsoleLogin": "Failure"}"#, mfa, None),
            failed,
            Severity::Warning,
            &text("could not sign in"),
        );
        assert_eq!(Told { identity: ann(), ..sign_in(ok, mfa, None) }.alert(), None);
        assert_eq!(Told { name: "CheckMfa", ..sign_in(ok, mfa, None) }.alert(), None);
    }

    #[test]
    fn root_on_a_command_line_is_told_like_a_sign_in() {
        let call = |mfa, grant, error| {
            let session = Session { mfa, ..Session::new(Time::from_seconds(0)) };
            let identity = UserIdentity::Root {
                arn: ROOT,
                account: account(),
                access_key: None,
                alias: None,
                session: Some(session),
            };
            Told { request: grant, error, ..told(identity, SIGN_IN, "CreateOAuth2Token") }
        };
        let code = r#"{"tokenInput": {"grantType": "authorization_code"}}"#;
        let text = |done| format!("The root user of account {ACCOUNT} {done}.");
        let (succeeded, refused) = (Kind::RootSignInSucceeded, Kind::RootRefused);
        let done = text("signed in on a command line with MFA");
        check(&call(true, code, None), succeeded, Severity::Warning, &done);
        let done = text("signed in on a command line without MFA");
        check(&call(false, code, None), succeeded, Severity::Critical, &done);
        let refresh = r#"{"tokenInput": {"grantType": "refresh_token"}}"#;
        let done = text("called signin:CreateOAuth2Token");
        check(&call(true, refresh, None), Kind::RootUsed, Severity::Warning, &done);
        let done = text("called signin:CreateOAuth2Token and was refused (AccessDenied)");
        check(&call(true, code, DENIED), refused, Severity::Warning, &done);
    }

    #[test]
    fn every_call_of_root_is_told_reads_and_refusals_too() {
        let call = |name, error, read_only| Told { error, read_only, ..told(root(), IAM, name) };
        let text = |done| format!("The root user of account {ACCOUNT} called {done}.");
        check(&call("ListUsers", None, true), Kind::RootUsed, Severity::Warning, &text("iam:ListUsers"));
        check(
            &call("DeleteUser", DENIED, false),
            Kind::RootRefused,
            Severity::Warning,
            &text("iam:DeleteUser and was refused (AccessDenied)"),
        );
        let refused = call("ListUsers", DENIED, true).alert().unwrap();
        assert_eq!(
            (refused.error.as_deref(), &*refused.actor, refused.by_root),
            (Some("AccessDenied"), ROOT, true)
        );
    }

    #[test]
    fn sign_in_that_breaks_the_glass_is_told_once_and_why() {
        let what = format!(
            "The root user of account {ACCOUNT} signed in with MFA, for this reason: “set upBcc: x billing”."
        );
        let login = Told {
            event_type: EventType::AwsConsoleSignIn,
            response: r#"{"ConsoleLogin": "Success"}"#,
            additional: GIVEN,
            ..told(root(), SIGN_IN, "ConsoleLogin")
        };
        check(&login, Kind::RootSignInSucceeded, Severity::Critical, &what);
        assert_eq!(login.alert().unwrap().reason.as_deref(), Some("set upBcc: x billing"));
        let started = Told {
            event_type: EventType::AwsServiceEvent,
            request: r#"{"reason": "set up"}"#,
            ..told(root(), "rootward", "RootSessionStarted")
        };
        assert_eq!(started.alert(), None);
        let long = format!(r#"{{"rootAccessReason": "{}"}}"#, "x".repeat(5_000));
        assert!(Told { additional: &long, ..login }.alert().unwrap().what.chars().count() < 1_000);
    }

    #[test]
    fn reason_that_is_given_is_told_and_none_that_only_looks_like_one() {
        let request = r#"{"reason": "set up", "requestId": "r"}"#;
        let event =
            |name| Told { event_type: EventType::AwsServiceEvent, request, ..told(root(), SIGN_IN, name) };
        for name in WITH_REASON {
            assert_eq!(event(name).alert().unwrap().reason.as_deref(), Some("set up"), "{name}");
        }
        assert_eq!(event("RootSessionEnded").alert().unwrap().reason, None);
        assert_eq!(Told { request, ..told(root(), IAM, "CreateUser") }.alert().unwrap().reason, None);
    }

    #[test]
    fn what_root_only_looks_at_in_the_console_is_not_told_and_everything_else_is() {
        let call = |name, read_only, error| Told {
            read_only,
            error,
            from_console: true,
            additional: GIVEN,
            ..told(root(), IAM, name)
        };
        assert_eq!(call("ListUsers", true, None).alert(), None);
        let because = ", for this reason: “set upBcc: x billing”";
        let text = |done: &str| format!("The root user of account {ACCOUNT} {done}{because}.");
        let done = text("called iam:CreateUser");
        check(&call("CreateUser", false, None), Kind::RootUsed, Severity::Warning, &done);
        let done = text("called iam:ListUsers and was refused (AccessDenied)");
        check(&call("ListUsers", true, DENIED), Kind::RootRefused, Severity::Warning, &done);
        let sts = |name| Told { source: "sts.amazonaws.com", ..call(name, true, None) };
        assert!(sts("GetSessionToken").alert().is_some());
        assert!(Told { from_console: false, ..call("ListUsers", true, None) }.alert().is_some());
        // No text of a caller makes it one.
        let request = r#"{"readOnly": true, "sessionCredentialFromConsole": "true"}"#;
        let forged = Told { request, read_only: true, ..told(root(), IAM, "ListUsers") };
        assert!(forged.alert().is_some());
    }

    #[test]
    fn service_event_about_root_is_no_use_of_root() {
        let event = Told { event_type: EventType::AwsServiceEvent, ..told(root(), IAM, "ListUsers") };
        assert_eq!(event.alert(), None);
    }

    #[test]
    fn privileged_session_is_named_as_one() {
        let session = Session { assumed_root: true, ..Session::new(Time::from_seconds(0)) };
        let identity = UserIdentity::Root {
            arn: ROOT,
            account: account(),
            access_key: None,
            alias: None,
            session: Some(session),
        };
        let what = told(identity, IAM, "DeleteAccessKey").alert().unwrap().what;
        assert_eq!(
            what,
            format!(
                "The root user of account {ACCOUNT}, in a privileged session, called iam:DeleteAccessKey."
            )
        );
    }

    #[test]
    fn password_of_a_member_is_told_of_as_its_root_users() {
        let session = Session { assumed_root: true, ..Session::new(Time::from_seconds(0)) };
        let identity = UserIdentity::Root {
            arn: ROOT,
            account: account(),
            access_key: None,
            alias: None,
            session: Some(session),
        };
        let who = format!("The root user of account {ACCOUNT}, in a privileged session,");
        for (name, done) in [
            ("CreateLoginProfile", "let the root user recover a password by mail"),
            ("DeleteLoginProfile", "deleted the root user's password"),
        ] {
            let call = Told { request: "{}", ..told(identity, IAM, name) };
            check(&call, Kind::RootCredentialsChanged, Severity::Critical, &format!("{who} {done}."));
        }
    }

    #[test]
    fn root_user_that_is_assumed_is_told_of() {
        let what = format!("{ANN} began a privileged session of a member's root user in account {ACCOUNT}.");
        let call = Told { read_only: false, ..told(ann(), "sts", "AssumeRoot") };
        check(&call, Kind::RootUsed, Severity::Warning, &what);
    }

    #[test]
    fn access_key_of_root_is_told_but_not_one_of_a_user() {
        let call = |identity, request| Told { request, ..told(identity, IAM, "CreateAccessKey") };
        let what = format!("The root user of account {ACCOUNT} made an access key for itself.");
        check(&call(root(), "{}"), Kind::RootKeyCreated, Severity::Critical, &what);
        let for_ann = call(root(), r#"{"userName": "ann"}"#).alert().unwrap();
        assert_eq!(for_ann.kind, Kind::RootUsed);
        assert_eq!(call(ann(), "{}").alert(), None);
    }

    #[test]
    fn changes_that_succeed_are_told_with_what_they_change() {
        let request =
            r#"{"userName": "bob", "policyName": "all", "policyDocument": "{}", "tags": [{"key": "k"}]}"#;
        let call = Told { request, ..told(ann(), IAM, "PutUserPolicy") };
        let what = format!("{ANN} wrote a policy of a user (user bob, policy all) in account {ACCOUNT}.");
        check(&call, Kind::PolicyChanged, Severity::Info, &what);
        assert_eq!(Told { error: DENIED, ..call }.alert(), None);
        let by_root = Told { request, ..told(root(), IAM, "PutUserPolicy") }.alert().unwrap();
        assert_eq!((by_root.kind, by_root.severity), (Kind::PolicyChanged, Severity::Warning));
    }

    #[test]
    fn names_of_iam_mean_nothing_elsewhere() {
        assert_eq!(told(ann(), "account.amazonaws.com", "CreatePolicy").alert(), None);
        assert_eq!(told(ann(), IAM, "CreateUser").alert(), None);
    }

    #[test]
    fn account_that_is_closed_by_its_organization_is_named() {
        let call = Told {
            request: r#"{"accountId": "444455556666"}"#,
            ..told(ann(), ORGANIZATIONS, "CloseAccount")
        };
        let what = format!(
            "{ANN} closed an account of the organization (account 444455556666) in account {ACCOUNT}."
        );
        check(&call, Kind::AccountClosed, Severity::Critical, &what);
        let leave = told(ann(), ORGANIZATIONS, "LeaveOrganization");
        let what = format!("{ANN} took the account out of its organization in account {ACCOUNT}.");
        check(&leave, Kind::OrganizationChanged, Severity::Critical, &what);
        assert_eq!(Told { error: DENIED, ..leave }.alert(), None);
    }

    #[test]
    fn role_session_is_the_actor() {
        let session = "arn:aws:sts::123456789012:assumed-role/deploy/ci";
        let identity = UserIdentity::AssumedRole {
            principal_id: "AROAEXAMPLE:ci",
            arn: session,
            account: account(),
            access_key: None,
            issuer: Issuer {
                kind: IssuerKind::Role,
                principal_id: "AROAEXAMPLE",
                arn: "arn:aws:iam::123456789012:role/deploy",
                account: account(),
                user_name: Some("deploy"),
            },
            session: Session::new(Time::from_seconds(0)),
        };
        assert_eq!(told(identity, IAM, "CreatePolicy").alert().unwrap().actor, session);
    }

    #[test]
    fn every_event_of_the_tables_is_told_once() {
        for table in [&[OF_IAM, OF_ANY][..], &[OF_ORGANIZATIONS]] {
            let mut names: Vec<_> = table.concat().iter().map(|rule| rule.name).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "an event is in the tables twice");
        }
        for (source, rules) in [(IAM, OF_IAM), (ORGANIZATIONS, OF_ORGANIZATIONS)] {
            for rule in rules {
                let alert = told(ann(), source, rule.name).alert().unwrap();
                assert_eq!((alert.kind, alert.severity, alert.by_root), (rule.kind, rule.severity, false));
            }
        }
        for rule in OF_ANY {
            let alert = host(rule.name).alert().unwrap();
            assert_eq!((alert.kind, alert.severity), (rule.kind, rule.severity));
            assert_eq!(alert.actor, "operator at the host");
            let what = format!("The operator at the host {} in account {ACCOUNT}.", rule.done);
            assert_eq!(alert.what, what);
        }
        let step = told(ann(), SIGN_IN, "PasswordRecoveryRequested").alert().unwrap();
        assert_eq!((step.kind, step.severity), (Kind::RootCredentialsChanged, Severity::Warning));
    }

    #[test]
    fn account_opened_with_the_setup_code_was_opened_by_no_operator() {
        let identity = UserIdentity::Service { name: "rootward setup code" };
        let alert = Told { identity, ..host("CreateAccount") }.alert().unwrap();
        assert_eq!(
            alert.what,
            format!("Somebody with the setup code opened an account in account {ACCOUNT}.")
        );
        assert_eq!(alert.actor, "somebody with the setup code");
    }

    #[test]
    fn host_commands_that_change_nothing_of_note_are_not_told() {
        for name in ["Can", "WhoCan", "ListAlertTargets", "TestAlertTarget"] {
            assert_eq!(host(name).alert(), None);
        }
        assert_eq!(Told { error: DENIED, ..host("CreateRootAccessKey") }.alert(), None);
    }

    #[test]
    fn text_of_a_caller_makes_no_line_and_no_bulk() {
        let long = "x".repeat(5_000);
        let request = format!(r#"{{"userName": "bob\r\nBcc: mallory@example.com", "policyName": "{long}"}}"#);
        let alert = Told { request: &request, ..told(ann(), IAM, "PutUserPolicy") }.alert().unwrap();
        assert!(alert.what.contains("user bobBcc: mallory@example.com, policy xxx"), "{}", alert.what);
        assert!(alert.what.chars().count() < 500 && !alert.what.contains(['\r', '\n']));
    }

    #[test]
    fn nothing_but_names_comes_from_the_request() {
        let request =
            r#"{"userName": "bob", "password": "hunter2-secret", "policyDocument": "hunter2-secret"}"#;
        let alert = Told { request, ..told(ann(), IAM, "CreateLoginProfile") }.alert().unwrap();
        assert!(!format!("{alert:?}").contains("hunter2"));
    }

    #[test]
    fn caller_cannot_pass_a_change_off_as_a_read() {
        let request = r#"{"userName": "bob", "x": "\"readOnly\":true", "readOnly":true}"#;
        assert!(Told { request, ..told(ann(), IAM, "PutUserPolicy") }.alert().is_some());
        assert!(!may_matter(&Told { read_only: true, ..told(ann(), IAM, "GetUser") }.json()));
    }

    proptest! {
        /// Whatever the members are, a record of root is told.
        #[test]
        fn members_of_any_form_keep_no_record_from_being_told(value in "null|1|\\[\\]|\\{\\}|\"x\"|true") {
            let record = format!(
                r#"{{"userIdentity": {{"type": "Root", "arn": {value}, "accountId": {value}, "sessionContext": {value}}},
                "eventName": "X", "eventSource": {value}, "eventTime": {value}, "sourceIPAddress": {value},
                "requestParameters": {value}, "responseElements": {value}, "eventID": {value}}}"#
            );
            prop_assert_eq!(classify(&record).unwrap().kind, Kind::RootUsed);
        }

        #[test]
        fn any_text_is_no_record_or_has_no_unseen_characters(name in ".{0,30}", arn in ".{0,30}") {
            let identity = UserIdentity::User {
                principal_id: "AIDAEXAMPLE", arn: &arn, account: account(), access_key: None, name: &name, session: None,
            };
            let request = serde_json::json!({ "userName": name }).to_string();
            let alert = Told { request: &request, ..told(identity, IAM, "PutUserPolicy") }.alert().unwrap();
            for text in [&alert.what, &alert.actor] {
                prop_assert_eq!(&plain(text, usize::MAX), text);
            }
        }
    }
}

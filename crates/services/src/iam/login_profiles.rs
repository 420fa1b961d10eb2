//! Passwords of users, which IAM calls login profiles.
//!
//! A password is a row of its own under the user's id, so it goes along when the user is renamed, and nobody who reads a user
//! for a decision reads a hash. Whoever gives a user its first password reads the user's row, and deleting the user reads
//! that there is none: of the two at once, one loses.
//!
//! The account's rule is held against every new password, whoever sets it. Who resets a password ends the user's sign-ins,
//! because that is what one does when it is known to others; a user who changes it stays signed in.
//! DIFFERENCE: AWS lets the sessions of a user go on when its password is reset or deleted, until they expire.
//!
//! Source: IAM API Reference; IAM User Guide, "Manage user passwords".

use std::iter;
use std::sync::Arc;

use rootward_api::iam as api;
use rootward_auth::Identity;
use rootward_auth::password::{Password, Verified, check_user};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, always};
use rootward_state::entities::{
    Account, CredentialOwner, LoginProfile, PasswordHash, PasswordPolicy, RootUser, User,
};
use rootward_state::{RowKey, Txn};
use rootward_wire::{Empty, Sensitive};

use super::whom::{Whom, check_equipping, own_account, user, whom};
use super::{failures, targets};
use crate::session_end::{self, Why};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &CHANGE_PASSWORD,
    &CREATE_LOGIN_PROFILE,
    &DELETE_LOGIN_PROFILE,
    &GET_LOGIN_PROFILE,
    &UPDATE_LOGIN_PROFILE,
];

/// With the present one as many as a policy can forbid to use again.
const PREVIOUS_MAX: usize = 23;

pub(super) static CREATE_LOGIN_PROFILE: Declaration<api::CreateLoginProfile> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:CreateLoginProfile",
        when: always,
        target: |scope, input| targets::user_or_caller(scope, input.user_name.as_deref()),
        keys: &[],
    }],
    run: create_login_profile,
};

fn create_login_profile(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreateLoginProfileRequest,
) -> Result<api::CreateLoginProfileResponse, Failure> {
    let user = match whose(ctx, txn, input.user_name.as_deref())? {
        Whom::Root(account) => return let_recover(ctx, txn, &account, input),
        Whom::User(user) => user,
    };
    check_equipping(ctx, txn, &user)?;
    let text = input.password.as_ref().ok_or_else(failures::password_needed)?;
    let key = RowKey::LoginProfile(ctx.account(), user.id);
    if txn.get::<LoginProfile>(key.clone()).is_some() {
        return Err(failures::login_profile_exists(&user.name));
    }
    let profile = LoginProfile {
        created: ctx.now,
        password: new_password(ctx, txn, &user, None, false, text)?,
        set: ctx.now,
        used: None,
        reset_required: input.password_reset_required.unwrap_or_default(),
        previous: Vec::new(),
    };
    let shown = shown(&user, &profile);
    txn.put(key, profile);
    Ok(api::CreateLoginProfileResponse { login_profile: shown })
}

/// Lets a root user that has nothing to sign in with set a first password by mail, which is all that this gives it.
fn let_recover(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    account: &Account,
    input: &api::CreateLoginProfileRequest,
) -> Result<api::CreateLoginProfileResponse, Failure> {
    if input.password.is_some() || input.password_reset_required.is_some() {
        return Err(failures::password_of_root_given());
    }
    if profile_of_root(account).is_some() {
        return Err(failures::root_has_login_profile(account.id));
    }
    // Who gives the root user one of them rewrites its row, as is done here.
    let has_devices = ctx.view(txn)?.mfa_devices_of(CredentialOwner::Root).next().is_some();
    if has_devices || !account.root.access_keys.is_empty() {
        return Err(failures::root_has_credentials(account.id));
    }
    let mut changed = account.clone();
    changed.root.recoverable = Some(ctx.now);
    let shown =
        profile_of_root(&changed).ok_or_else(|| Failure::internal("a password cannot be recovered"))?;
    txn.put(RowKey::Account(account.id), changed);
    Ok(api::CreateLoginProfileResponse { login_profile: shown })
}

pub(super) static GET_LOGIN_PROFILE: Declaration<api::GetLoginProfile> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:GetLoginProfile",
        when: always,
        target: |scope, input| targets::user_or_caller(scope, input.user_name.as_deref()),
        keys: &[],
    }],
    run: get_login_profile,
};

fn get_login_profile(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetLoginProfileRequest,
) -> Result<api::GetLoginProfileResponse, Failure> {
    let user = match whose(ctx, txn, input.user_name.as_deref())? {
        Whom::Root(account) => {
            let profile = profile_of_root(&account);
            let login_profile = profile.ok_or_else(|| failures::root_has_no_login_profile(account.id))?;
            return Ok(api::GetLoginProfileResponse { login_profile });
        }
        Whom::User(user) => user,
    };
    let profile = profile(ctx, txn, &user)?;
    Ok(api::GetLoginProfileResponse { login_profile: shown(&user, &profile) })
}

pub(super) static UPDATE_LOGIN_PROFILE: Declaration<api::UpdateLoginProfile> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:UpdateLoginProfile",
        when: always,
        target: |scope, input| targets::user(scope, &input.user_name),
        keys: &[],
    }],
    run: update_login_profile,
};

/// What is not given stays as it is.
fn update_login_profile(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UpdateLoginProfileRequest,
) -> Result<Empty, Failure> {
    let user = user(ctx, txn, &input.user_name)?;
    check_equipping(ctx, txn, &user)?;
    let old = profile(ctx, txn, &user)?;
    let mut profile = LoginProfile::clone(&old);
    if let Some(text) = &input.password {
        profile = replaced(ctx, &old, new_password(ctx, txn, &user, Some(&old), false, text)?);
        session_end::end(ctx, txn, CredentialOwner::User(user.id), None, Why::PasswordChanged);
    }
    profile.reset_required = input.password_reset_required.unwrap_or(old.reset_required);
    txn.put(RowKey::LoginProfile(ctx.account(), user.id), profile);
    Ok(Empty)
}

pub(super) static DELETE_LOGIN_PROFILE: Declaration<api::DeleteLoginProfile> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DeleteLoginProfile",
        when: always,
        target: |scope, input| targets::user_or_caller(scope, input.user_name.as_deref()),
        keys: &[],
    }],
    run: delete_login_profile,
};

fn delete_login_profile(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeleteLoginProfileRequest,
) -> Result<Empty, Failure> {
    let user = match whose(ctx, txn, input.user_name.as_deref())? {
        Whom::Root(account) => return delete_password_of_root(ctx, txn, &account),
        Whom::User(user) => user,
    };
    profile(ctx, txn, &user)?;
    txn.delete(RowKey::LoginProfile(ctx.account(), user.id));
    session_end::end(ctx, txn, CredentialOwner::User(user.id), None, Why::PasswordChanged);
    Ok(Empty)
}

/// From then on the root user can neither sign in nor have a password sent.
fn delete_password_of_root(ctx: &OpContext<'_>, txn: &mut Txn, account: &Account) -> Result<Empty, Failure> {
    if profile_of_root(account).is_none() {
        return Err(failures::root_has_no_login_profile(account.id));
    }
    let mut changed = account.clone();
    changed.root = RootUser { password: None, password_set: None, recoverable: None, ..changed.root };
    txn.put(RowKey::Account(account.id), changed);
    session_end::end(ctx, txn, CredentialOwner::Root, None, Why::PasswordChanged);
    Ok(Empty)
}

pub(super) static CHANGE_PASSWORD: Declaration<api::ChangePassword> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ChangePassword",
        when: always,
        target: |scope, _| targets::user_or_caller(scope, None),
        keys: &[],
    }],
    run: change_password,
};

/// Also of a password that has expired, however hard: who may call this has another way in.
fn change_password(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ChangePasswordRequest,
) -> Result<Empty, Failure> {
    if !matches!(ctx.principal.identity, Identity::User(_)) {
        return Err(failures::not_a_user());
    }
    let Whom::User(user) = whom(ctx, txn, None)? else { return Err(failures::not_a_user()) };
    let old = profile(ctx, txn, &user)?;
    let typed = Password::new(input.old_password.expose());
    ctx.hashing(|permit, _| {
        ctx.guessing_password(|| match permit.verify(&typed, Some(&old.password)) {
            Verified::Differs => Err(failures::wrong_old_password()),
            Verified::Matches { .. } => Ok(()),
        })
    })??;
    let policy = txn.get::<PasswordPolicy>(RowKey::PasswordPolicy(ctx.account()));
    let expires = policy.and_then(|policy| policy.expires(old.set));
    // Else a change that is due would change nothing.
    let must_differ = old.reset_required || expires.is_some_and(|expires| expires <= ctx.now);
    let password = new_password(ctx, txn, &user, Some(&old), must_differ, &input.new_password)?;
    let profile = LoginProfile { reset_required: false, ..replaced(ctx, &old, password) };
    txn.put(RowKey::LoginProfile(ctx.account(), user.id), profile);
    // Whoever changes a password because somebody else knows it wants them out.
    session_end::end(ctx, txn, CredentialOwner::User(user.id), session_end::here(ctx), Why::PasswordChanged);
    Ok(Empty)
}

/// Whose password a call with this user name is about: the root user's only for an organization that has assumed it. To the root user
/// itself its password is no login profile.
fn whose(ctx: &OpContext<'_>, txn: &mut Txn, name: Option<&str>) -> Result<Whom, Failure> {
    match whom(ctx, txn, name)? {
        Whom::Root(_) if !ctx.principal.is_assumed_root() => Err(failures::user_name_needed()),
        whom => Ok(whom),
    }
}

/// The password of a root user as a login profile, which it also has while it may set a first one by mail.
fn profile_of_root(account: &Account) -> Option<api::LoginProfile> {
    let root = &account.root;
    let set = root.password.as_ref().map(|_| root.password_set.unwrap_or(account.created));
    let create_date = set.or(root.recoverable)?;
    Some(api::LoginProfile { user_name: None, create_date, password_reset_required: Some(false) })
}

/// The password of a user, guarded.
fn profile(ctx: &OpContext<'_>, txn: &mut Txn, user: &User) -> Result<Arc<LoginProfile>, Failure> {
    let found = txn.get::<LoginProfile>(RowKey::LoginProfile(ctx.account(), user.id));
    found.ok_or_else(|| failures::no_such_login_profile(&user.name))
}

/// A new password for a user, hashed, if the account's rule takes it; `old` is what the user has had so far, and `must_differ` whether
/// that is not taken again even where the rule lets passwords come back.
fn new_password(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    user: &User,
    old: Option<&LoginProfile>,
    must_differ: bool,
    text: &Sensitive,
) -> Result<PasswordHash, Failure> {
    let account = own_account(ctx, txn)?;
    let policy = txn.get::<PasswordPolicy>(RowKey::PasswordPolicy(ctx.account()));
    let password = Password::new(text.expose());
    check_user(&password, policy.as_deref(), &user.name, &account.name, &account.email)
        .map_err(|why| failures::password_unacceptable(&why.reasons().join(", ")))?;
    let count = policy.and_then(|policy| policy.reuse_prevention).unwrap_or_default();
    let last = old.into_iter().flat_map(|old| iter::once(&old.password).chain(&old.previous));
    ctx.hashing(|permit, random| {
        if permit.is_reused(&password, last, count.into()) {
            return Err(failures::password_unacceptable(&format!(
                "must not be one of the user's last {count} passwords"
            )));
        }
        if must_differ && permit.is_reused(&password, old.map(|old| &old.password), 1) {
            return Err(failures::password_unacceptable("must not be the present password"));
        }
        permit.hash(&password, random).map_err(|_| Failure::internal("a password could not be hashed"))
    })?
}

/// With a new password; the one before is remembered.
fn replaced(ctx: &OpContext<'_>, old: &LoginProfile, password: PasswordHash) -> LoginProfile {
    let previous = iter::once(&old.password).chain(&old.previous).take(PREVIOUS_MAX).cloned().collect();
    LoginProfile { password, set: ctx.now, previous, ..old.clone() }
}

fn shown(user: &User, profile: &LoginProfile) -> api::LoginProfile {
    api::LoginProfile {
        user_name: Some(user.name.to_string()),
        create_date: profile.created,
        password_reset_required: Some(profile.reset_required),
    }
}

#[cfg(test)]
mod tests {
    use rootward_auth::AssumedRoot;
    use rootward_auth::root_task::RootTask;
    use rootward_names::{Time, UniqueId};
    use rootward_state::entities::{SessionKind, SignedIn};

    use super::super::users::{DELETE_USER, GET_USER, LIST_USERS};
    use super::*;
    use crate::testing::{Bench, principal};

    const FIRST: &str = "vuxLOPim7=first";
    const SECOND: &str = "vuxLOPim7=second";
    const THIRD: &str = "vuxLOPim7=third";

    fn create(bench: &Bench, user: Option<&str>, password: &str) -> Result<api::LoginProfile, Failure> {
        let input = api::CreateLoginProfileRequest {
            user_name: user.map(Into::into),
            password: Some(Sensitive::new(password)),
            password_reset_required: None,
        };
        bench.run(&CREATE_LOGIN_PROFILE, input).map(|output| output.login_profile)
    }

    fn get(bench: &Bench, user: Option<&str>) -> Result<api::LoginProfile, Failure> {
        let input = api::GetLoginProfileRequest { user_name: user.map(Into::into) };
        bench.run(&GET_LOGIN_PROFILE, input).map(|output| output.login_profile)
    }

    fn update(
        bench: &Bench,
        user: &str,
        password: Option<&str>,
        reset: Option<bool>,
    ) -> Result<Empty, Failure> {
        let input = api::UpdateLoginProfileRequest {
            user_name: user.into(),
            password: password.map(Sensitive::new),
            password_reset_required: reset,
        };
        bench.run(&UPDATE_LOGIN_PROFILE, input)
    }

    fn delete(bench: &Bench, user: Option<&str>) -> Result<Empty, Failure> {
        bench.run(&DELETE_LOGIN_PROFILE, api::DeleteLoginProfileRequest { user_name: user.map(Into::into) })
    }

    fn change(bench: &Bench, old: &str, new: &str) -> Result<Empty, Failure> {
        let (old_password, new_password) = (Sensitive::new(old), Sensitive::new(new));
        bench.run(&CHANGE_PASSWORD, api::ChangePasswordRequest { old_password, new_password })
    }

    #[test]
    fn wrong_old_passwords_with_keys_are_slowed_down_and_do_not_keep_the_owner_out() {
        let bench = Bench::new();
        let id = bench.add_user("ann");
        create(&bench, Some("ann"), FIRST).unwrap();
        bench.call_as_user("ann");
        let wrong = (0..21).map(|_| change(&bench, THIRD, SECOND).unwrap_err().code);
        let wrong: Vec<_> = wrong.collect();
        assert_eq!((wrong[19], wrong[20]), (failures::wrong_old_password().code, Failure::throttled().code));
        assert_eq!(change(&bench, FIRST, SECOND).unwrap_err(), Failure::throttled());
        let session = bench.add_session(SignedIn::User(id), SessionKind::Console);
        bench.call_signed_in(session);
        change(&bench, FIRST, SECOND).unwrap();
    }

    fn set_policy(bench: &Bench, policy: PasswordPolicy) {
        bench.write(|txn| txn.put(RowKey::PasswordPolicy(bench.account()), policy));
    }

    /// The row as it stands.
    fn row(bench: &Bench, user: &str) -> Option<Arc<LoginProfile>> {
        let id = bench.row::<User>(user).unwrap().id;
        bench.state().login_profile(id).cloned()
    }

    /// The users whose sessions there are.
    fn signed_in(bench: &Bench) -> Vec<UniqueId> {
        let users = bench.live_sessions().into_iter().map(|(_, holder)| match holder {
            SignedIn::User(id) => id,
            SignedIn::Federated(_) | SignedIn::Root => panic!("a session of nobody that was signed in"),
        });
        users.collect()
    }

    /// Ann, Bob, and a session of each.
    fn two_signed_in() -> (Bench, UniqueId, UniqueId) {
        let bench = Bench::new();
        let (ann, bob) = (bench.add_user("ann"), bench.add_user("bob"));
        create(&bench, Some("ann"), FIRST).unwrap();
        for user in [ann, bob] {
            bench.add_session(SignedIn::User(user), SessionKind::Console);
        }
        (bench, ann, bob)
    }

    #[test]
    fn created_profile_is_shown_and_keeps_a_hash_only() {
        let bench = Bench::new();
        bench.add_user("Ann");
        let made = create(&bench, Some("ann"), FIRST).unwrap();
        assert_eq!((made.user_name.as_deref(), made.create_date), (Some("Ann"), bench.now()));
        assert_eq!(made.password_reset_required, Some(false));
        assert_eq!(get(&bench, Some("ANN")).unwrap(), made);
        let row = row(&bench, "ann").unwrap();
        assert!(row.password.expose().starts_with("$argon2id$") && !row.password.expose().contains(FIRST));
    }

    #[test]
    fn second_profile_of_one_user_is_refused_and_one_of_nobody_too() {
        let bench = Bench::new();
        bench.add_user("Ann");
        create(&bench, Some("ann"), FIRST).unwrap();
        let error = create(&bench, Some("ann"), SECOND).unwrap_err();
        assert_eq!((error.code, error.status), ("EntityAlreadyExists", 409));
        assert_eq!(error.message, "Login Profile for user Ann already exists.");
        let error = create(&bench, Some("bob"), FIRST).unwrap_err();
        assert_eq!(error.message, "The user with name bob cannot be found.");
    }

    #[test]
    fn without_a_password_nothing_is_created() {
        let bench = Bench::new();
        bench.add_user("ann");
        let input = api::CreateLoginProfileRequest { user_name: Some("ann".into()), ..Default::default() };
        assert_eq!(bench.run(&CREATE_LOGIN_PROFILE, input).unwrap_err(), failures::password_needed());
        assert!(row(&bench, "ann").is_none());
    }

    #[test]
    fn user_without_a_password_has_nothing_to_get_update_delete_or_change() {
        let bench = Bench::new();
        bench.add_user("Ann");
        let missing = failures::no_such_login_profile("Ann");
        assert_eq!(missing.message, "Login Profile for User Ann cannot be found.");
        assert_eq!(get(&bench, Some("ann")).unwrap_err(), missing);
        assert_eq!(update(&bench, "ann", Some(FIRST), None).unwrap_err(), missing);
        assert_eq!(delete(&bench, Some("ann")).unwrap_err(), missing);
        bench.call_as_user("ann");
        assert_eq!(change(&bench, FIRST, SECOND).unwrap_err(), missing);
    }

    #[test]
    fn without_a_name_a_user_means_itself_and_root_and_roles_mean_nobody() {
        let bench = Bench::new();
        bench.add_user("ann");
        bench.add_role("r");
        bench.call_as_user("ann");
        assert_eq!(create(&bench, None, FIRST).unwrap().user_name.as_deref(), Some("ann"));
        assert_eq!(get(&bench, None).unwrap().user_name.as_deref(), Some("ann"));
        delete(&bench, None).unwrap();
        for call in [Bench::call_as_root, |bench: &Bench| bench.call_as_role("r")] {
            call(&bench);
            let needed = failures::user_name_needed();
            assert_eq!(create(&bench, None, FIRST).unwrap_err(), needed);
            assert_eq!(
                (get(&bench, None).unwrap_err(), delete(&bench, None).unwrap_err()),
                (needed.clone(), needed)
            );
        }
    }

    #[test]
    fn refused_password_is_told_what_is_wrong_and_not_repeated() {
        let bench = Bench::new();
        bench.add_user("ann");
        let error = create(&bench, Some("ann"), "aaaaaa").unwrap_err();
        assert_eq!((error.code, error.status), ("PasswordPolicyViolation", 400));
        let words =
            "Password does not conform to the account password policy. It must have at least 8 characters, ";
        assert!(error.message.starts_with(words) && !error.message.contains("aaaaaa"), "{error}");
        set_policy(&bench, PasswordPolicy { require_numbers: true, ..PasswordPolicy::default() });
        let error = create(&bench, Some("ann"), "aaaaaa").unwrap_err();
        assert!(error.message.ends_with("policy. It must contain a digit."), "{error}");
        create(&bench, Some("ann"), "aaaaa7").unwrap();
        let error = update(&bench, "ann", Some("bbbbbb"), None).unwrap_err();
        assert_eq!(error.code, "PasswordPolicyViolation");
        bench.call_as_user("ann");
        assert_eq!(change(&bench, "aaaaa7", "bbbbbb").unwrap_err(), error);
    }

    #[test]
    fn profile_keeps_the_date_of_the_first_password() {
        let bench = Bench::new();
        bench.add_user("ann");
        let first = create(&bench, Some("ann"), FIRST).unwrap().create_date;
        bench.pass_seconds(60);
        update(&bench, "ann", Some(SECOND), Some(true)).unwrap();
        let shown = get(&bench, Some("ann")).unwrap();
        assert_eq!((shown.create_date, shown.password_reset_required), (first, Some(true)));
        assert_eq!(row(&bench, "ann").unwrap().set, first.plus_seconds(60));
        update(&bench, "ann", None, None).unwrap();
        let kept = row(&bench, "ann").unwrap();
        assert_eq!((kept.set, kept.reset_required), (first.plus_seconds(60), true));
        update(&bench, "ann", None, Some(false)).unwrap();
        assert!(!row(&bench, "ann").unwrap().reset_required);
    }

    #[test]
    fn user_changes_its_password_with_the_old_one_only() {
        let bench = Bench::new();
        bench.add_user("ann");
        create(&bench, Some("ann"), FIRST).unwrap();
        update(&bench, "ann", None, Some(true)).unwrap();
        bench.call_as_user("ann");
        let error = change(&bench, SECOND, THIRD).unwrap_err();
        assert_eq!((error.code, error.status), ("AccessDenied", 403));
        change(&bench, FIRST, SECOND).unwrap();
        assert!(!row(&bench, "ann").unwrap().reset_required);
        assert_eq!(change(&bench, FIRST, THIRD).unwrap_err(), error);
        change(&bench, SECOND, THIRD).unwrap();
    }

    #[test]
    fn only_users_change_their_own_password() {
        let bench = Bench::new();
        bench.add_role("r");
        let error = change(&bench, FIRST, SECOND).unwrap_err();
        assert_eq!((error.code, error.status), ("InvalidUserType", 400));
        assert_eq!(error.message, "Only IAM Users can change their own password");
        bench.call_as_role("r");
        assert_eq!(change(&bench, FIRST, SECOND).unwrap_err(), error);
    }

    #[test]
    fn session_of_a_user_changes_the_password_with_a_second_factor_only() {
        let bench = Bench::new();
        bench.add_user("ann");
        create(&bench, Some("ann"), FIRST).unwrap();
        bench.call_as_user("ann");
        bench.call_with_temporary(None);
        assert_eq!(change(&bench, FIRST, SECOND).unwrap_err().code, "InvalidClientTokenId");
        bench.call_with_temporary(Some(bench.now()));
        change(&bench, FIRST, SECOND).unwrap();
    }

    #[test]
    fn last_passwords_are_refused_with_the_present_one_among_them() {
        let bench = Bench::new();
        bench.add_user("ann");
        set_policy(&bench, PasswordPolicy { reuse_prevention: Some(2), ..PasswordPolicy::default() });
        create(&bench, Some("ann"), FIRST).unwrap();
        let error = update(&bench, "ann", Some(FIRST), None).unwrap_err();
        assert!(error.message.ends_with("It must not be one of the user's last 2 passwords."), "{error}");
        update(&bench, "ann", Some(SECOND), None).unwrap();
        bench.call_as_user("ann");
        assert_eq!(change(&bench, SECOND, FIRST).unwrap_err(), error);
        change(&bench, SECOND, THIRD).unwrap();
        change(&bench, THIRD, FIRST).unwrap();
    }

    #[test]
    fn change_that_is_due_takes_another_password_and_one_that_is_not_any() {
        let bench = Bench::new();
        bench.add_user("ann");
        create(&bench, Some("ann"), FIRST).unwrap();
        update(&bench, "ann", None, Some(true)).unwrap();
        bench.call_as_user("ann");
        let refused = change(&bench, FIRST, FIRST).unwrap_err();
        assert_eq!(
            (refused.code, refused.message.contains("present password")),
            ("PasswordPolicyViolation", true)
        );
        change(&bench, FIRST, SECOND).unwrap();
        change(&bench, SECOND, SECOND).unwrap();
        set_policy(&bench, PasswordPolicy { max_age_days: Some(1), ..PasswordPolicy::default() });
        bench.pass_seconds(86_400);
        assert_eq!(change(&bench, SECOND, SECOND).unwrap_err(), refused);
        change(&bench, SECOND, THIRD).unwrap();
    }

    #[test]
    fn no_more_passwords_are_remembered_than_a_policy_can_forbid() {
        let bench = Bench::new();
        let id = bench.add_user("ann");
        create(&bench, Some("ann"), FIRST).unwrap();
        let present = row(&bench, "ann").unwrap();
        let many =
            LoginProfile { previous: vec![PasswordHash::new("old"); 23], ..LoginProfile::clone(&present) };
        bench.write(|txn| txn.put(RowKey::LoginProfile(bench.account(), id), many));
        update(&bench, "ann", Some(SECOND), None).unwrap();
        let previous = row(&bench, "ann").unwrap().previous.clone();
        assert_eq!(previous.len(), 23);
        assert_eq!(previous[0].expose(), present.password.expose());
    }

    #[test]
    fn reset_and_deletion_end_the_sign_ins_of_that_user_only() {
        let (bench, _, bob) = two_signed_in();
        update(&bench, "ann", Some(SECOND), None).unwrap();
        assert_eq!(signed_in(&bench), [bob]);
        let (bench, _, bob) = two_signed_in();
        delete(&bench, Some("ann")).unwrap();
        assert_eq!(signed_in(&bench), [bob]);
        bench.run(&DELETE_USER, api::DeleteUserRequest { user_name: "bob".into() }).unwrap();
        assert_eq!(signed_in(&bench), []);
    }

    #[test]
    fn change_ends_all_sign_ins_of_the_user_but_the_one_it_comes_from() {
        let (bench, ann, bob) = two_signed_in();
        bench.call_as_user("ann");
        change(&bench, FIRST, SECOND).unwrap();
        assert_eq!(signed_in(&bench), [bob]);
        bench.add_session(SignedIn::User(ann), SessionKind::Console);
        let here = bench.add_session(SignedIn::User(ann), SessionKind::Console);
        bench.call_in_session(here);
        change(&bench, SECOND, THIRD).unwrap();
        let left = bench.live_sessions().into_iter().filter(|(_, holder)| *holder == SignedIn::User(ann));
        assert_eq!(left.map(|(id, _)| id).collect::<Vec<_>>(), [here]);
    }

    #[test]
    fn user_with_a_password_is_not_deleted_and_a_race_has_one_winner() {
        let bench = Bench::new();
        bench.add_user("ann");
        let deletion = api::DeleteUserRequest { user_name: "ann".into() };
        let creation = api::CreateLoginProfileRequest {
            user_name: Some("ann".into()),
            password: Some(Sensitive::new(FIRST)),
            password_reset_required: None,
        };
        let (_, deleting) = bench.run_uncommitted(&DELETE_USER, &deletion).unwrap();
        let (_, creating) = bench.run_uncommitted(&CREATE_LOGIN_PROFILE, &creation).unwrap();
        assert!(bench.second_loses(creating, deleting));
        let error = bench.run(&DELETE_USER, deletion.clone()).unwrap_err();
        assert_eq!((error.code, error.status), ("DeleteConflict", 409));
        assert_eq!(error.message, "Cannot delete entity, must delete login profile first.");
        delete(&bench, Some("ann")).unwrap();
        let (_, deleting) = bench.run_uncommitted(&DELETE_USER, &deletion).unwrap();
        let (_, creating) = bench.run_uncommitted(&CREATE_LOGIN_PROFILE, &creation).unwrap();
        assert!(bench.second_loses(deleting, creating));
    }

    #[test]
    fn last_use_of_the_password_is_shown_with_the_user() {
        let bench = Bench::new();
        let id = bench.add_user("ann");
        create(&bench, Some("ann"), FIRST).unwrap();
        let used = |bench: &Bench| -> [Option<Time>; 2] {
            let got = bench.run(&GET_USER, api::GetUserRequest { user_name: Some("ann".into()) });
            let listed = bench.run(&LIST_USERS, Default::default()).unwrap().users.remove(0);
            [got.unwrap().user.password_last_used, listed.password_last_used]
        };
        assert_eq!(used(&bench), [None, None]);
        let profile =
            LoginProfile { used: Some(bench.now()), ..LoginProfile::clone(&row(&bench, "ann").unwrap()) };
        bench.write(|txn| txn.put(RowKey::LoginProfile(bench.account(), id), profile));
        assert_eq!(used(&bench), [Some(bench.now()); 2]);
    }

    /// The root user of the bench's account, which has a password, assumed for a task.
    fn assumed(task: RootTask) -> Bench {
        let bench = Bench::new();
        bench.write(|txn| {
            let mut row = Account::clone(&*txn.account(bench.account()).unwrap());
            row.root.password = Some(PasswordHash::new("$argon2id$"));
            row.root.password_set = Some(bench.now());
            txn.put(RowKey::Account(bench.account()), row);
        });
        bench.call_as(principal(
            bench.account(),
            Identity::AssumedRoot(Box::new(AssumedRoot { task, source_identity: None })),
        ));
        bench.call_with_temporary(None);
        bench
    }

    fn let_recover(bench: &Bench) -> Result<api::LoginProfile, Failure> {
        bench.run(&CREATE_LOGIN_PROFILE, Default::default()).map(|output| output.login_profile)
    }

    #[test]
    fn password_of_an_assumed_root_user_is_told_of_and_deleted_with_its_sessions() {
        let bench = assumed(RootTask::DeleteCredentials);
        bench.add_session(SignedIn::Root, SessionKind::Console);
        let shown = get(&bench, None).unwrap();
        assert_eq!((shown.user_name, shown.create_date), (None, bench.now()));
        delete(&bench, None).unwrap();
        assert!(bench.live_sessions().is_empty());
        let state = bench.state();
        let root = &state.account().root;
        assert!(root.password.is_none() && root.password_set.is_none() && root.recoverable.is_none());
        let missing = failures::root_has_no_login_profile(bench.account());
        assert_eq!(get(&bench, None).unwrap_err(), missing);
        assert_eq!(delete(&bench, None).unwrap_err(), missing);
    }

    #[test]
    fn assumed_root_user_may_recover_a_password_once_it_has_no_credentials() {
        let bench = assumed(RootTask::CreatePassword);
        let account = bench.account();
        assert_eq!(let_recover(&bench).unwrap_err(), failures::root_has_login_profile(account));
        delete(&bench, None).unwrap();
        bench.add_mfa_device("of-root", CredentialOwner::Root);
        assert_eq!(let_recover(&bench).unwrap_err(), failures::root_has_credentials(account));
        bench.write(|txn| txn.delete(RowKey::MfaDevice(account, "mfa/of-root".into())));
        assert_eq!(create(&bench, None, FIRST).unwrap_err(), failures::password_of_root_given());
        let_recover(&bench).unwrap();
        assert_eq!(bench.state().account().root.recoverable, Some(bench.now()));
        assert!(bench.state().account().root.password.is_none());
        assert_eq!(get(&bench, None).unwrap().create_date, bench.now());
        assert_eq!(let_recover(&bench).unwrap_err(), failures::root_has_login_profile(account));
        delete(&bench, None).unwrap();
        assert_eq!(bench.state().account().root.recoverable, None);
    }

    #[test]
    fn assumed_root_user_gets_a_device_or_a_password_recovered_but_not_both_at_once() {
        let bench = assumed(RootTask::CreatePassword);
        delete(&bench, None).unwrap();
        let (_, recovers) = bench.run_uncommitted(&CREATE_LOGIN_PROFILE, &Default::default()).unwrap();
        let mut binds = bench.begin();
        let row = binds.account(bench.account()).unwrap();
        Whom::Root(row).hold(&mut binds, bench.account());
        assert!(bench.second_loses(binds, recovers));
    }
}

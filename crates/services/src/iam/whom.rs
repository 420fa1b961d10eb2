//! Operations with an optional user name: without one they are about the caller.

use std::sync::Arc;

use rootward_auth::{Identity, guard};
use rootward_names::AccountId;
use rootward_pipeline::{Failure, OpContext};
use rootward_state::entities::{Account, CredentialOwner, User};
use rootward_state::{RowKey, Txn};

use super::failures;
use crate::root_guard;

/// Whom such a call is about; the row is guarded.
#[derive(Debug)]
pub(crate) enum Whom {
    /// The root user, and only when the root user calls or the organization that has assumed it.
    Root(Arc<Account>),
    /// A user of the caller's account.
    User(Arc<User>),
}

impl Whom {
    /// The user's name; the root user has none.
    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Self::Root(_) => None,
            Self::User(user) => Some(user.name.to_string()),
        }
    }

    /// Whom credentials are kept as belonging to.
    pub(crate) fn owner(&self) -> CredentialOwner {
        match self {
            Self::Root(_) => CredentialOwner::Root,
            Self::User(user) => CredentialOwner::User(user.id),
        }
    }

    /// As [`check_equipping`], for a user; the seal is what guards the root user.
    pub(crate) fn check_equipping(&self, ctx: &OpContext<'_>, txn: &mut Txn) -> Result<(), Failure> {
        match self {
            Self::Root(_) => Ok(()),
            Self::User(user) => check_equipping(ctx, txn, user),
        }
    }

    /// Rewrites the row: deleting the user at the same time then loses, and so does whoever else counts what it has.
    pub(crate) fn hold(&self, txn: &mut Txn, account: AccountId) {
        match self {
            Self::Root(row) => txn.put::<Account>(RowKey::Account(account), Arc::clone(row)),
            Self::User(user) => txn.put_entity::<User>(account, Arc::clone(user)),
        }
    }
}

/// Whom a call with this user name is about.
///
/// # Errors
/// `NoSuchEntity`; `ValidationError` when a role calls without a name.
pub(crate) fn whom(ctx: &OpContext<'_>, txn: &mut Txn, name: Option<&str>) -> Result<Whom, Failure> {
    match (name, &ctx.principal.identity) {
        (Some(name), _) => user(ctx, txn, name).map(Whom::User),
        (None, Identity::AssumedRoot(_) | Identity::Root) => own_account(ctx, txn).map(Whom::Root),
        (None, Identity::User(caller)) => {
            // By id: the caller may have been renamed since the request was authenticated.
            let now = txn.view(ctx.account()).and_then(|state| state.by_id::<User>(caller.id).cloned());
            let name = now.map_or_else(|| caller.name.clone(), |user| user.name.clone());
            user(ctx, txn, &name).map(Whom::User)
        }
        (None, Identity::FederatedUser(_) | Identity::RoleSession(_)) => Err(failures::user_name_needed()),
    }
}

/// Lets nobody else give or change what an approver of root access proves themselves with; guarded, so that of this and being
/// named an approver at once one loses. Every operation that makes a password, an access key or a second factor good for a user asks.
///
/// DIFFERENCE: AWS has no approvers of root access. There whoever may call `CreateAccessKey`, `EnableMFADevice` and the like may for every
/// user; here an approver alone may for themselves, while approvals are needed.
///
/// # Errors
/// `AccessDenied`.
pub(crate) fn check_equipping(ctx: &OpContext<'_>, txn: &mut Txn, user: &User) -> Result<(), Failure> {
    let settings = root_guard::read(txn, ctx.account())
        .map_err(|_| Failure::internal("the caller's account has no row"))?;
    if guard::may_equip(&settings, ctx.principal, user.id) {
        Ok(())
    } else {
        Err(failures::is_approver(ctx.account(), &user.name))
    }
}

/// The caller's own account, guarded.
///
/// # Errors
/// An internal one when it is not there: the caller was authenticated as somebody of it.
pub(crate) fn own_account(ctx: &OpContext<'_>, txn: &mut Txn) -> Result<Arc<Account>, Failure> {
    txn.account(ctx.account()).ok_or_else(|| Failure::internal("the caller's account has no row"))
}

/// The user called `name` in the caller's account, guarded.
///
/// # Errors
/// `NoSuchEntity`.
pub(crate) fn user(ctx: &OpContext<'_>, txn: &mut Txn, name: &str) -> Result<Arc<User>, Failure> {
    txn.named::<User>(ctx.account(), name).ok_or_else(|| failures::no_such_user(name))
}

#[cfg(test)]
mod tests {
    use rootward_api::iam as api;
    use rootward_auth::totp::Seed;
    use rootward_state::entities::RootGuard;
    use rootward_wire::Sensitive;

    use super::super::access_keys::{CREATE_ACCESS_KEY, DELETE_ACCESS_KEY, UPDATE_ACCESS_KEY};
    use super::super::login_profiles::{CREATE_LOGIN_PROFILE, DELETE_LOGIN_PROFILE, UPDATE_LOGIN_PROFILE};
    use super::super::mfa_devices::{DEACTIVATE_MFA_DEVICE, ENABLE_MFA_DEVICE, RESYNC_MFA_DEVICE};
    use super::super::users::UPDATE_USER;
    use super::*;
    use crate::testing::Bench;

    const PASSWORD: &str = "vuxLOPim7=first";

    /// An account with ann, who has a device, an inactive access key and a password; with dan, and the role admin.
    struct House {
        bench: Bench,
        bound: Seed,
        free: Seed,
        key: String,
    }

    impl House {
        fn new() -> Self {
            let bench = Bench::new();
            let ann = bench.add_user("ann");
            bench.add_user("dan");
            bench.add_role("admin");
            let bound = bench.add_mfa_device("bound", CredentialOwner::User(ann));
            let free = bench.add_free_mfa_device("free");
            let house = Self { bench, bound, free, key: String::new() };
            let key = house.create_key("ann").unwrap();
            let house = Self { key, ..house };
            house.set_key(api::StatusType::Inactive).unwrap();
            house.create_password().unwrap();
            house
        }

        /// This many of those who are named must agree.
        fn name(&self, required: u8, names: &[&str]) {
            self.bench.write(|txn| {
                let users = names.iter().map(|name| self.bench.row::<User>(name).unwrap().id);
                let guard = RootGuard {
                    approvals_required: required,
                    approvers: users.collect(),
                    ..RootGuard::clone(self.bench.state().root_guard())
                };
                txn.put(RowKey::RootGuard(self.bench.account()), guard);
            });
        }

        fn create_key(&self, user: &str) -> Result<String, Failure> {
            let input = api::CreateAccessKeyRequest { user_name: Some(user.into()) };
            self.bench.run(&CREATE_ACCESS_KEY, input).map(|output| output.access_key.access_key_id)
        }

        fn set_key(&self, status: api::StatusType) -> Result<(), Failure> {
            let (user_name, access_key_id) = (Some("ann".into()), self.key.clone());
            let input = api::UpdateAccessKeyRequest { user_name, access_key_id, status };
            self.bench.run(&UPDATE_ACCESS_KEY, input).map(drop)
        }

        fn delete_key(&self) -> Result<(), Failure> {
            let (user_name, access_key_id) = (Some("ann".into()), self.key.clone());
            let input = api::DeleteAccessKeyRequest { user_name, access_key_id };
            self.bench.run(&DELETE_ACCESS_KEY, input).map(drop)
        }

        fn create_password(&self) -> Result<(), Failure> {
            let input = api::CreateLoginProfileRequest {
                user_name: Some("ann".into()),
                password: Some(Sensitive::new(PASSWORD)),
                password_reset_required: None,
            };
            self.bench.run(&CREATE_LOGIN_PROFILE, input).map(drop)
        }

        fn delete_password(&self) -> Result<(), Failure> {
            let input = api::DeleteLoginProfileRequest { user_name: Some("ann".into()) };
            self.bench.run(&DELETE_LOGIN_PROFILE, input).map(drop)
        }

        fn replace_password(&self) -> Result<(), Failure> {
            let input = api::UpdateLoginProfileRequest {
                user_name: "ann".into(),
                password: Some(Sensitive::new("vuxLOPim7=second")),
                password_reset_required: None,
            };
            self.bench.run(&UPDATE_LOGIN_PROFILE, input).map(drop)
        }

        fn serial_number(&self, device: &str) -> String {
            format!("arn:aws:iam::{}:mfa/{device}", self.bench.account())
        }

        fn enable(&self) -> Result<(), Failure> {
            let input = api::EnableMfaDeviceRequest {
                user_name: "ann".into(),
                serial_number: self.serial_number("free"),
                authentication_code1: self.bench.code(&self.free, 0),
                authentication_code2: self.bench.code(&self.free, 1),
            };
            self.bench.run(&ENABLE_MFA_DEVICE, input).map(drop)
        }

        fn resync(&self) -> Result<(), Failure> {
            let input = api::ResyncMfaDeviceRequest {
                user_name: "ann".into(),
                serial_number: self.serial_number("bound"),
                authentication_code1: self.bench.code(&self.bound, 0),
                authentication_code2: self.bench.code(&self.bound, 1),
            };
            self.bench.run(&RESYNC_MFA_DEVICE, input).map(drop)
        }

        fn deactivate(&self) -> Result<(), Failure> {
            let input = api::DeactivateMfaDeviceRequest {
                user_name: Some("ann".into()),
                serial_number: self.serial_number("bound"),
            };
            self.bench.run(&DEACTIVATE_MFA_DEVICE, input).map(drop)
        }

        fn rename(&self, old: &str, new: &str) {
            let input = api::UpdateUserRequest {
                user_name: old.into(),
                new_user_name: Some(new.into()),
                new_path: None,
            };
            self.bench.run(&UPDATE_USER, input).unwrap();
        }
    }

    type Act = fn(&House) -> Result<(), Failure>;

    /// What gives ann something to prove herself with.
    const EQUIPPING: [(&str, Act); 6] = [
        ("CreateAccessKey", |house| house.create_key("ann").map(drop)),
        ("UpdateAccessKey", |house| house.set_key(api::StatusType::Active)),
        ("CreateLoginProfile", |house| house.delete_password().and_then(|()| house.create_password())),
        ("UpdateLoginProfile", House::replace_password),
        ("EnableMFADevice", House::enable),
        ("ResyncMFADevice", House::resync),
    ];

    type CallAs = fn(&Bench);

    const OTHERS: [(&str, CallAs); 3] = [
        ("root", Bench::call_as_root),
        ("dan", |bench| bench.call_as_user("dan")),
        ("admin", |bench| bench.call_as_role("admin")),
    ];

    #[test]
    fn nobody_else_equips_an_approver() {
        for (operation, act) in EQUIPPING {
            for (caller, call_as) in OTHERS {
                let house = House::new();
                house.name(1, &["dan", "ann"]);
                call_as(&house.bench);
                let refused = act(&house).unwrap_err();
                assert_eq!(refused.code, "AccessDenied", "{operation} by {caller}");
                assert!(
                    refused.message.contains("rootward root approvers --account 111122223333"),
                    "{refused}"
                );
            }
        }
    }

    #[test]
    fn approvers_equip_themselves() {
        for (operation, act) in EQUIPPING {
            let house = House::new();
            house.name(1, &["ann"]);
            house.bench.call_as_user("ann");
            assert_eq!(act(&house), Ok(()), "{operation}");
        }
    }

    #[test]
    fn users_whom_nobody_has_to_ask_are_equipped_by_others() {
        for (required, names) in [(0, &["ann"][..]), (1, &["dan"])] {
            for (operation, act) in EQUIPPING {
                for (caller, call_as) in OTHERS {
                    let house = House::new();
                    house.name(required, names);
                    call_as(&house.bench);
                    assert_eq!(act(&house), Ok(()), "{operation} by {caller}");
                }
            }
        }
    }

    #[test]
    fn others_may_take_from_an_approver_what_it_has() {
        let takings: [Act; 4] = [
            |house| house.set_key(api::StatusType::Inactive),
            House::delete_key,
            House::delete_password,
            House::deactivate,
        ];
        for (_, call_as) in OTHERS {
            let house = House::new();
            house.name(1, &["ann"]);
            call_as(&house.bench);
            for take in takings {
                assert_eq!(take(&house), Ok(()));
            }
            // An approver without a second factor is no less guarded.
            assert_eq!(house.enable().unwrap_err().code, "AccessDenied");
        }
    }

    #[test]
    fn approver_is_known_by_id_whatever_the_name() {
        let house = House::new();
        house.name(1, &["ann"]);
        house.rename("ann", "zoe");
        house.rename("dan", "ann");
        assert!(house.create_key("ann").is_ok());
        assert_eq!(house.create_key("zoe").unwrap_err().code, "AccessDenied");
        // Who has the approver's name is not the approver.
        house.bench.call_as_user("ann");
        assert_eq!(house.create_key("zoe").unwrap_err().code, "AccessDenied");
    }

    #[test]
    fn key_that_is_made_while_its_user_becomes_an_approver_loses() {
        let house = House::new();
        let input = api::CreateAccessKeyRequest { user_name: Some("ann".into()) };
        let (_, makes) = house.bench.run_uncommitted(&CREATE_ACCESS_KEY, &input).unwrap();
        let mut names = house.bench.begin();
        let ann = house.bench.row::<User>("ann").unwrap().id;
        let guard = root_guard::read(&mut names, house.bench.account()).unwrap();
        let guard = RootGuard { approvals_required: 1, approvers: vec![ann], ..guard };
        names.put(RowKey::RootGuard(house.bench.account()), guard);
        assert!(house.bench.second_loses(names, makes));
    }
}

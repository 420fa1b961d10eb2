//! The account's rule for passwords of its users.
//!
//! It is replaced as a whole, never in part. It counts at once where it says when passwords expire, and from the next
//! password on where it says what they are made of. What it grants to users, `auth::gather` adds to their policies.
//!
//! Source: IAM API Reference; IAM User Guide, "Set an account password policy for IAM users".

use rootward_api::iam as api;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Target, always};
use rootward_state::entities::PasswordPolicy;
use rootward_state::{RowKey, Txn};
use rootward_wire::Empty;

use super::failures;

pub(super) static OPERATIONS: &[&dyn Handler] =
    &[&DELETE_ACCOUNT_PASSWORD_POLICY, &GET_ACCOUNT_PASSWORD_POLICY, &UPDATE_ACCOUNT_PASSWORD_POLICY];

pub(super) static UPDATE_ACCOUNT_PASSWORD_POLICY: Declaration<api::UpdateAccountPasswordPolicy> =
    Declaration {
        effect: Effect::Write,
        callers: Callers::SecondFactor,
        rules: &[Rule {
            action: "iam:UpdateAccountPasswordPolicy",
            when: always,
            target: |_, _| Target::any(),
            keys: &[],
        }],
        run: update_account_password_policy,
    };

/// What is not given falls back to its default, whatever it was before.
fn update_account_password_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UpdateAccountPasswordPolicyRequest,
) -> Result<Empty, Failure> {
    let default = PasswordPolicy::default();
    let policy = PasswordPolicy {
        minimum_length: narrow(input.minimum_password_length)?.unwrap_or(default.minimum_length),
        require_symbols: input.require_symbols.unwrap_or(default.require_symbols),
        require_numbers: input.require_numbers.unwrap_or(default.require_numbers),
        require_uppercase: input.require_uppercase_characters.unwrap_or(default.require_uppercase),
        require_lowercase: input.require_lowercase_characters.unwrap_or(default.require_lowercase),
        allow_users_to_change: input.allow_users_to_change_password.unwrap_or(default.allow_users_to_change),
        max_age_days: narrow(input.max_password_age)?,
        reuse_prevention: narrow(input.password_reuse_prevention)?,
        hard_expiry: input.hard_expiry.unwrap_or(default.hard_expiry),
    };
    txn.put(RowKey::PasswordPolicy(ctx.account()), policy);
    Ok(Empty)
}

/// A number in the range that the model gives it, which fits.
fn narrow<T: TryFrom<i32>>(number: Option<i32>) -> Result<Option<T>, Failure> {
    let narrowed = number.map(T::try_from).transpose();
    narrowed.map_err(|_| Failure::internal("a number is outside of the range that the model gives it"))
}

pub(super) static GET_ACCOUNT_PASSWORD_POLICY: Declaration<api::GetAccountPasswordPolicy> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:GetAccountPasswordPolicy",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: get_account_password_policy,
};

fn get_account_password_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &Empty,
) -> Result<api::GetAccountPasswordPolicyResponse, Failure> {
    let policy = txn.get::<PasswordPolicy>(RowKey::PasswordPolicy(ctx.account()));
    let policy = policy.ok_or_else(|| failures::no_password_policy(ctx.account()))?;
    let password_policy = api::PasswordPolicy {
        minimum_password_length: Some(policy.minimum_length.into()),
        require_symbols: Some(policy.require_symbols),
        require_numbers: Some(policy.require_numbers),
        require_uppercase_characters: Some(policy.require_uppercase),
        require_lowercase_characters: Some(policy.require_lowercase),
        allow_users_to_change_password: Some(policy.allow_users_to_change),
        expire_passwords: Some(policy.max_age_days.is_some()),
        max_password_age: policy.max_age_days.map(Into::into),
        password_reuse_prevention: policy.reuse_prevention.map(Into::into),
        hard_expiry: Some(policy.hard_expiry),
    };
    Ok(api::GetAccountPasswordPolicyResponse { password_policy })
}

pub(super) static DELETE_ACCOUNT_PASSWORD_POLICY: Declaration<api::DeleteAccountPasswordPolicy> =
    Declaration {
        effect: Effect::Write,
        callers: Callers::SecondFactor,
        rules: &[Rule {
            action: "iam:DeleteAccountPasswordPolicy",
            when: always,
            target: |_, _| Target::any(),
            keys: &[],
        }],
        run: delete_account_password_policy,
    };

fn delete_account_password_policy(ctx: &OpContext<'_>, txn: &mut Txn, _: &Empty) -> Result<Empty, Failure> {
    let key = RowKey::PasswordPolicy(ctx.account());
    if txn.get::<PasswordPolicy>(key.clone()).is_none() {
        return Err(failures::no_password_policy_to_delete());
    }
    txn.delete(key);
    Ok(Empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn update(bench: &Bench, input: api::UpdateAccountPasswordPolicyRequest) {
        bench.run(&UPDATE_ACCOUNT_PASSWORD_POLICY, input).unwrap();
    }

    fn get(bench: &Bench) -> Result<api::PasswordPolicy, Failure> {
        bench.run(&GET_ACCOUNT_PASSWORD_POLICY, Empty).map(|output| output.password_policy)
    }

    #[test]
    fn policy_is_replaced_as_a_whole() {
        let bench = Bench::new();
        update(
            &bench,
            api::UpdateAccountPasswordPolicyRequest {
                minimum_password_length: Some(128),
                require_symbols: Some(true),
                require_numbers: Some(true),
                require_uppercase_characters: Some(true),
                require_lowercase_characters: Some(true),
                allow_users_to_change_password: Some(true),
                max_password_age: Some(1_095),
                password_reuse_prevention: Some(24),
                hard_expiry: Some(true),
            },
        );
        let everything = api::PasswordPolicy {
            minimum_password_length: Some(128),
            require_symbols: Some(true),
            require_numbers: Some(true),
            require_uppercase_characters: Some(true),
            require_lowercase_characters: Some(true),
            allow_users_to_change_password: Some(true),
            expire_passwords: Some(true),
            max_password_age: Some(1_095),
            password_reuse_prevention: Some(24),
            hard_expiry: Some(true),
        };
        assert_eq!(get(&bench).unwrap(), everything);
        update(&bench, Default::default());
        let defaults = api::PasswordPolicy {
            minimum_password_length: Some(6),
            require_symbols: Some(false),
            require_numbers: Some(false),
            require_uppercase_characters: Some(false),
            require_lowercase_characters: Some(false),
            allow_users_to_change_password: Some(false),
            expire_passwords: Some(false),
            max_password_age: None,
            password_reuse_prevention: None,
            hard_expiry: Some(false),
        };
        assert_eq!(get(&bench).unwrap(), defaults);
    }

    #[test]
    fn account_without_a_policy_has_none_to_get_or_delete() {
        let bench = Bench::new();
        let error = get(&bench).unwrap_err();
        assert_eq!((error.code, error.status), ("NoSuchEntity", 404));
        assert_eq!(error.message, "The Password Policy with domain name 111122223333 cannot be found.");
        let delete = || bench.run(&DELETE_ACCOUNT_PASSWORD_POLICY, Empty);
        let missing = delete().unwrap_err();
        assert_eq!(missing.message, "The account policy with name PasswordPolicy cannot be found.");
        update(&bench, Default::default());
        delete().unwrap();
        assert_eq!((get(&bench).unwrap_err(), delete().unwrap_err()), (error, missing));
    }
}

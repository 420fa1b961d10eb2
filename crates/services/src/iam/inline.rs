//! Inline policies: documents embedded in a user, group or role.
//!
//! Names are unique in their owner ignoring case, and shown as last written. All documents of an owner together may be
//! as long as its kind's quota says; white space does not count.

use rootward_api::iam as api;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_policy::Policy;
use rootward_state::entities::{Grants, Group, InlinePolicy, Role, User};
use rootward_state::{NameKey, Txn};
use rootward_wire::Empty;

use super::owner::{Owner, changeable, owner};
use super::page::{Ask, Page};
use super::{failures, policies, shape, targets};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &DELETE_GROUP_POLICY,
    &DELETE_ROLE_POLICY,
    &DELETE_USER_POLICY,
    &GET_GROUP_POLICY,
    &GET_ROLE_POLICY,
    &GET_USER_POLICY,
    &LIST_GROUP_POLICIES,
    &LIST_ROLE_POLICIES,
    &LIST_USER_POLICIES,
    &PUT_GROUP_POLICY,
    &PUT_ROLE_POLICY,
    &PUT_USER_POLICY,
];

pub(super) static PUT_USER_POLICY: Declaration<api::PutUserPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:PutUserPolicy",
        when: always,
        target: |scope, input| targets::user(scope, &input.user_name),
        keys: &[Key::TargetBoundary],
    }],
    run: |ctx, txn, input| {
        put::<User>(ctx, txn, &input.user_name, &input.policy_name, &input.policy_document)
    },
};

pub(super) static PUT_GROUP_POLICY: Declaration<api::PutGroupPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:PutGroupPolicy",
        when: always,
        target: |scope, input| targets::group(scope, &input.group_name),
        keys: &[],
    }],
    run: |ctx, txn, input| {
        put::<Group>(ctx, txn, &input.group_name, &input.policy_name, &input.policy_document)
    },
};

pub(super) static PUT_ROLE_POLICY: Declaration<api::PutRolePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:PutRolePolicy",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[Key::TargetBoundary],
    }],
    run: |ctx, txn, input| {
        put::<Role>(ctx, txn, &input.role_name, &input.policy_name, &input.policy_document)
    },
};

fn put<T: Owner>(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    owner_name: &str,
    name: &str,
    text: &str,
) -> Result<Empty, Failure> {
    let document = policies::checked(text)?;
    let mut owner = changeable::<T>(ctx, txn, owner_name)?;
    let inline = &mut owner.grants_mut().inline;
    inline.retain(|policy| !policy.name.eq_ignore_ascii_case(name));
    inline.push(InlinePolicy { name: name.into(), document });
    inline.sort_by_cached_key(|policy| NameKey::new(&policy.name));
    let length: usize =
        inline.iter().map(|policy| Policy::length_without_white_space(policy.document.text())).sum();
    if length > T::INLINE_CHARS_MAX {
        return Err(failures::inline_policies_too_long(T::NOUN, owner_name, T::INLINE_CHARS_MAX));
    }
    txn.put_entity(ctx.account(), owner);
    Ok(Empty)
}

pub(super) static GET_USER_POLICY: Declaration<api::GetUserPolicy> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:GetUserPolicy",
        when: always,
        target: |scope, input| targets::user(scope, &input.user_name),
        keys: &[],
    }],
    run: |ctx, txn, input| {
        let found = get::<User>(ctx, txn, &input.user_name, &input.policy_name)?;
        Ok(api::GetUserPolicyResponse {
            user_name: found.owner,
            policy_name: found.name,
            policy_document: found.document,
        })
    },
};

pub(super) static GET_GROUP_POLICY: Declaration<api::GetGroupPolicy> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:GetGroupPolicy",
        when: always,
        target: |scope, input| targets::group(scope, &input.group_name),
        keys: &[],
    }],
    run: |ctx, txn, input| {
        let found = get::<Group>(ctx, txn, &input.group_name, &input.policy_name)?;
        Ok(api::GetGroupPolicyResponse {
            group_name: found.owner,
            policy_name: found.name,
            policy_document: found.document,
        })
    },
};

pub(super) static GET_ROLE_POLICY: Declaration<api::GetRolePolicy> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:GetRolePolicy",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[],
    }],
    run: |ctx, txn, input| {
        let found = get::<Role>(ctx, txn, &input.role_name, &input.policy_name)?;
        Ok(api::GetRolePolicyResponse {
            role_name: found.owner,
            policy_name: found.name,
            policy_document: found.document,
        })
    },
};

/// An inline policy as answers show it; names as they were written, not as they were asked for.
struct Found {
    owner: String,
    name: String,
    document: String,
}

fn get<T: Owner>(ctx: &OpContext<'_>, txn: &mut Txn, owner_name: &str, name: &str) -> Result<Found, Failure> {
    let owner = owner::<T>(ctx, txn, owner_name)?;
    let policy = inline::<T>(owner.grants(), name)?;
    Ok(Found {
        owner: owner.name().to_owned(),
        name: policy.name.to_string(),
        document: shape::document(policy.document.text()),
    })
}

fn inline<'a, T: Owner>(grants: &'a Grants, name: &str) -> Result<&'a InlinePolicy, Failure> {
    grants.inline(name).ok_or_else(|| failures::no_such_inline_policy(T::NOUN, name))
}

pub(super) static LIST_USER_POLICIES: Declaration<api::ListUserPolicies> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListUserPolicies",
        when: always,
        target: |scope, input| targets::user(scope, &input.user_name),
        keys: &[],
    }],
    run: |ctx, txn, input| {
        let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
        let page = list::<User>(ctx, txn, &input.user_name, &ask)?;
        Ok(api::ListUserPoliciesResponse {
            is_truncated: page.is_truncated(),
            policy_names: page.items,
            marker: page.marker,
        })
    },
};

pub(super) static LIST_GROUP_POLICIES: Declaration<api::ListGroupPolicies> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListGroupPolicies",
        when: always,
        target: |scope, input| targets::group(scope, &input.group_name),
        keys: &[],
    }],
    run: |ctx, txn, input| {
        let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
        let page = list::<Group>(ctx, txn, &input.group_name, &ask)?;
        Ok(api::ListGroupPoliciesResponse {
            is_truncated: page.is_truncated(),
            policy_names: page.items,
            marker: page.marker,
        })
    },
};

pub(super) static LIST_ROLE_POLICIES: Declaration<api::ListRolePolicies> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListRolePolicies",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[],
    }],
    run: |ctx, txn, input| {
        let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
        let page = list::<Role>(ctx, txn, &input.role_name, &ask)?;
        Ok(api::ListRolePoliciesResponse {
            is_truncated: page.is_truncated(),
            policy_names: page.items,
            marker: page.marker,
        })
    },
};

fn list<T: Owner>(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    name: &str,
    ask: &Ask,
) -> Result<Page<String>, Failure> {
    let owner = owner::<T>(ctx, txn, name)?;
    let names = owner.grants().inline.iter().map(|policy| &policy.name);
    let keyed = names.map(|name| (NameKey::new(name).as_str().to_owned(), name.to_string()));
    Ok(ask.few(keyed.collect(), |name| name))
}

pub(super) static DELETE_USER_POLICY: Declaration<api::DeleteUserPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DeleteUserPolicy",
        when: always,
        target: |scope, input| targets::user(scope, &input.user_name),
        keys: &[Key::TargetBoundary],
    }],
    run: |ctx, txn, input| delete::<User>(ctx, txn, &input.user_name, &input.policy_name),
};

pub(super) static DELETE_GROUP_POLICY: Declaration<api::DeleteGroupPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DeleteGroupPolicy",
        when: always,
        target: |scope, input| targets::group(scope, &input.group_name),
        keys: &[],
    }],
    run: |ctx, txn, input| delete::<Group>(ctx, txn, &input.group_name, &input.policy_name),
};

pub(super) static DELETE_ROLE_POLICY: Declaration<api::DeleteRolePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DeleteRolePolicy",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[Key::TargetBoundary],
    }],
    run: |ctx, txn, input| delete::<Role>(ctx, txn, &input.role_name, &input.policy_name),
};

fn delete<T: Owner>(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    owner_name: &str,
    name: &str,
) -> Result<Empty, Failure> {
    let mut owner = changeable::<T>(ctx, txn, owner_name)?;
    inline::<T>(owner.grants(), name)?;
    owner.grants_mut().inline.retain(|policy| !policy.name.eq_ignore_ascii_case(name));
    txn.put_entity(ctx.account(), owner);
    Ok(Empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::policies::tests::DOCUMENT;
    use crate::testing::Bench;

    fn put_request(name: &str, document: &str) -> api::PutUserPolicyRequest {
        api::PutUserPolicyRequest {
            user_name: "ann".into(),
            policy_name: name.into(),
            policy_document: document.into(),
        }
    }

    fn put(bench: &Bench, name: &str) {
        bench.run(&PUT_USER_POLICY, put_request(name, DOCUMENT)).unwrap();
    }

    fn bench() -> Bench {
        let bench = Bench::new();
        bench.add_user("ann");
        bench
    }

    #[test]
    fn policy_is_shown_percent_encoded_under_the_names_as_written() {
        let bench = bench();
        put(&bench, "Read");
        let get = api::GetUserPolicyRequest { user_name: "ANN".into(), policy_name: "read".into() };
        let shown = bench.run(&GET_USER_POLICY, get).unwrap();
        assert_eq!((shown.user_name.as_str(), shown.policy_name.as_str()), ("ann", "Read"));
        assert_eq!(shown.policy_document, shape::document(DOCUMENT));
    }

    #[test]
    fn policy_put_again_is_replaced() {
        let bench = bench();
        put(&bench, "read");
        let other = DOCUMENT.replace("logs", "other");
        bench.run(&PUT_USER_POLICY, put_request("READ", &other)).unwrap();
        let grants = bench.row::<User>("ann").unwrap().grants.clone();
        assert_eq!(grants.inline.len(), 1);
        assert_eq!((&*grants.inline[0].name, grants.inline[0].document.text()), ("READ", other.as_str()));
    }

    #[test]
    fn names_are_paged_in_order() {
        let bench = bench();
        for name in ["c", "B", "a"] {
            put(&bench, name);
        }
        let mut request =
            api::ListUserPoliciesRequest { user_name: "ann".into(), marker: None, max_items: Some(2) };
        let first = bench.run(&LIST_USER_POLICIES, request.clone()).unwrap();
        assert_eq!(
            (first.policy_names, first.is_truncated),
            (vec!["a".to_owned(), "B".to_owned()], Some(true))
        );
        request.marker = first.marker;
        let last = bench.run(&LIST_USER_POLICIES, request).unwrap();
        assert_eq!((last.policy_names, last.is_truncated), (vec!["c".to_owned()], Some(false)));
    }

    #[test]
    fn quota_counts_all_documents_of_a_user_without_white_space() {
        let bench = bench();
        let room = 2_048 - DOCUMENT.replace(' ', "").len();
        put(&bench, "first");
        let fits = DOCUMENT.replace("logs", &"l".repeat(4 + room - DOCUMENT.replace(' ', "").len()));
        bench.run(&PUT_USER_POLICY, put_request("second", &fits)).unwrap();
        let error = bench.run(&PUT_USER_POLICY, put_request("second", &fits.replace('*', "**"))).unwrap_err();
        assert_eq!((error.code, error.status), ("LimitExceeded", 409));
        assert_eq!(error.message, "Maximum policy size of 2048 bytes exceeded for user ann");
    }

    #[test]
    fn roles_and_groups_have_quotas_of_their_own() {
        let bench = bench();
        bench.add_role("app");
        let document = DOCUMENT.replace("logs", &"l".repeat(9_000));
        let request = api::PutRolePolicyRequest {
            role_name: "app".into(),
            policy_name: "read".into(),
            policy_document: document.clone(),
        };
        bench.run(&PUT_ROLE_POLICY, request).unwrap();
        let group = api::CreateGroupRequest { group_name: "team".into(), ..Default::default() };
        bench.run(&crate::iam::groups::CREATE_GROUP, group).unwrap();
        let request = api::PutGroupPolicyRequest {
            group_name: "team".into(),
            policy_name: "read".into(),
            policy_document: document,
        };
        let error = bench.run(&PUT_GROUP_POLICY, request).unwrap_err();
        assert_eq!(error.message, "Maximum policy size of 5120 bytes exceeded for group team");
    }

    #[test]
    fn malformed_document_is_refused_before_the_owner_is_looked_up() {
        let bench = Bench::new();
        let error = bench.run(&PUT_USER_POLICY, put_request("read", "{")).unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            ("MalformedPolicyDocument", "Syntax errors in policy.")
        );
        let error = bench.run(&PUT_USER_POLICY, put_request("read", DOCUMENT)).unwrap_err();
        assert_eq!(error, failures::no_such_user("ann"));
    }

    #[test]
    fn deleted_policy_is_gone_and_cannot_be_deleted_again() {
        let bench = bench();
        put(&bench, "read");
        let delete = api::DeleteUserPolicyRequest { user_name: "ann".into(), policy_name: "READ".into() };
        bench.run(&DELETE_USER_POLICY, delete.clone()).unwrap();
        let error = bench.run(&DELETE_USER_POLICY, delete).unwrap_err();
        assert_eq!(error.message, "The user policy with name READ cannot be found.");
        let get = api::GetUserPolicyRequest { user_name: "ann".into(), policy_name: "read".into() };
        assert_eq!(bench.run(&GET_USER_POLICY, get).unwrap_err().code, "NoSuchEntity");
    }

    #[test]
    fn missing_policies_of_roles_and_groups_are_named_by_kind() {
        let bench = bench();
        bench.add_role("app");
        let get = api::GetRolePolicyRequest { role_name: "app".into(), policy_name: "none".into() };
        let error = bench.run(&GET_ROLE_POLICY, get).unwrap_err();
        assert_eq!(error.message, "The role policy with name none cannot be found.");
        let list = api::ListGroupPoliciesRequest { group_name: "team".into(), ..Default::default() };
        assert_eq!(bench.run(&LIST_GROUP_POLICIES, list).unwrap_err(), failures::no_such_group("team"));
    }
}

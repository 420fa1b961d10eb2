//! Permissions boundaries: what the permissions of a user or role cannot exceed.
//!
//! Any managed policy can be one. A condition on `iam:PermissionsBoundary` sees the boundary asked for when one is set,
//! and the one in place when it is removed: this is how boundaries are delegated.

use rootward_api::iam as api;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_state::Txn;
use rootward_state::entities::{Role, User};
use rootward_wire::Empty;

use super::owner::{Bounded, changeable};
use super::{policies, refs, targets};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &DELETE_ROLE_PERMISSIONS_BOUNDARY,
    &DELETE_USER_PERMISSIONS_BOUNDARY,
    &PUT_ROLE_PERMISSIONS_BOUNDARY,
    &PUT_USER_PERMISSIONS_BOUNDARY,
];

pub(super) static PUT_USER_PERMISSIONS_BOUNDARY: Declaration<api::PutUserPermissionsBoundary> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:PutUserPermissionsBoundary",
        when: always,
        target: |scope, input| targets::user(scope, &input.user_name),
        keys: &[Key::Text("iam:PermissionsBoundary", |_, input| Some(input.permissions_boundary.clone()))],
    }],
    run: |ctx, txn, input| put::<User>(ctx, txn, &input.user_name, &input.permissions_boundary),
};

pub(super) static PUT_ROLE_PERMISSIONS_BOUNDARY: Declaration<api::PutRolePermissionsBoundary> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:PutRolePermissionsBoundary",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[Key::Text("iam:PermissionsBoundary", |_, input| Some(input.permissions_boundary.clone()))],
    }],
    run: |ctx, txn, input| put::<Role>(ctx, txn, &input.role_name, &input.permissions_boundary),
};

fn put<T: Bounded>(ctx: &OpContext<'_>, txn: &mut Txn, name: &str, arn: &str) -> Result<Empty, Failure> {
    policies::check_arn(arn)?;
    let mut owner = changeable::<T>(ctx, txn, name)?;
    let boundary = refs::new_boundary::<T>(ctx, txn, arn)?;
    owner.set_boundary(Some(boundary));
    txn.put_entity(ctx.account(), owner);
    Ok(Empty)
}

pub(super) static DELETE_USER_PERMISSIONS_BOUNDARY: Declaration<api::DeleteUserPermissionsBoundary> =
    Declaration {
        effect: Effect::Write,
        callers: Callers::SecondFactor,
        rules: &[Rule {
            action: "iam:DeleteUserPermissionsBoundary",
            when: always,
            target: |scope, input| targets::user(scope, &input.user_name),
            keys: &[Key::TargetBoundary],
        }],
        run: |ctx, txn, input| delete::<User>(ctx, txn, &input.user_name),
    };

pub(super) static DELETE_ROLE_PERMISSIONS_BOUNDARY: Declaration<api::DeleteRolePermissionsBoundary> =
    Declaration {
        effect: Effect::Write,
        callers: Callers::SecondFactor,
        rules: &[Rule {
            action: "iam:DeleteRolePermissionsBoundary",
            when: always,
            target: |scope, input| targets::role(scope, &input.role_name),
            keys: &[Key::TargetBoundary],
        }],
        run: |ctx, txn, input| delete::<Role>(ctx, txn, &input.role_name),
    };

/// Removing a boundary that is not there changes nothing.
fn delete<T: Bounded>(ctx: &OpContext<'_>, txn: &mut Txn, name: &str) -> Result<Empty, Failure> {
    let mut owner = changeable::<T>(ctx, txn, name)?;
    owner.set_boundary(None);
    txn.put_entity(ctx.account(), owner);
    Ok(Empty)
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::PolicyRef;

    use super::*;
    use crate::iam::policies::tests::{ADMINISTRATOR, arn, create};
    use crate::iam::policies::{DELETE_POLICY, GET_POLICY};
    use crate::testing::Bench;

    fn put_request(policy_arn: &str) -> api::PutUserPermissionsBoundaryRequest {
        api::PutUserPermissionsBoundaryRequest {
            user_name: "ann".into(),
            permissions_boundary: policy_arn.into(),
        }
    }

    fn bench() -> Bench {
        let bench = Bench::new();
        bench.add_user("ann");
        create(&bench, "fence");
        bench
    }

    #[test]
    fn boundary_is_set_replaced_and_removed() {
        let bench = bench();
        bench.run(&PUT_USER_PERMISSIONS_BOUNDARY, put_request(&arn("fence"))).unwrap();
        bench.run(&PUT_USER_PERMISSIONS_BOUNDARY, put_request(ADMINISTRATOR)).unwrap();
        let boundary = bench.row::<User>("ann").unwrap().boundary.clone();
        assert_eq!(boundary, Some(PolicyRef::Aws("AdministratorAccess".into())));
        let delete = api::DeleteUserPermissionsBoundaryRequest { user_name: "ANN".into() };
        bench.run(&DELETE_USER_PERMISSIONS_BOUNDARY, delete).unwrap();
        assert_eq!(bench.row::<User>("ann").unwrap().boundary, None);
    }

    #[test]
    fn boundary_of_a_role_counts_as_use_and_keeps_its_policy() {
        let bench = bench();
        bench.add_role("app");
        let request = api::PutRolePermissionsBoundaryRequest {
            role_name: "app".into(),
            permissions_boundary: arn("fence"),
        };
        bench.run(&PUT_ROLE_PERMISSIONS_BOUNDARY, request).unwrap();
        let get = api::GetPolicyRequest { policy_arn: arn("fence") };
        let policy = bench.run(&GET_POLICY, get).unwrap().policy.unwrap();
        assert_eq!((policy.attachment_count, policy.permissions_boundary_usage_count), (Some(0), Some(1)));
        let delete = api::DeletePolicyRequest { policy_arn: arn("fence") };
        let error = bench.run(&DELETE_POLICY, delete.clone()).unwrap_err();
        assert_eq!(error.message, "Cannot delete a policy attached to entities.");
        let remove = api::DeleteRolePermissionsBoundaryRequest { role_name: "app".into() };
        bench.run(&DELETE_ROLE_PERMISSIONS_BOUNDARY, remove).unwrap();
        bench.run(&DELETE_POLICY, delete).unwrap();
    }

    #[test]
    fn arn_policy_and_user_that_will_not_do_are_told_apart() {
        let bench = bench();
        let error =
            bench.run(&PUT_USER_PERMISSIONS_BOUNDARY, put_request("name-that-is-no-arn")).unwrap_err();
        assert_eq!(error.message, "Invalid ARN:  Could not be parsed!");
        let error = bench.run(&PUT_USER_PERMISSIONS_BOUNDARY, put_request(&arn("none"))).unwrap_err();
        assert_eq!((error.code, error.status), ("NoSuchEntity", 404));
        let service = "arn:aws:iam::aws:policy/aws-service-role/AccessAnalyzerServiceRolePolicy";
        let error = bench.run(&PUT_USER_PERMISSIONS_BOUNDARY, put_request(service)).unwrap_err();
        assert_eq!(error.code, "PolicyNotAttachable");
        let request =
            api::PutUserPermissionsBoundaryRequest { user_name: "bob".into(), ..put_request(&arn("fence")) };
        let error = bench.run(&PUT_USER_PERMISSIONS_BOUNDARY, request).unwrap_err();
        assert_eq!(error.message, "The user with name bob cannot be found.");
    }

    #[test]
    fn role_of_a_service_is_not_changed() {
        let bench = bench();
        let role = bench.add_role("AWSServiceRoleForX");
        let role = Role { path: "/aws-service-role/x.amazonaws.com/".into(), ..role };
        bench.write(|txn| txn.put_entity(bench.account(), role));
        let request = api::PutRolePermissionsBoundaryRequest {
            role_name: "AWSServiceRoleForX".into(),
            permissions_boundary: arn("fence"),
        };
        let error = bench.run(&PUT_ROLE_PERMISSIONS_BOUNDARY, request).unwrap_err();
        assert_eq!((error.code, error.status), ("UnmodifiableEntity", 400));
    }

    #[test]
    fn boundary_set_while_its_policy_is_deleted_loses() {
        let bench = bench();
        let delete = api::DeletePolicyRequest { policy_arn: arn("fence") };
        let (_, delete) = bench.run_uncommitted(&DELETE_POLICY, &delete).unwrap();
        let (_, put) =
            bench.run_uncommitted(&PUT_USER_PERMISSIONS_BOUNDARY, &put_request(&arn("fence"))).unwrap();
        assert!(bench.second_loses(delete, put));
    }
}

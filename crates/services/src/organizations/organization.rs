//! The organization itself: made by the account that manages it, and deleted when nobody else is left in it.

use rootward_api::organizations as api;
use rootward_api::organizations::OrganizationFeatureSet;
use rootward_names::{NodeId, OrganizationId, OrganizationPolicyId};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Target, always,
};
use rootward_state::entities::{
    CentralRootAccess, Membership, Organization, OrganizationNode, OrganizationPolicy,
};
use rootward_state::{RowKey, Txn};
use rootward_wire::Empty;

use super::{events, failures, service_role, shown, standing, transfers};

pub(super) static OPERATIONS: &[&dyn Handler] =
    &[&CREATE_ORGANIZATION, &DELETE_ORGANIZATION, &DESCRIBE_ORGANIZATION];

/// What the root is called.
const ROOT_NAME: &str = "Root";

pub(super) static CREATE_ORGANIZATION: Declaration<api::CreateOrganization> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "organizations:CreateOrganization",
            when: always,
            target: |_, _| Target::any(),
            keys: &[],
        },
        Rule {
            action: "iam:CreateServiceLinkedRole",
            when: |scope, input| has_all_features(input) && service_role::is_missing(scope),
            target: |scope, _| service_role::target(scope),
            keys: &[Key::Text("iam:AWSServiceName", |_, _| Some(service_role::SERVICE.to_owned()))],
        },
    ],
    run: create_organization,
};

fn has_all_features(input: &api::CreateOrganizationRequest) -> bool {
    input.feature_set != Some(OrganizationFeatureSet::ConsolidatedBilling)
}

/// With a root, with the caller's account in it as the management account, and with no type of policies in force.
fn create_organization(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreateOrganizationRequest,
) -> Result<api::CreateOrganizationResponse, Failure> {
    let management = ctx.account();
    if txn.get::<Membership>(RowKey::Membership(management)).is_some() {
        return Err(failures::already_in_organization());
    }
    let (id, root) = ctx.with_random(|random| (OrganizationId::random(random), NodeId::random_root(random)));
    let organization = Organization {
        id: id.clone(),
        management,
        partition: ctx.partition(),
        created: ctx.now,
        all_features: has_all_features(input),
        root: root.clone(),
        policy_types: Vec::new(),
        trusted: Vec::new(),
        resource_policy: None,
        root_access: CentralRootAccess::default(),
    };
    let attached = attached_at_first();
    let node = OrganizationNode {
        id: root.clone(),
        parent: None,
        name: ROOT_NAME.into(),
        policies: attached.clone(),
        tags: Vec::new(),
    };
    let membership = Membership {
        account: management,
        organization: id.clone(),
        parent: root.clone(),
        joined: ctx.now,
        invited: true,
        policies: attached,
        tags: Vec::new(),
        delegated: Vec::new(),
    };
    if organization.all_features {
        service_role::make(ctx, txn, management);
    }
    events::joined(ctx, txn, &organization, management, membership.invited);
    txn.put(RowKey::Organization(id.clone()), organization.clone());
    txn.put(RowKey::OrganizationNode(id, root), node);
    txn.put(RowKey::Membership(management), membership);
    Ok(api::CreateOrganizationResponse {
        organization: Some(shown::organization(&organization, txn.world())),
    })
}

/// What is attached to every new node and account. It shows, and binds, when its type is in force.
pub(super) fn attached_at_first() -> Vec<OrganizationPolicyId> {
    OrganizationPolicy::of_aws().iter().map(|policy| policy.id.clone()).collect()
}

pub(super) static DESCRIBE_ORGANIZATION: Declaration<api::DescribeOrganization> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DescribeOrganization",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: describe_organization,
};

fn describe_organization(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &Empty,
) -> Result<api::DescribeOrganizationResponse, Failure> {
    let state = standing::own(ctx, txn)?;
    let shown = shown::organization(state.organization(), txn.world());
    Ok(api::DescribeOrganizationResponse { organization: Some(shown) })
}

pub(super) static DELETE_ORGANIZATION: Declaration<api::DeleteOrganization> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DeleteOrganization",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: delete_organization,
};

/// Everything goes that was in it. Whoever joins or makes something meanwhile rewrites the organization's row.
fn delete_organization(ctx: &OpContext<'_>, txn: &mut Txn, _: &Empty) -> Result<Empty, Failure> {
    let state = standing::managed(ctx, txn)?;
    if state.members().len() > 1 || state.nodes().len() > 1 {
        return Err(failures::organization_not_empty());
    }
    if transfers::is_under_way(txn.world(), &state, ctx.now) {
        return Err(failures::transfer_under_way());
    }
    let id = &state.organization().id;
    let rows = [RowKey::Organization(id.clone()), RowKey::Membership(ctx.account())]
        .into_iter()
        .chain(state.nodes().iter().map(|(node, _)| RowKey::OrganizationNode(id.clone(), node.clone())))
        .chain(
            state.policies().iter().map(|(policy, _)| RowKey::OrganizationPolicy(id.clone(), policy.clone())),
        )
        .chain(
            state
                .account_requests()
                .iter()
                .map(|(request, _)| RowKey::AccountRequest(id.clone(), request.clone())),
        )
        .chain(
            state.handshakes().iter().map(|(handshake, _)| RowKey::Handshake(id.clone(), handshake.clone())),
        )
        .chain(
            state
                .transfers()
                .iter()
                .map(|(transfer, _)| RowKey::ResponsibilityTransfer(id.clone(), transfer.clone())),
        );
    rows.for_each(|key| txn.delete(key));
    Ok(Empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn create(bench: &Bench) -> Result<api::Organization, Failure> {
        let made = bench.run(&CREATE_ORGANIZATION, Default::default())?;
        Ok(made.organization.unwrap())
    }

    #[test]
    fn account_that_makes_an_organization_manages_it() {
        let bench = Bench::new();
        let made = create(&bench).unwrap();
        assert_eq!(made.master_account_id.as_deref(), Some("111122223333"));
        assert_eq!(made.master_account_email.as_ref().unwrap().expose(), "root@example.com");
        assert_eq!(made.feature_set, Some(OrganizationFeatureSet::All));
        let id = made.id.as_deref().unwrap();
        assert_eq!(made.arn.unwrap(), format!("arn:aws:organizations::111122223333:organization/{id}"));
        let described = bench.run(&DESCRIBE_ORGANIZATION, Empty).unwrap().organization.unwrap();
        assert_eq!(described.id.as_deref(), Some(id));
    }

    #[test]
    fn account_is_in_one_organization_at_most() {
        let bench = Bench::new();
        create(&bench).unwrap();
        assert_eq!(create(&bench).unwrap_err().code, "AlreadyInOrganizationException");
    }

    #[test]
    fn organization_that_was_deleted_is_not_there() {
        let bench = Bench::new();
        assert_eq!(
            bench.run(&DELETE_ORGANIZATION, Empty).unwrap_err().code,
            "AWSOrganizationsNotInUseException"
        );
        create(&bench).unwrap();
        bench.run(&DELETE_ORGANIZATION, Empty).unwrap();
        assert_eq!(
            bench.run(&DESCRIBE_ORGANIZATION, Empty).unwrap_err().code,
            "AWSOrganizationsNotInUseException"
        );
        create(&bench).unwrap();
    }

    #[test]
    fn deleting_loses_to_what_is_made_in_the_organization_meanwhile() {
        let bench = Bench::new();
        create(&bench).unwrap();
        let (_, delete) = bench.run_uncommitted(&DELETE_ORGANIZATION, &Empty).unwrap();
        let mut touch = bench.begin();
        let state = bench.in_scope(|scope| standing::in_scope(scope).unwrap().clone());
        let row = standing::row(&mut touch, &state.organization().id).unwrap();
        touch.put::<Organization>(RowKey::Organization(row.id.clone()), row);
        assert!(bench.second_loses(touch, delete));
    }
}

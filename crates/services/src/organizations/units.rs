//! Organizational units: made, renamed, looked at and deleted.
//!
//! Names are unique in a parent and compared as they are written. Source: Organizations API Reference; User Guide, "Managing
//! organizational units (OUs)".

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_api::organizations::ConstraintViolationExceptionReason as Constraint;
use rootward_names::{NodeId, OrganizationId};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_state::entities::OrganizationNode;
use rootward_state::{OrganizationState, RowKey, Txn};
use rootward_wire::Empty;

use super::organization::attached_at_first;
use super::page::Ask;
use super::{failures, quotas, shown, standing, tags, targets, tree};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &CREATE_ORGANIZATIONAL_UNIT,
    &DELETE_ORGANIZATIONAL_UNIT,
    &DESCRIBE_ORGANIZATIONAL_UNIT,
    &LIST_ORGANIZATIONAL_UNITS_FOR_PARENT,
    &UPDATE_ORGANIZATIONAL_UNIT,
];

pub(super) static CREATE_ORGANIZATIONAL_UNIT: Declaration<api::CreateOrganizationalUnit> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "organizations:CreateOrganizationalUnit",
            when: always,
            target: |scope, input| targets::by_id(scope, &input.parent_id),
            keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
        },
        Rule {
            action: "organizations:TagResource",
            when: |_, input| tags::any(&input.tags),
            target: |scope, _| targets::without_row(scope, "ou", "ou-*"),
            keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
        },
    ],
    run: create_organizational_unit,
};

fn create_organizational_unit(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreateOrganizationalUnitRequest,
) -> Result<api::CreateOrganizationalUnitResponse, Failure> {
    let state = standing::managed(ctx, txn)?;
    let tags = tags::new(input.tags.as_deref())?;
    let organization = state.organization();
    let parent = &tree::parent(&state, &input.parent_id)?.id;
    // Guarded: it is there when the unit is.
    node(txn, &organization.id, parent).ok_or_else(failures::parent_not_found)?;
    if tree::units_of(&state, parent).any(|unit| *unit.name == *input.name) {
        return Err(failures::duplicate_unit());
    }
    if state.up(parent).count() > quotas::UNIT_LEVELS_MAX {
        let message = "You can nest organizational units at most five levels deep under a root.";
        return Err(failures::constraint(Constraint::OuDepthLimitExceeded, message));
    }
    // The root is a node too.
    if state.nodes().len() > quotas::UNITS_MAX {
        let message = "You have reached the limit on the number of organizational units in the organization.";
        return Err(failures::constraint(Constraint::OuNumberLimitExceeded, message));
    }
    let unit = OrganizationNode {
        id: ctx.with_random(|random| NodeId::random_unit(&organization.root, random)),
        parent: Some(parent.clone()),
        name: input.name.as_str().into(),
        policies: attached_at_first(),
        tags,
    };
    let shown = show(&state, &unit);
    txn.put(RowKey::OrganizationNode(organization.id.clone(), unit.id.clone()), unit);
    // Of two changes that look at all units, their names and numbers, the second looks again.
    standing::touch(txn, organization);
    Ok(api::CreateOrganizationalUnitResponse { organizational_unit: Some(shown) })
}

/// A root or unit, guarded.
fn node(txn: &mut Txn, organization: &OrganizationId, id: &NodeId) -> Option<Arc<OrganizationNode>> {
    txn.get(RowKey::OrganizationNode(organization.clone(), id.clone()))
}

/// A unit, guarded.
///
/// # Errors
/// `OrganizationalUnitNotFoundException`.
fn unit(txn: &mut Txn, state: &OrganizationState, id: &str) -> Result<Arc<OrganizationNode>, Failure> {
    let id: NodeId = id.parse().map_err(|_| failures::unit_not_found())?;
    let found = node(txn, &state.organization().id, &id).filter(|unit| !unit.id.is_root());
    found.ok_or_else(failures::unit_not_found)
}

/// A unit as answers show it, with the path that ends in itself.
fn show(state: &OrganizationState, unit: &OrganizationNode) -> api::OrganizationalUnit {
    let organization = state.organization();
    let mut path = vec![unit.id.as_str()];
    path.extend(unit.parent.iter().flat_map(|parent| state.up(parent)).map(|node| node.id.as_str()));
    path.push(organization.id.as_str());
    path.reverse();
    api::OrganizationalUnit {
        id: Some(unit.id.to_string()),
        arn: Some(shown::node_arn(organization, &unit.id)),
        name: Some(unit.name.to_string()),
        path: Some(path.join("/") + "/"),
    }
}

pub(super) static UPDATE_ORGANIZATIONAL_UNIT: Declaration<api::UpdateOrganizationalUnit> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:UpdateOrganizationalUnit",
        when: always,
        target: |scope, input| targets::by_id(scope, &input.organizational_unit_id),
        keys: &[],
    }],
    run: update_organizational_unit,
};

/// A unit that keeps its name, or is given none, is left as it is.
fn update_organizational_unit(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UpdateOrganizationalUnitRequest,
) -> Result<api::UpdateOrganizationalUnitResponse, Failure> {
    let state = standing::managed(ctx, txn)?;
    let old = unit(txn, &state, &input.organizational_unit_id)?;
    let Some(name) = input.name.as_deref().filter(|name| **name != *old.name) else {
        return Ok(api::UpdateOrganizationalUnitResponse { organizational_unit: Some(show(&state, &old)) });
    };
    let mut siblings = old.parent.iter().flat_map(|parent| tree::units_of(&state, parent));
    if siblings.any(|sibling| *sibling.name == *name) {
        return Err(failures::duplicate_unit());
    }
    let renamed = OrganizationNode { name: name.into(), ..OrganizationNode::clone(&old) };
    let shown = show(&state, &renamed);
    let organization = state.organization();
    txn.put(RowKey::OrganizationNode(organization.id.clone(), old.id.clone()), renamed);
    // Of two changes that look at all units, their names and numbers, the second looks again.
    standing::touch(txn, organization);
    Ok(api::UpdateOrganizationalUnitResponse { organizational_unit: Some(shown) })
}

pub(super) static DELETE_ORGANIZATIONAL_UNIT: Declaration<api::DeleteOrganizationalUnit> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DeleteOrganizationalUnit",
        when: always,
        target: |scope, input| targets::by_id(scope, &input.organizational_unit_id),
        keys: &[],
    }],
    run: delete_organizational_unit,
};

/// Who makes a unit in it meanwhile rewrites the organization's row, who moves an account into it the unit's own; both are guarded.
fn delete_organizational_unit(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeleteOrganizationalUnitRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed(ctx, txn)?;
    let unit = unit(txn, &state, &input.organizational_unit_id)?;
    if state.children_after(&unit.id, None).next().is_some() {
        return Err(failures::unit_not_empty());
    }
    txn.delete(RowKey::OrganizationNode(state.organization().id.clone(), unit.id.clone()));
    Ok(Empty)
}

pub(super) static DESCRIBE_ORGANIZATIONAL_UNIT: Declaration<api::DescribeOrganizationalUnit> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DescribeOrganizationalUnit",
        when: always,
        target: |scope, input| targets::by_id(scope, &input.organizational_unit_id),
        keys: &[],
    }],
    run: describe_organizational_unit,
};

fn describe_organizational_unit(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DescribeOrganizationalUnitRequest,
) -> Result<api::DescribeOrganizationalUnitResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &DESCRIBE_ORGANIZATIONAL_UNIT, input)?;
    let unit = unit(txn, &state, &input.organizational_unit_id)?;
    Ok(api::DescribeOrganizationalUnitResponse { organizational_unit: Some(show(&state, &unit)) })
}

pub(super) static LIST_ORGANIZATIONAL_UNITS_FOR_PARENT: Declaration<api::ListOrganizationalUnitsForParent> =
    Declaration {
        effect: Effect::Read,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "organizations:ListOrganizationalUnitsForParent",
            when: always,
            target: |scope, input| targets::by_id(scope, &input.parent_id),
            keys: &[],
        }],
        run: list_organizational_units_for_parent,
    };

fn list_organizational_units_for_parent(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListOrganizationalUnitsForParentRequest,
) -> Result<api::ListOrganizationalUnitsForParentResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &LIST_ORGANIZATIONAL_UNITS_FOR_PARENT, input)?;
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let parent = &tree::parent(&state, &input.parent_id)?.id;
    let units = tree::units_in(&state, parent, &ask)?;
    let page = ask.take(units, |unit| unit.id.to_string(), |unit| show(&state, unit));
    Ok(api::ListOrganizationalUnitsForParentResponse {
        organizational_units: page.items,
        next_token: page.next_token,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::organizations::organization::DELETE_ORGANIZATION;
    use crate::organizations::testing::tree::*;
    use crate::organizations::testing::{reason, state};
    use crate::organizations::tree::MOVE_ACCOUNT;
    use crate::testing::Bench;

    fn create(bench: &Bench, parent: &str, name: &str) -> Result<api::OrganizationalUnit, Failure> {
        let made = bench.run(&CREATE_ORGANIZATIONAL_UNIT, unit_in(parent, name))?;
        Ok(made.organizational_unit.unwrap())
    }

    fn new_name(id: &str, name: &str) -> api::UpdateOrganizationalUnitRequest {
        api::UpdateOrganizationalUnitRequest { organizational_unit_id: id.into(), name: Some(name.into()) }
    }

    fn rename(bench: &Bench, id: &str, name: &str) -> Result<api::OrganizationalUnit, Failure> {
        Ok(bench.run(&UPDATE_ORGANIZATIONAL_UNIT, new_name(id, name))?.organizational_unit.unwrap())
    }

    fn of(id: &str) -> api::DeleteOrganizationalUnitRequest {
        api::DeleteOrganizationalUnitRequest { organizational_unit_id: id.into() }
    }

    fn delete(bench: &Bench, id: &str) -> Result<Empty, Failure> {
        bench.run(&DELETE_ORGANIZATIONAL_UNIT, of(id))
    }

    fn describe(bench: &Bench, id: &str) -> Result<api::OrganizationalUnit, Failure> {
        let input = api::DescribeOrganizationalUnitRequest { organizational_unit_id: id.into() };
        Ok(bench.run(&DESCRIBE_ORGANIZATIONAL_UNIT, input)?.organizational_unit.unwrap())
    }

    #[test]
    fn unit_shows_its_arn_and_the_path_to_itself() {
        let bench = Bench::new();
        let root = organize(&bench);
        let outer = add_unit(&bench, &root, "Outer");
        let made = create(&bench, &outer, "Inner").unwrap();
        let (organization, id) = (state(&bench).organization().id.clone(), made.id.clone().unwrap());
        assert_eq!(made.name.as_deref(), Some("Inner"));
        assert_eq!(
            made.arn.as_deref(),
            Some(&*format!("arn:aws:organizations::111122223333:ou/{organization}/{id}"))
        );
        assert_eq!(made.path.as_deref(), Some(&*format!("{organization}/{root}/{outer}/{id}/")));
        assert_eq!(describe(&bench, &id).unwrap(), made);
        let unit = Arc::clone(state(&bench).node(&id.parse().unwrap()).unwrap());
        assert_eq!(unit.policies, attached_at_first());
    }

    #[test]
    fn name_is_taken_among_siblings_only() {
        let bench = Bench::new();
        let root = organize(&bench);
        let unit = add_unit(&bench, &root, "prod");
        assert_eq!(create(&bench, &root, "prod").unwrap_err(), failures::duplicate_unit());
        create(&bench, &root, "Prod").unwrap();
        create(&bench, &unit, "prod").unwrap();
    }

    #[test]
    fn units_are_five_levels_deep_at_most() {
        let bench = Bench::new();
        let mut parent = organize(&bench);
        for _ in 0..5 {
            parent = add_unit(&bench, &parent, "level");
        }
        let error = create(&bench, &parent, "level").unwrap_err();
        assert_eq!(reason(&error), "OU_DEPTH_LIMIT_EXCEEDED", "{error:?}");
    }

    #[test]
    fn organization_has_two_thousand_units_at_most() {
        let bench = Bench::new();
        let root = organize(&bench);
        let (organization, root_id) =
            (state(&bench).organization().id.clone(), root.parse::<NodeId>().unwrap());
        bench.write(|txn| {
            for number in 0..1_999 {
                let id: NodeId = format!("ou-abcd-{number:08}").parse().unwrap();
                let unit = OrganizationNode {
                    id: id.clone(),
                    parent: Some(root_id.clone()),
                    name: format!("{number}").into(),
                    policies: attached_at_first(),
                    tags: Vec::new(),
                };
                txn.put(RowKey::OrganizationNode(organization.clone(), id), unit);
            }
        });
        let last = add_unit(&bench, &root, "last");
        let error = create(&bench, &root, "more").unwrap_err();
        assert_eq!(reason(&error), "OU_NUMBER_LIMIT_EXCEEDED", "{error:?}");
        delete(&bench, &last).unwrap();
        create(&bench, &root, "more").unwrap();
    }

    #[test]
    fn unit_is_made_in_what_is_there() {
        let bench = Bench::new();
        let root = organize(&bench);
        let unit = add_unit(&bench, &root, "gone");
        delete(&bench, &unit).unwrap();
        assert_eq!(create(&bench, &unit, "new").unwrap_err(), failures::parent_not_found());
        assert_eq!(create(&bench, "r-none", "new").unwrap_err(), failures::parent_not_found());
    }

    #[test]
    fn renamed_unit_keeps_its_id_and_its_place() {
        let bench = Bench::new();
        let root = organize(&bench);
        let (a, b) = (add_unit(&bench, &root, "a"), add_unit(&bench, &root, "b"));
        let inner = add_unit(&bench, &a, "b");
        assert_eq!(rename(&bench, &a, "b").unwrap_err(), failures::duplicate_unit());
        let before = describe(&bench, &a).unwrap();
        let renamed = rename(&bench, &a, "c").unwrap();
        assert_eq!(renamed, api::OrganizationalUnit { name: Some("c".into()), ..before });
        assert_eq!(describe(&bench, &a).unwrap(), renamed);
        assert_eq!(
            describe(&bench, &inner).unwrap().path.unwrap(),
            format!("{}{inner}/", renamed.path.unwrap())
        );
        rename(&bench, &b, "b").unwrap();
        let unnamed = api::UpdateOrganizationalUnitRequest { organizational_unit_id: b.clone(), name: None };
        let answer = bench.run(&UPDATE_ORGANIZATIONAL_UNIT, unnamed).unwrap().organizational_unit;
        assert_eq!(answer.unwrap(), describe(&bench, &b).unwrap());
    }

    #[test]
    fn unit_is_deleted_when_nothing_is_in_it() {
        let bench = Bench::new();
        let root = organize(&bench);
        let member = add_member(&bench, 444_455_556_666);
        let outer = add_unit(&bench, &root, "outer");
        let inner = add_unit(&bench, &outer, "inner");
        bench.run(&MOVE_ACCOUNT, from_to(member, &root, &inner)).unwrap();
        assert_eq!(delete(&bench, &outer).unwrap_err(), failures::unit_not_empty());
        assert_eq!(delete(&bench, &inner).unwrap_err(), failures::unit_not_empty());
        bench.run(&MOVE_ACCOUNT, from_to(member, &inner, &root)).unwrap();
        delete(&bench, &inner).unwrap();
        delete(&bench, &outer).unwrap();
        for result in [describe(&bench, &inner), rename(&bench, &inner, "x")] {
            assert_eq!(result.unwrap_err(), failures::unit_not_found());
        }
        assert_eq!(delete(&bench, &inner).unwrap_err(), failures::unit_not_found());
    }

    #[test]
    fn root_is_no_unit() {
        let bench = Bench::new();
        let root = organize(&bench);
        assert_eq!(delete(&bench, &root).unwrap_err(), failures::unit_not_found());
        assert_eq!(rename(&bench, &root, "x").unwrap_err(), failures::unit_not_found());
        assert_eq!(describe(&bench, &root).unwrap_err(), failures::unit_not_found());
    }

    #[test]
    fn units_are_listed_in_pages() {
        let bench = Bench::new();
        let root = organize(&bench);
        add_member(&bench, 444_455_556_666);
        let mut expected: Vec<_> =
            (0..23).map(|number| add_unit(&bench, &root, &number.to_string())).collect();
        expected.sort();
        let list = |next_token| {
            let input = api::ListOrganizationalUnitsForParentRequest {
                parent_id: root.clone(),
                next_token,
                max_results: None,
            };
            let page = bench.run(&LIST_ORGANIZATIONAL_UNITS_FOR_PARENT, input).unwrap();
            let ids = page.organizational_units.unwrap().into_iter().map(|unit| unit.id.unwrap());
            (ids.collect::<Vec<_>>(), page.next_token)
        };
        let (first, token) = list(None);
        // The last one of a page goes, and the next page begins where it would have.
        delete(&bench, first.last().unwrap()).unwrap();
        let (second, end) = list(token);
        assert_eq!((first.len(), [first, second].concat(), end), (20, expected, None));
        let ghost =
            api::ListOrganizationalUnitsForParentRequest { parent_id: "r-none".into(), ..Default::default() };
        let error = bench.run(&LIST_ORGANIZATIONAL_UNITS_FOR_PARENT, ghost).unwrap_err();
        assert_eq!(error, failures::parent_not_found());
    }

    #[test]
    fn units_are_the_management_accounts() {
        let bench = Bench::new();
        let root = organize(&bench);
        let (member, unit) = (add_member(&bench, 444_455_556_666), add_unit(&bench, &root, "unit"));
        bench.call_as_root_of(member);
        let refusals = [
            create(&bench, &root, "mine").map(drop),
            rename(&bench, &unit, "mine").map(drop),
            delete(&bench, &unit).map(drop),
            describe(&bench, &unit).map(drop),
        ];
        for refusal in refusals {
            assert_eq!(refusal.unwrap_err(), failures::not_management());
        }
    }

    #[test]
    fn of_two_units_of_one_name_at_once_the_second_is_refused() {
        let bench = Bench::new();
        let root = organize(&bench);
        let (_, first) = bench.run_uncommitted(&CREATE_ORGANIZATIONAL_UNIT, &unit_in(&root, "x")).unwrap();
        let (_, second) = bench.run_uncommitted(&CREATE_ORGANIZATIONAL_UNIT, &unit_in(&root, "x")).unwrap();
        assert!(bench.second_loses(first, second));
        assert_eq!(create(&bench, &root, "x").unwrap_err(), failures::duplicate_unit());
    }

    #[test]
    fn name_is_not_taken_by_making_and_renaming_at_once() {
        let bench = Bench::new();
        let root = organize(&bench);
        let unit = add_unit(&bench, &root, "old");
        let (_, rename) = bench.run_uncommitted(&UPDATE_ORGANIZATIONAL_UNIT, &new_name(&unit, "x")).unwrap();
        let (_, make) = bench.run_uncommitted(&CREATE_ORGANIZATIONAL_UNIT, &unit_in(&root, "x")).unwrap();
        assert!(bench.second_loses(rename, make));
    }

    #[test]
    fn unit_is_not_deleted_while_an_account_is_moved_into_it() {
        let bench = Bench::new();
        let root = organize(&bench);
        let (member, unit) = (add_member(&bench, 444_455_556_666), add_unit(&bench, &root, "unit"));
        let moving = from_to(member, &root, &unit);
        let race = || {
            let (_, delete) = bench.run_uncommitted(&DELETE_ORGANIZATIONAL_UNIT, &of(&unit)).unwrap();
            let (_, into) = bench.run_uncommitted(&MOVE_ACCOUNT, &moving).unwrap();
            (into, delete)
        };
        let (into, gone) = race();
        assert!(bench.second_loses(into, gone));
        bench.run(&MOVE_ACCOUNT, from_to(member, &unit, &root)).unwrap();
        let (into, gone) = race();
        assert!(bench.second_loses(gone, into));
        assert_eq!(bench.run(&MOVE_ACCOUNT, moving).unwrap_err(), failures::destination_parent_not_found());
    }

    #[test]
    fn unit_is_not_deleted_while_one_is_made_in_it() {
        let bench = Bench::new();
        let root = organize(&bench);
        let unit = add_unit(&bench, &root, "unit");
        let race = || {
            let (_, delete) = bench.run_uncommitted(&DELETE_ORGANIZATIONAL_UNIT, &of(&unit)).unwrap();
            let (made, make) =
                bench.run_uncommitted(&CREATE_ORGANIZATIONAL_UNIT, &unit_in(&unit, "in")).unwrap();
            (delete, make, made.organizational_unit.unwrap().id.unwrap())
        };
        let (gone, make, made) = race();
        assert!(bench.second_loses(make, gone));
        delete(&bench, &made).unwrap();
        let (gone, make, _) = race();
        assert!(bench.second_loses(gone, make));
    }

    #[test]
    fn organization_is_not_deleted_while_a_unit_is_made() {
        let bench = Bench::new();
        let root = organize(&bench);
        let (_, gone) = bench.run_uncommitted(&DELETE_ORGANIZATION, &Empty).unwrap();
        let (_, make) = bench.run_uncommitted(&CREATE_ORGANIZATIONAL_UNIT, &unit_in(&root, "x")).unwrap();
        assert!(bench.second_loses(make, gone));
    }

    #[test]
    fn tags_of_a_new_unit_need_a_permission_of_their_own() {
        let bench = Bench::new();
        let root = organize(&bench);
        let organization = state(&bench).organization().id.clone();
        let tags = Some(vec![api::Tag { key: "team".into(), value: "red".into() }]);
        let input = api::CreateOrganizationalUnitRequest { tags, ..unit_in(&root, "x") };
        let targets = bench.targets(&CREATE_ORGANIZATIONAL_UNIT, &input);
        let arn = |rest: &str| format!("arn:aws:organizations::111122223333:{rest}");
        let shown: Vec<_> = targets.into_iter().map(|(action, target)| (action, target.arn)).collect();
        assert_eq!(
            shown,
            [
                ("organizations:CreateOrganizationalUnit", arn(&format!("root/{organization}/{root}"))),
                ("organizations:TagResource", arn(&format!("ou/{organization}/ou-*"))),
            ]
        );
        assert_eq!(bench.targets(&CREATE_ORGANIZATIONAL_UNIT, &unit_in(&root, "x")).len(), 1);
        let id = bench.run(&CREATE_ORGANIZATIONAL_UNIT, input).unwrap().organizational_unit.unwrap().id;
        let unit = Arc::clone(state(&bench).node(&id.unwrap().parse().unwrap()).unwrap());
        assert_eq!(&*unit.tags[0].value, "red");
    }
}

//! Which regions an account uses.
//!
//! The older ones are in use in every account; those since March 2019 are switched on and off.
//! DIFFERENCE: a switch takes effect at once, so nothing is ever `ENABLING` or `DISABLING`.
//! DIFFERENCE: what is served here is global, so a request that is signed for a region which is off is answered like any other.
//!
//! Source of the list: botocore 1.44.5, `partitions.json`; which are opt-in: Account Management Reference Guide, "Enable or
//! disable AWS Regions in your account".

use rootward_api::account as api;
use rootward_api::account::RegionOptStatus;
use rootward_names::{AccountId, Partition};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_state::Txn;
use rootward_state::entities::AccountSettings;
use rootward_wire::Empty;

use super::{failures, whose};
use crate::own;

pub(super) static OPERATIONS: &[&dyn Handler] =
    &[&DISABLE_REGION, &ENABLE_REGION, &GET_REGION_OPT_STATUS, &LIST_REGIONS];

pub(super) static LIST_REGIONS: Declaration<api::ListRegions> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:ListRegions",
        when: always,
        target: |scope, input| whose::target(scope, input.account_id.as_deref()),
        keys: &[],
    }],
    run: list_regions,
};

/// By name. The token is the name of the last region on the page before.
fn list_regions(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListRegionsRequest,
) -> Result<api::ListRegionsResponse, Failure> {
    let id = whose::looked_at(ctx, txn, "account:ListRegions", input.account_id.as_deref())?;
    let regions = regions(ctx.partition());
    let after = input.next_token.as_deref().filter(|token| !token.is_empty());
    if after.is_some_and(|after| !regions.iter().any(|(name, _)| *name == after)) {
        return Err(failures::bad_next_token());
    }
    let settings = own::settings_of(txn, id);
    let wanted = input.region_opt_status_contains.as_deref().unwrap_or_default();
    let mut rest = regions
        .iter()
        .skip_while(|(name, _)| after.is_some_and(|after| *name <= after))
        .map(|(name, in_use)| (*name, status(&settings, name, *in_use)))
        .filter(|(_, status)| wanted.is_empty() || wanted.contains(status))
        .peekable();
    let size = input.max_results.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE_SIZE);
    let page: Vec<_> = rest.by_ref().take(size).collect();
    let next_token = rest.peek().and_then(|_| page.last()).map(|(name, _)| (*name).to_owned());
    let shown = |(name, status): (&str, _)| api::Region {
        region_name: Some(name.to_owned()),
        region_opt_status: Some(status),
    };
    Ok(api::ListRegionsResponse { next_token, regions: Some(page.into_iter().map(shown).collect()) })
}

/// Regions on a page when the caller does not say.
const PAGE_SIZE: usize = 50;

pub(super) static GET_REGION_OPT_STATUS: Declaration<api::GetRegionOptStatus> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:GetRegionOptStatus",
        when: always,
        target: |scope, input| whose::target(scope, input.account_id.as_deref()),
        keys: &[Key::Text(TARGET, |_, input| Some(input.region_name.clone()))],
    }],
    run: get_region_opt_status,
};

fn get_region_opt_status(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetRegionOptStatusRequest,
) -> Result<api::GetRegionOptStatusResponse, Failure> {
    let id = whose::looked_at(ctx, txn, "account:GetRegionOptStatus", input.account_id.as_deref())?;
    let (name, in_use) = find(ctx.partition(), &input.region_name)?;
    Ok(api::GetRegionOptStatusResponse {
        region_name: Some(name.to_owned()),
        region_opt_status: Some(status(&own::settings_of(txn, id), name, in_use)),
    })
}

pub(super) static ENABLE_REGION: Declaration<api::EnableRegion> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:EnableRegion",
        when: always,
        target: |scope, input| whose::target(scope, input.account_id.as_deref()),
        keys: &[Key::Text(TARGET, |_, input| Some(input.region_name.clone()))],
    }],
    run: enable_region,
};

fn enable_region(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::EnableRegionRequest,
) -> Result<Empty, Failure> {
    let id = whose::changed(ctx, txn, "account:EnableRegion", input.account_id.as_deref())?;
    switch(ctx, txn, id, &input.region_name, Switch::On)
}

pub(super) static DISABLE_REGION: Declaration<api::DisableRegion> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:DisableRegion",
        when: always,
        target: |scope, input| whose::target(scope, input.account_id.as_deref()),
        keys: &[Key::Text(TARGET, |_, input| Some(input.region_name.clone()))],
    }],
    run: disable_region,
};

fn disable_region(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DisableRegionRequest,
) -> Result<Empty, Failure> {
    let id = whose::changed(ctx, txn, "account:DisableRegion", input.account_id.as_deref())?;
    switch(ctx, txn, id, &input.region_name, Switch::Off)
}

const TARGET: &str = "account:TargetRegion";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Switch {
    Off,
    On,
}

/// What is so already stays so.
fn switch(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    id: AccountId,
    name: &str,
    to: Switch,
) -> Result<Empty, Failure> {
    let (name, in_use) = find(ctx.partition(), name)?;
    if in_use == Use::Always {
        return Err(failures::region_is_default(name));
    }
    let mut settings = own::settings_of(txn, id);
    settings.regions.retain(|on| **on != *name);
    if to == Switch::On {
        settings.regions.push(name.into());
        settings.regions.sort();
    }
    own::put_settings_of(txn, id, settings);
    Ok(Empty)
}

fn find(partition: Partition, name: &str) -> Result<Region, Failure> {
    let found = regions(partition).iter().find(|(known, _)| *known == name);
    found.copied().ok_or_else(|| failures::no_such_region(name))
}

fn status(settings: &AccountSettings, name: &str, in_use: Use) -> RegionOptStatus {
    match in_use {
        Use::Always => RegionOptStatus::EnabledByDefault,
        Use::OptIn if settings.regions.iter().any(|on| **on == *name) => RegionOptStatus::Enabled,
        Use::OptIn => RegionOptStatus::Disabled,
    }
}

/// Whether a region is in use without anybody asking for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Always,
    OptIn,
}

type Region = (&'static str, Use);

/// Whether a partition has a region of this name.
pub fn is_known_region(name: &str) -> bool {
    [AWS, AWS_CN, AWS_US_GOV].into_iter().flatten().any(|(known, _)| *known == name)
}

/// The regions of a partition, by name.
const fn regions(partition: Partition) -> &'static [Region] {
    match partition {
        Partition::Aws => AWS,
        Partition::AwsCn => AWS_CN,
        Partition::AwsUsGov => AWS_US_GOV,
    }
}

const AWS: &[Region] = &[
    ("af-south-1", Use::OptIn),
    ("ap-east-1", Use::OptIn),
    ("ap-east-2", Use::OptIn),
    ("ap-northeast-1", Use::Always),
    ("ap-northeast-2", Use::Always),
    ("ap-northeast-3", Use::Always),
    ("ap-south-1", Use::Always),
    ("ap-south-2", Use::OptIn),
    ("ap-southeast-1", Use::Always),
    ("ap-southeast-2", Use::Always),
    ("ap-southeast-3", Use::OptIn),
    ("ap-southeast-4", Use::OptIn),
    ("ap-southeast-5", Use::OptIn),
    ("ap-southeast-6", Use::OptIn),
    ("ap-southeast-7", Use::OptIn),
    ("ca-central-1", Use::Always),
    ("ca-west-1", Use::OptIn),
    ("eu-central-1", Use::Always),
    ("eu-central-2", Use::OptIn),
    ("eu-north-1", Use::Always),
    ("eu-south-1", Use::OptIn),
    ("eu-south-2", Use::OptIn),
    ("eu-west-1", Use::Always),
    ("eu-west-2", Use::Always),
    ("eu-west-3", Use::Always),
    ("il-central-1", Use::OptIn),
    ("me-central-1", Use::OptIn),
    ("me-south-1", Use::OptIn),
    ("me-west-1", Use::OptIn),
    ("mx-central-1", Use::OptIn),
    ("sa-east-1", Use::Always),
    ("sa-west-1", Use::OptIn),
    ("us-east-1", Use::Always),
    ("us-east-2", Use::Always),
    ("us-west-1", Use::Always),
    ("us-west-2", Use::Always),
];

const AWS_CN: &[Region] = &[("cn-north-1", Use::Always), ("cn-northwest-1", Use::Always)];

const AWS_US_GOV: &[Region] = &[("us-gov-east-1", Use::Always), ("us-gov-west-1", Use::Always)];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn regions_of_every_partition_are_known_and_a_mistyped_one_is_not() {
        for name in ["eu-central-1", "cn-north-1", "us-gov-west-1"] {
            assert!(is_known_region(name), "{name}");
        }
        assert!(!is_known_region("eu-wst-1"));
    }

    fn enable(bench: &Bench, name: &str) -> Result<Empty, Failure> {
        bench.run(&ENABLE_REGION, api::EnableRegionRequest { region_name: name.into(), account_id: None })
    }

    fn disable(bench: &Bench, name: &str) -> Result<Empty, Failure> {
        bench.run(&DISABLE_REGION, api::DisableRegionRequest { region_name: name.into(), account_id: None })
    }

    fn opt_status(bench: &Bench, name: &str) -> Result<RegionOptStatus, Failure> {
        let input = api::GetRegionOptStatusRequest { region_name: name.into(), account_id: None };
        let shown = bench.run(&GET_REGION_OPT_STATUS, input)?;
        assert_eq!(shown.region_name.as_deref(), Some(name));
        Ok(shown.region_opt_status.unwrap())
    }

    fn list(bench: &Bench, size: Option<i32>, wanted: &[RegionOptStatus]) -> Vec<String> {
        let (mut names, mut next_token) = (Vec::new(), None);
        loop {
            let input = api::ListRegionsRequest {
                max_results: size,
                next_token,
                region_opt_status_contains: Some(wanted.to_vec()),
                account_id: None,
            };
            let page = bench.run(&LIST_REGIONS, input).unwrap();
            let regions = page.regions.unwrap();
            assert!(size.is_none_or(|size| regions.len() <= usize::try_from(size).unwrap()));
            names.extend(regions.into_iter().filter_map(|region| region.region_name));
            next_token = page.next_token;
            if next_token.is_none() {
                return names;
            }
        }
    }

    #[test]
    fn opt_in_region_is_switched_on_and_off_as_often_as_one_likes() {
        let bench = Bench::new();
        for (on, expected) in [
            (false, RegionOptStatus::Disabled),
            (true, RegionOptStatus::Enabled),
            (true, RegionOptStatus::Enabled),
            (false, RegionOptStatus::Disabled),
        ] {
            let switch = if on { enable } else { disable };
            switch(&bench, "eu-south-2").unwrap();
            assert_eq!(opt_status(&bench, "eu-south-2"), Ok(expected));
        }
        assert_eq!(opt_status(&bench, "us-east-1"), Ok(RegionOptStatus::EnabledByDefault));
    }

    #[test]
    fn default_regions_and_those_of_other_partitions_cannot_be_switched() {
        let bench = Bench::new();
        for (name, expected) in [
            ("us-east-1", failures::region_is_default("us-east-1")),
            ("cn-north-1", failures::no_such_region("cn-north-1")),
            ("aws-global", failures::no_such_region("aws-global")),
        ] {
            assert_eq!(enable(&bench, name).unwrap_err(), expected);
            assert_eq!(disable(&bench, name).unwrap_err(), expected);
            assert_eq!(expected.members["reason"], "invalidRegionOptTarget");
        }
        assert_eq!(opt_status(&bench, "nowhere-1").unwrap_err(), failures::no_such_region("nowhere-1"));
    }

    #[test]
    fn pages_hold_every_region_once_and_filters_hold() {
        let bench = Bench::new();
        enable(&bench, "me-south-1").unwrap();
        let every: Vec<_> = AWS.iter().map(|(name, _)| *name).collect();
        for size in [None, Some(1), Some(7), Some(36), Some(50)] {
            assert_eq!(list(&bench, size, &[]), every);
            assert_eq!(list(&bench, size, &[RegionOptStatus::Enabled]), ["me-south-1"]);
            assert_eq!(list(&bench, size, &[RegionOptStatus::EnabledByDefault]).len(), 17);
        }
        assert!(list(&bench, Some(2), &[RegionOptStatus::Enabling]).is_empty());
        let input = api::ListRegionsRequest { next_token: Some("nowhere".into()), ..Default::default() };
        assert_eq!(bench.run(&LIST_REGIONS, input).unwrap_err(), failures::bad_next_token());
    }

    #[test]
    fn regions_are_in_order_and_of_their_partition() {
        for partition in [Partition::Aws, Partition::AwsCn, Partition::AwsUsGov] {
            assert!(regions(partition).is_sorted_by_key(|(name, _)| *name));
            assert!(regions(partition).iter().all(|(name, _)| Partition::of_region(name) == partition));
        }
    }
}

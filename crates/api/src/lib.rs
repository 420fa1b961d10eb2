#![doc = include_str!("../README.md")]
//!
//! One module a service. Each holds a type for every operation ([`iam::CreateUser`]), structure and enum,
//! `ErrorCode`, `SERVICE` and the sorted table `OPERATIONS`. Required members are plain, all others `Option`; this holds
//! for inputs and outputs. To change something, change `models/` or `models/overrides/` and run `xtask generate`.

pub mod account;
pub mod cloudtrail;
pub mod iam;
pub mod organizations;
pub mod rootward;
pub mod signin;
pub mod sts;

use rootward_wire::ServiceSchema;

/// Every service, for routing and for tests that go over all of them.
pub static SERVICES: &[&ServiceSchema] = &[
    &account::SERVICE,
    &cloudtrail::SERVICE,
    &iam::SERVICE,
    &organizations::SERVICE,
    &rootward::SERVICE,
    &signin::SERVICE,
    &sts::SERVICE,
];

//! Partitions: which family of regions an ARN or a request belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The partition of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Partition {
    /// `aws`: everything else.
    #[default]
    Aws,
    /// `aws-cn`: regions `cn-…`.
    AwsCn,
    /// `aws-us-gov`: regions `us-gov-…`.
    AwsUsGov,
}

impl Partition {
    /// The partition that holds `region`; unknown regions belong to `aws`.
    pub fn of_region(region: &str) -> Self {
        if region.starts_with("cn-") {
            Self::AwsCn
        } else if region.starts_with("us-gov-") {
            Self::AwsUsGov
        } else {
            Self::Aws
        }
    }

    /// The partition of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Aws, Self::AwsCn, Self::AwsUsGov].into_iter().find(|partition| partition.as_str() == name)
    }

    /// The name in ARNs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsCn => "aws-cn",
            Self::AwsUsGov => "aws-us-gov",
        }
    }

    /// The region that global services (IAM, STS) report in this partition.
    pub const fn global_region(self) -> &'static str {
        match self {
            Self::Aws => "us-east-1",
            Self::AwsCn => "cn-north-1",
            Self::AwsUsGov => "us-gov-west-1",
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

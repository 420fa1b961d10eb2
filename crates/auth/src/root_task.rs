//! The tasks that members' root users are assumed for, each with the policy that its sessions are cut to.
//!
//! The policies are AWS's own and only deny: everything but a few actions, and those on anything but the root user. A session
//! starts from everything, as root users do, so that what is left is exactly the task.
//! DIFFERENCE: their documents name root users as the partition `aws` does, and so they deny everything in any other partition.
//!
//! Source: IAM User Guide, "Perform a privileged task on an AWS Organizations member account".

use rootward_names::Partition;
use serde::{Deserialize, Serialize};

/// What a session of an assumed root user is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RootTask {
    /// Looks at the root user's credentials.
    AuditCredentials,
    /// Lets the root user recover a password.
    CreatePassword,
    /// Deletes the root user's credentials.
    DeleteCredentials,
    /// Replaces or deletes the policy of a bucket that locks everybody out.
    UnlockBucketPolicy,
    /// Replaces or deletes the policy of a queue that locks everybody out.
    UnlockQueuePolicy,
}

impl RootTask {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AuditCredentials,
        Self::CreatePassword,
        Self::DeleteCredentials,
        Self::UnlockBucketPolicy,
        Self::UnlockQueuePolicy,
    ];

    /// The task whose policy this ARN names.
    pub fn of_arn(partition: Partition, arn: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.arn(partition) == arn)
    }

    /// The ARN of the task's policy.
    pub fn arn(self, partition: Partition) -> String {
        let name = match self {
            Self::AuditCredentials => "IAMAuditRootUserCredentials",
            Self::CreatePassword => "IAMCreateRootUserPassword",
            Self::DeleteCredentials => "IAMDeleteRootUserCredentials",
            Self::UnlockBucketPolicy => "S3UnlockBucketPolicy",
            Self::UnlockQueuePolicy => "SQSUnlockQueuePolicy",
        };
        format!("arn:{partition}:iam::aws:policy/root-task/{name}")
    }

    /// Whether it is about the root user's credentials, and not about resources of the account.
    pub fn is_of_credentials(self) -> bool {
        match self {
            Self::AuditCredentials | Self::CreatePassword | Self::DeleteCredentials => true,
            Self::UnlockBucketPolicy | Self::UnlockQueuePolicy => false,
        }
    }
}

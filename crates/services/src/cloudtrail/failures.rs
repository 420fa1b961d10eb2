//! Every refusal of CloudTrail, with code and status as the model has them. The texts are ours.

use rootward_api::cloudtrail::ErrorCode;
use rootward_pipeline::Failure;

fn refused(code: ErrorCode, message: &str) -> Failure {
    Failure::new(code.schema(), message)
}

pub(super) fn too_many_attributes() -> Failure {
    refused(ErrorCode::InvalidLookupAttributes, "Events can be looked up by one attribute at a time.")
}

pub(super) fn read_only_is_no_flag() -> Failure {
    refused(ErrorCode::InvalidLookupAttributes, "The value of ReadOnly is true or false.")
}

pub(super) fn not_of_insights() -> Failure {
    refused(
        ErrorCode::InvalidLookupAttributes,
        "Insights events are looked up by EventId, EventName or EventSource.",
    )
}

pub(super) fn start_after_end() -> Failure {
    refused(ErrorCode::InvalidTimeRange, "The start time is after the end time.")
}

pub(super) fn bad_max_results() -> Failure {
    refused(ErrorCode::InvalidMaxResults, "MaxResults is between 1 and 50.")
}

pub(super) fn bad_next_token() -> Failure {
    refused(
        ErrorCode::InvalidNextToken,
        "The token is none that a look-up with the same attribute and times has given.",
    )
}

pub(super) fn bad_category() -> Failure {
    refused(
        ErrorCode::InvalidEventCategory,
        "EventCategory is insight, or is left out for management events.",
    )
}

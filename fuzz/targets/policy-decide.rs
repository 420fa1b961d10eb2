//! Decisions: any documents, request and context get an answer, the same one from both walks over the policies, and a
//! document that cannot be read allows nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rootward_policy::{
    Attached, Context, Policies, Principal, PrincipalKind, Program, Request, ResourceKind, ResourcePolicy,
    Source, decide, explain,
};

const USER: &str = "arn:aws:iam::111111111111:user/ann";

// Parts end with a NUL: identity, resource and boundary document (none if empty), action, resource; the rest are lines
// `key=value` of the context.
fuzz_target!(|text: &str| {
    let mut parts = text.splitn(6, '\0');
    let [identity, resource_policy, boundary, action, resource, lines] =
        [(); 6].map(|()| parts.next().unwrap_or_default());
    let [identity, resource_policy, boundary] = [identity, resource_policy, boundary]
        .map(|text| (!text.is_empty()).then(|| Program::of_stored(text)));
    let attached = |program| Attached { program, source: Source::Unnamed };
    let identities: Vec<_> = identity.iter().map(attached).collect();

    let account = "111111111111".parse().ok();
    let user = PrincipalKind::User { arn: USER, id: "AIDA0000000000000ANN" };
    let principal = Principal { kind: user, account, management_account: false };
    let mut context = Context::new();
    context.principal(&principal);
    for (key, value) in lines.lines().filter_map(|line| line.split_once('=')) {
        context.text(key, value);
    }
    let request =
        Request { principal: &principal, action, resource, resource_account: account, context: &context };

    for kind in [ResourceKind::Key, ResourceKind::Other, ResourceKind::Trust] {
        let policies = Policies {
            identity: &identities,
            boundary: boundary.as_ref().map(attached),
            resource: resource_policy
                .as_ref()
                .map(|program| ResourcePolicy { attached: attached(program), kind }),
            ..Policies::default()
        };
        let decision = decide(&request, &policies);
        let explanation = explain(&request, &policies);
        assert_eq!(explanation.decision.outcome, decision.outcome);
        assert!(!explanation.to_string().is_empty());
        assert!(decision.denial_message(USER, action, Some(resource)).contains("is not authorized"));
        let unread = [&identity, &resource_policy, &boundary].into_iter().flatten().any(|p| !p.is_readable());
        assert!(!unread || !decision.is_allowed() || needs_no_permission(action), "{decision:?}");
    }
});

fn needs_no_permission(action: &str) -> bool {
    ["sts:GetCallerIdentity", "sts:GetSessionToken"].iter().any(|free| free.eq_ignore_ascii_case(action))
}

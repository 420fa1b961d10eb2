//! AWS Sign-In, the service: credentials for the command line of whoever is signed in at a browser, without an access key. How they
//! come to be signed in is the crate `signin`.
//!
//! ```text
//! aws login ─▶ browser: GET /v1/authorize ─▶ sign in ─▶ consent ─▶ AuthorizeOAuth2Access ─▶ code ─▶ aws login
//! aws login ─▶ CreateOAuth2Token(code, verifier)  ─▶ session, credentials, refresh token
//! any SDK   ─▶ CreateOAuth2Token(refresh token)   ─▶ credentials, the next refresh token
//! ```
//!
//! - [`authorize`] is called by the console, in the session of who consents; [`token`] by clients that have nothing yet to sign with.
//! - The session of a command line is a row like those of browsers: listed, ended, and over with the session in which it was
//!   allowed. So credentials live no longer than what they came from: minutes, where a sealed root user has signed in.
//! - Who uses a code or a replaced refresh token again may be who has stolen it, and the session that it gave ends.
//!
//! Both need a permission, which the root user has: `SignInLocalDevelopmentAccess` is AWS's policy for it.
//!
//! DIFFERENCE: the region in the ARNs of clients is the partition's global one, because requests without a signature name none.
//!
//! Source: AWS Sign-In API Reference, "AWS Sign-In Data Plane"; Service Authorization Reference, "AWS Signin".

mod authorize;
mod failures;
#[cfg(test)]
mod testing;
mod token;

use rootward_auth::command_line::Client;
use rootward_pipeline::{Handler, Scope, Target};

/// Every operation that is implemented.
pub(crate) static OPERATIONS: &[&dyn Handler] =
    &[&authorize::AUTHORIZE_OAUTH2_ACCESS, &token::CREATE_OAUTH2_TOKEN];

/// A client as policies name it.
fn target(scope: &Scope<'_>, client_id: &str) -> Target {
    let ctx = scope.ctx;
    let (partition, region, account) = (ctx.partition(), ctx.region, ctx.account());
    // Others are refused by the model's pattern.
    let client = Client::of(client_id).map_or("*", Client::resource);
    Target::arn(format!("arn:{partition}:signin:{region}:{account}:{client}"))
}

//! What is wrong with a policy that is about to be saved: every problem with its place, and the sentence AWS answers.

use rootward_policy::{Policy, PolicyKind};

const DOCUMENT: &str = r#"{
  "Version": "2012-10-17",
  "Statement": {
    "Effect": "Allow",
    "Action": "s3GetObject",
    "Resource": "docs",
    "Condition": {"DateLessThan": {"aws:CurrentTime": "tomorrow"}}
  }
}"#;

fn main() {
    match Policy::parse(DOCUMENT, PolicyKind::Identity) {
        Ok(policy) => println!("fine: {policy}"),
        Err(problems) => {
            for problem in problems.iter() {
                let meant = problem.place.span.of(DOCUMENT);
                println!("{}: {} ({})\n  {meant}", problem.place.start, problem.message, problem.help);
            }
            println!("AWS answers: {}", problems.aws_message());
        }
    }
}

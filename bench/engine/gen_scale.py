#!/usr/bin/env python3
"""Three corpora that show what statements cost which cannot match: gen_scale.py [--out DIR]

few.json      5 statements about S3
many.json     the same 5, and 10,000 about other services
crowded.json  the same 5, and 10,000 about other actions of S3
The requests, 1,000 of them, are the same in all three, and all are about S3.
"""
import argparse
import json
import os

ACCOUNT = "123456789012"
USER = f"arn:aws:iam::{ACCOUNT}:user/alice"
OTHERS = {
    "dynamodb": ("GetItem", "PutItem", "Query", "Scan"), "sqs": ("SendMessage", "ReceiveMessage", "DeleteMessage"),
    "sns": ("Publish", "Subscribe"), "lambda": ("InvokeFunction", "GetFunction"), "kms": ("Decrypt", "Encrypt"),
    "ec2": ("StartInstances", "StopInstances"), "ecr": ("BatchGetImage", "PutImage"), "logs": ("PutLogEvents", "GetLogEvents"),
    "kinesis": ("PutRecord", "GetRecords"), "secretsmanager": ("GetSecretValue", "DescribeSecret"),
}
OTHERS_OF_S3 = ("GetBucketTagging", "PutBucketTagging", "GetBucketAcl", "PutBucketAcl", "GetLifecycleConfiguration", "PutObjectAcl")
STATEMENTS_IN_POLICY = 100


def five():
    return [
        {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data-*/*"},
        {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::data-*"},
        {"Sid": "Write", "Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": "arn:aws:s3:::data-7/in/*"},
        {"Sid": "Tags", "Effect": "Allow", "Action": "s3:GetObject*", "Resource": "arn:aws:s3:::logs/*",
         "Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"Sid": "NoSecrets", "Effect": "Deny", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::*/secret/*"},
    ]


def of_other_services(n):
    services = list(OTHERS)
    service = services[n % len(services)]
    return {"Sid": f"O{n}", "Effect": "Allow" if n % 10 else "Deny", "Action": [f"{service}:{name}" for name in OTHERS[service]],
            "Resource": f"arn:aws:{service}:eu-west-1:{ACCOUNT}:team-{n}/*"}


def of_other_actions(n):
    return {"Sid": f"O{n}", "Effect": "Allow" if n % 10 else "Deny", "Action": f"s3:{OTHERS_OF_S3[n % len(OTHERS_OF_S3)]}",
            "Resource": f"arn:aws:s3:::team-{n}/*"}


def requests():
    for n in range(1000):
        action = ("GetObject", "PutObject", "ListBucket", "DeleteObject")[n % 4]
        bucket = f"arn:aws:s3:::{('data-7', 'data-8', 'logs', 'other')[n // 4 % 4]}"
        folder = ("in", "secret", "out")[n // 16 % 3]
        yield {"id": n, "action": f"s3:{action}", "resource": bucket if action == "ListBucket" else f"{bucket}/{folder}/{n}.json",
               "resource_account": ACCOUNT, "resource_policy": None,
               "context": {"aws:SecureTransport": "true", "aws:SourceIp": "10.1.2.3", "aws:RequestedRegion": "eu-west-1"}}


def corpus(name, others):
    chunks = [five()] + [others[at:at + STATEMENTS_IN_POLICY] for at in range(0, len(others), STATEMENTS_IN_POLICY)]
    policies = [{"name": f"policy{n:03d}", "document": {"Version": "2012-10-17", "Statement": chunk}} for n, chunk in enumerate(chunks)]
    return {"format": 1, "name": name, "principal": {"arn": USER, "account": ACCOUNT, "name": "alice"},
            "identity_policies": policies, "permissions_boundary": None, "session_policy": None, "scps": [], "rcps": [],
            "resource_policies": [], "actions": [], "requests": list(requests())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="corpus")
    out = parser.parse_args().out
    os.makedirs(out, exist_ok=True)
    others = {"few": [], "many": [of_other_services(n) for n in range(10_000)], "crowded": [of_other_actions(n) for n in range(10_000)]}
    for name, statements in others.items():
        with open(os.path.join(out, name + ".json"), "w") as file:
            json.dump(corpus(name, statements), file, separators=(",", ":"))


if __name__ == "__main__":
    main()

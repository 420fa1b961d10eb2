//! Part of `check-deps`: pure crates reach neither files, network, processes, threads nor clocks, and wait for nothing. Of what threads
//! share they may only have [`Arc`](std::sync::Arc).
//!
//! What they may name of the standard library is a list, so that a new module fails until somebody has looked at it. The text is
//! read as words: a name that only a macro builds would get past, which no review would let pass either.

use std::path::{Path, PathBuf};

use crate::root;

/// Crates that promise it, with the crates of others that they may depend on.
pub(crate) const PURE: &[(&str, &[&str])] =
    &[("guardrails", &[]), ("insight", &["serde", "serde_json"]), ("policy", &[]), ("reference", &[])];

const STD: &[&str] = &[
    "array",
    "borrow",
    "cmp",
    "collections",
    "error",
    "fmt",
    "iter",
    "mem",
    "net",
    "num",
    "ops",
    "slice",
    "str",
    "sync",
];

/// Of the modules in the list, and of the language, what is not for pure crates.
const FORBIDDEN: &[&str] = &[
    "Barrier",
    "Condvar",
    "LazyLock",
    "Mutex",
    "Once",
    "OnceLock",
    "RwLock",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "async",
    "atomic",
    "await",
    "dbg",
    "eprint",
    "eprintln",
    "mpsc",
    "print",
    "println",
    "tokio",
    "unsafe",
];

/// What the sources of pure crates name that they must not.
pub(crate) fn offences() -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    for (name, _) in PURE {
        let mut files = Vec::new();
        collect(&root().join("crates").join(name).join("src"), &mut files)?;
        for file in files {
            let text = read(&file)?;
            found.extend(
                words_of(&text)
                    .into_iter()
                    .map(|word| format!("`{name}` must not name `{word}`: {}", file.display())),
            );
        }
    }
    Ok(found)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Forbidden words of a source, comments left out. `unsafe_code` is another word than `unsafe`.
fn words_of(text: &str) -> Vec<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words: Vec<&str> =
        code.split(|c: char| !is_word(c) && c != ':' && c != '{').filter(|word| !word.is_empty()).collect();
    let mut found = Vec::new();
    for path in words {
        let mut parts = path.split("::").peekable();
        while let Some(part) = parts.next() {
            let name = part.trim_matches(|c| !is_word(c));
            // Several modules in braces are not looked into: one has to be named by itself.
            let module = parts.peek().copied().unwrap_or_default();
            if name == "std" && !STD.contains(&module) {
                found.push(format!("std::{module}"));
            }
            if FORBIDDEN.contains(&name) {
                found.push(name.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_out_is_named() {
        for (code, word) in [
            ("let text = std::fs::read(path);", "std::fs"),
            ("use std::time::Instant;", "std::time"),
            ("use std::{fmt, env};", "std::{fmt"),
            ("use std as s;", "std::"),
            ("use ::std::process::Command;", "std::process"),
            ("use std::net::{IpAddr, TcpStream};", "TcpStream"),
            ("use std::sync::{Arc, Mutex};", "Mutex"),
            ("use std::sync::atomic::AtomicU64;", "atomic"),
            ("async fn wait() {}", "async"),
            ("fn f() { future.await; }", "await"),
            ("fn f() { println!(\"x\"); }", "println"),
            ("tokio::spawn(f)", "tokio"),
        ] {
            assert_eq!(words_of(code), [word], "{code}");
        }
    }

    #[test]
    fn what_computes_is_free() {
        let code = "use std::fmt::{self, Write}; // no std::fs, async\nuse std::net::IpAddr;\nuse std::sync::Arc;\nlet instant = Instant::new(); standard::fs();";
        assert_eq!(words_of(code), [""; 0]);
    }
}

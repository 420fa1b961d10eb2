//! Makes a world readable: takes away what does not matter to a property of it.

use serde_json::Value;

use crate::world::World;

/// The smallest world found that still has the property, taking away one thing at a time.
pub fn shrink(world: World, has_property: impl Fn(&World) -> bool) -> World {
    let Ok(mut json) = serde_json::to_value(&world) else { return world };
    let mut smallest = world;
    loop {
        let paths = paths(&json);
        let smaller = paths.iter().find_map(|path| {
            let mut json = json.clone();
            if !take(&mut json, path) {
                return None;
            }
            let world: World = serde_json::from_value(json.clone()).ok()?;
            (world != smallest && has_property(&world)).then_some((json, world))
        });
        match smaller {
            Some(found) => (json, smallest) = found,
            None => return smallest,
        }
    }
}

/// A place in a document: keys and positions from its top.
type Path = Vec<String>;

/// What can be taken away and leaves a well-formed world: policies, levels, statements, members of longer lists,
/// conditions and keys. Larger things come first.
fn paths(json: &Value) -> Vec<Path> {
    let mut found = Vec::new();
    collect(json, &mut vec![], &mut found);
    found.sort_by_key(Vec::len);
    found
}

fn collect(json: &Value, path: &mut Path, found: &mut Vec<Path>) {
    match json {
        Value::Array(members) => {
            let in_policy = path.iter().any(|step| step == "Statement" || step == "context");
            for (at, member) in members.iter().enumerate() {
                path.push(at.to_string());
                if members.len() > 1 || !in_policy && path.last().is_some() && !ends_in(path, "Statement") {
                    found.push(path.clone());
                }
                collect(member, path, found);
                path.pop();
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let inside = path.iter().any(|step| step == "Condition" || step == "context");
                path.push(name.clone());
                let optional =
                    path.len() == 1 && !member.is_null() && name != "principal" && name != "request";
                if optional
                    || name == "Condition"
                    || inside && (members.len() > 1 || path.iter().any(|s| s == "context"))
                {
                    found.push(path.clone());
                }
                collect(member, path, found);
                path.pop();
            }
        }
        _ => {}
    }
}

fn ends_in(path: &Path, list: &str) -> bool {
    path.len() >= 2 && path.get(path.len() - 2).is_some_and(|step| step == list)
}

/// Whether there was something to take. What stands at the top becomes null.
fn take(json: &mut Value, path: &Path) -> bool {
    let Some((last, above)) = path.split_last() else { return false };
    let mut at = json;
    for step in above {
        let next = match at {
            Value::Array(members) => step.parse().ok().and_then(|at: usize| members.get_mut(at)),
            Value::Object(members) => members.get_mut(step),
            _ => None,
        };
        let Some(next) = next else { return false };
        at = next;
    }
    match at {
        Value::Array(members) => last.parse().is_ok_and(|at: usize| {
            at < members.len() && {
                members.remove(at);
                true
            }
        }),
        Value::Object(members) if above.is_empty() => members.insert(last.clone(), Value::Null).is_some(),
        Value::Object(members) => members.remove(last).is_some(),
        _ => false,
    }
}

//! Positional arguments under their names, and the values that Python's clients write for an absent
//! one.

use serde_json::{Map, Value};

use super::caller::shorten;
use super::table::Method;
use crate::odoo::OdooError;

/// Arguments of which `false` and `null` both mean that they are absent.
const ABSENT_IF_FALSE: &[&str] = &[
    "aggregates",
    "allfields",
    "attributes",
    "fields",
    "groupby",
    "limit",
    "load",
    "offset",
    "order",
];

/// How arguments are read that are unknown, or absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// As Odoo does: they are refused.
    Odoos,
    /// An add-on may be newer than the service, and send what the service does not know.
    AddOns,
}

/// Returns the keyword arguments of a call.
///
/// # Errors
/// `UserError` for too many arguments, for one that is there twice, and as `reading` says.
pub fn named(
    method: &Method,
    args: Vec<Value>,
    mut kwargs: Map<String, Value>,
    reading: Reading,
) -> Result<Map<String, Value>, OdooError> {
    let name = method.full_name();
    if args.len() > method.arguments.len() {
        let most = method.arguments.len();
        return Err(OdooError::user(match most {
            0 => format!("{name} takes keyword arguments only"),
            _ => format!("{name} takes {most} arguments but {} were given", args.len()),
        }));
    }
    for (argument, value) in method.arguments.iter().zip(args) {
        if kwargs.insert((*argument).to_owned(), value).is_some() {
            return Err(OdooError::user(format!(
                "{name} got several values for the argument '{argument}'"
            )));
        }
    }
    // Neither language nor time zone changes an answer.
    kwargs.remove("context");
    if reading == Reading::Odoos && method.is_odoos() {
        let is_known = |argument: &&String| method.arguments.contains(&argument.as_str());
        if let Some(unknown) = kwargs.keys().find(|argument| !is_known(argument)) {
            return Err(OdooError::user(format!(
                "{name} got an unexpected keyword argument '{}'",
                shorten(unknown)
            )));
        }
        let is_absent = |argument: &&&str| method.needs(argument) && !kwargs.contains_key(**argument);
        if let Some(absent) = method.arguments.iter().find(is_absent) {
            return Err(OdooError::user(format!(
                "{name} is missing a required argument: '{absent}'"
            )));
        }
    }
    kwargs.retain(|argument, value| {
        let is_absent = match argument.as_str() {
            // For the other methods of Odoo, `false` is the domain that lets nothing through.
            "domain" => value.is_null() || (*value == Value::Bool(false) && method.name == "search_read"),
            argument => {
                matches!(value, Value::Null | Value::Bool(false)) && ABSENT_IF_FALSE.contains(&argument)
            }
        };
        !is_absent
    });
    // One id is a list of one, as `browse` has it.
    if let Some(ids @ Value::Number(_)) = kwargs.get_mut("ids") {
        *ids = Value::Array(vec![ids.take()]);
    }
    Ok(kwargs)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::web::table;

    fn read(args: Value, kwargs: Value) -> Result<Value, String> {
        let method = table::find("outlook.bridge.account", "search_read").unwrap();
        let args = args.as_array().unwrap().clone();
        named(method, args, kwargs.as_object().unwrap().clone(), Reading::Odoos)
            .map(Value::Object)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn positional_arguments_get_the_names_of_odoos_methods() {
        let found = read(
            json!([[["state", "=", "active"]], ["login"]]),
            json!({"limit": 3, "context": {"lang": "fr_FR"}}),
        );
        assert_eq!(
            found,
            Ok(json!({"domain": [["state", "=", "active"]], "fields": ["login"], "limit": 3}))
        );
    }

    #[test]
    fn absent_arguments_may_be_false() {
        assert_eq!(
            read(json!([[], false, 0, false, null]), json!({})),
            Ok(json!({"domain": [], "offset": 0}))
        );
    }

    #[test]
    fn what_odoo_would_refuse_is_refused_to_all_but_the_add_on() {
        let all = |reading| {
            let refused = |method: &&Method| {
                let unknown = Map::from_iter([("nonsense".to_owned(), json!(1))]);
                named(method, Vec::new(), unknown, reading).is_err()
            };
            table::all()
                .filter(refused)
                .map(Method::full_name)
                .collect::<Vec<_>>()
        };
        let refused = all(Reading::Odoos);
        for name in [
            "outlook.bridge.account.search",
            "res.users.context_get",
            "ir.model.search",
        ] {
            assert!(refused.contains(&name.to_owned()), "{name}");
        }
        assert!(!refused.contains(&"res.users.stop".to_owned()), "{refused:?}");
        assert_eq!(all(Reading::AddOns), Vec::<String>::new());
        let search = table::find("outlook.bridge.account", "search").unwrap();
        let without = |reading| named(search, Vec::new(), Map::new(), reading);
        assert!(
            without(Reading::Odoos)
                .unwrap_err()
                .to_string()
                .contains("'domain'")
        );
        assert!(without(Reading::AddOns).is_ok());
        let context = Map::from_iter([
            ("domain".to_owned(), json!([])),
            ("context".to_owned(), json!({})),
        ]);
        assert!(named(search, Vec::new(), context, Reading::Odoos).is_ok());
    }

    #[test]
    fn too_many_and_repeated_arguments_are_named() {
        assert!(
            read(json!([[], [], 0, 1, "id", 6]), json!({}))
                .unwrap_err()
                .contains("5 arguments but 6")
        );
        assert!(
            read(json!([[]]), json!({"domain": []}))
                .unwrap_err()
                .contains("'domain'")
        );
        let sync = table::find("calendar.event", "sync").unwrap();
        let error = named(sync, vec![json!({})], Map::new(), Reading::Odoos).unwrap_err();
        assert!(error.to_string().contains("keyword arguments only"));
    }
}

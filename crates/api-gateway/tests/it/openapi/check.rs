//! Whether an answer is one that the document knows.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::house::Answer;

/// Every field of `value` is documented, and every field that must be there is. Refs are followed.
fn assert_fits(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(path) = schema["$ref"].as_str() {
        let target = document
            .pointer(path.trim_start_matches('#'))
            .expect("a ref that leads on");
        return assert_fits(document, target, value, at);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        if !value.is_null() {
            let choice = choices
                .iter()
                .find(|choice| choice["type"] != "null")
                .unwrap();
            assert_fits(document, choice, value, at);
        }
        return;
    }
    assert_type(schema, value, at);
    if let (Some(properties), Some(fields)) = (schema["properties"].as_object(), value.as_object())
    {
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(
                fields.contains_key(required.as_str().unwrap()),
                "{at} lacks {required}"
            );
        }
        for (name, field) in fields {
            let schema = properties
                .get(name)
                .unwrap_or_else(|| panic!("{at}/{name} is not documented"));
            assert_fits(document, schema, field, &format!("{at}/{name}"));
        }
    }
    if let Some(items) = value.as_array() {
        for (index, item) in items.iter().enumerate() {
            assert_fits(document, &schema["items"], item, &format!("{at}/{index}"));
        }
    }
}

fn assert_type(schema: &Value, value: &Value, at: &str) {
    let allowed: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().map(|one| one.as_str().unwrap()).collect(),
        _ => return,
    };
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let fits = allowed.contains(&actual) || (actual == "integer" && allowed.contains(&"number"));
    assert!(fits, "{at} is {actual}, documented as {allowed:?}");
}

pub(super) struct Check<'a> {
    pub(super) document: &'a Value,
    pub(super) seen: BTreeSet<(String, String, u16)>,
}

impl Check<'_> {
    /// The answer is one that the document knows, in status, media type and shape.
    pub(super) fn answer(&mut self, method: &str, route: &str, answer: &Answer) {
        let method = method.to_lowercase();
        let operation = &self.document["paths"][route][&method];
        let documented = &operation["responses"][answer.status.to_string()];
        assert!(
            documented.is_object(),
            "{method} {route} answers {} undocumented",
            answer.status
        );
        self.seen.insert((method, route.to_owned(), answer.status));
        let Some(content) = documented["content"].as_object() else {
            assert!(answer.body.is_empty(), "{route}");
            return;
        };
        let media = answer.header("content-type").unwrap();
        if media == "application/json" || media == "application/problem+json" {
            let documented = content
                .get(media)
                .unwrap_or_else(|| panic!("{route}: {media}"));
            let schema = &documented["schema"];
            assert_fits(self.document, schema, &answer.json(), route);
        }
    }
}

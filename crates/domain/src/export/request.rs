//! A request for an export as it arrives: the right shape, nothing known of its meaning.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fault::{FaultCode, Faults, FieldFault, Pointer, body};

/// The body of `POST /exports`. A field that is null counts as left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportRequest {
    pub dataset: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filters: Option<Map<String, Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<Map<String, Value>>,
    /// Export again although an identical one is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<bool>,
}

impl ExportRequest {
    /// Reads a body, and tells of every field that is unknown or of the wrong shape.
    ///
    /// # Errors
    /// All faults at once, each `invalid_request` with the field's pointer; of more than 100 the first
    /// ones.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Vec<FieldFault>> {
        let whole = Pointer::default();
        let refused =
            |message: String| vec![FieldFault::new(&whole, FaultCode::InvalidRequest, message)];
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| refused(format!("the body is not valid JSON: {error}")))?;
        let Value::Object(fields) = value else {
            return Err(refused("the body must be a JSON object".to_owned()));
        };
        let mut reader = Reader {
            fields,
            faults: Faults::default(),
        };
        let request = Self {
            dataset: reader.take("dataset", "a text").unwrap_or_default(),
            columns: reader.take("columns", "a list of texts"),
            filters: reader.take("filters", "an object"),
            sort: reader.take("sort", "a list of texts"),
            format: reader.take("format", "a text"),
            locale: reader.take("locale", "a text"),
            timezone: reader.take("timezone", "a text"),
            queue: reader.take("queue", "a text"),
            options: reader.take("options", "an object"),
            force: reader.take("force", "true or false"),
        };
        let faults = reader.finish();
        if faults.is_empty() {
            Ok(request)
        } else {
            Err(faults)
        }
    }
}

/// Takes fields out of an object; what is left at the end is unknown.
struct Reader {
    fields: Map<String, Value>,
    faults: Faults,
}

impl Reader {
    fn take<T: DeserializeOwned>(&mut self, name: &str, expected: &str) -> Option<T> {
        let value = self.fields.remove(name).filter(|value| !value.is_null())?;
        match T::deserialize(value) {
            Ok(value) => Some(value),
            Err(_shape) => {
                let message = format!("{name} must be {expected}");
                self.faults.push(FieldFault::new(
                    &body(name),
                    FaultCode::InvalidRequest,
                    message,
                ));
                None
            }
        }
    }

    fn finish(mut self) -> Vec<FieldFault> {
        for name in self.fields.keys() {
            let message = format!("there is no field `{name}`");
            self.faults.push(FieldFault::new(
                &body(name),
                FaultCode::InvalidRequest,
                message,
            ));
        }
        self.faults.told()
    }
}

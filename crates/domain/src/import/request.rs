//! A request for an import: a dataset's name and options, checked once, at the border.

use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::options;
use crate::export::{Faults, Pointer, body};
use crate::{Catalog, Dataset, ExportDefaults, FaultCode, FieldFault, ImportSpec, Upload};

/// The fields of `POST /imports` beside the file.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportRequest {
    dataset: String,
    options: Map<String, Value>,
}

impl ImportRequest {
    /// Reads the fields `dataset` and `options` (a JSON object) of the form. An option that is null
    /// counts as left out.
    ///
    /// # Errors
    /// `invalid_request` at `/options` when they are no JSON object.
    pub fn read(dataset: &str, options: Option<&[u8]>) -> Result<Self, Vec<FieldFault>> {
        let refused = |message: String| {
            let fault = FieldFault::new(&body("options"), FaultCode::InvalidRequest, message);
            vec![fault]
        };
        let options = match options.filter(|bytes| !bytes.trim_ascii().is_empty()) {
            None => Map::new(),
            Some(bytes) => match serde_json::from_slice(bytes) {
                Ok(Value::Object(options)) => options,
                Ok(Value::Null) => Map::new(),
                Ok(_) => return Err(refused("options must be a JSON object".to_owned())),
                Err(error) => return Err(refused(format!("options are no valid JSON: {error}"))),
            },
        };
        Ok(Self {
            dataset: dataset.to_owned(),
            options,
        })
    }

    /// The dataset's name.
    #[must_use]
    pub fn dataset(&self) -> &str {
        &self.dataset
    }

    /// The options as they were given.
    #[must_use]
    pub fn options(&self) -> &Map<String, Value> {
        &self.options
    }

    /// Checks the request against its dataset. Who may import is not looked at, and the file neither:
    /// it may be put into the spec afterwards.
    ///
    /// # Errors
    /// All faults at once, each with its pointer (`/dataset`, `/options/mode`); of more than 100 the
    /// first ones.
    pub fn check(
        &self,
        catalog: &Catalog,
        defaults: &ExportDefaults,
        upload: Upload,
        sees_sensitive: bool,
    ) -> Result<ImportSpec, Vec<FieldFault>> {
        let dataset = self.find(catalog)?;
        let mut faults = Faults::default();
        let options = options::read(dataset, &self.options, &mut faults);
        let mut texts = Texts {
            options: &self.options,
            faults: &mut faults,
        };
        let locale = texts.locale(dataset, defaults);
        let timezone = texts.timezone(defaults);
        let queue = texts.queue(dataset);
        if !faults.is_empty() {
            return Err(faults.told());
        }
        Ok(ImportSpec {
            dataset: dataset.name.clone(),
            dataset_version: dataset.version.clone(),
            upload,
            locale,
            timezone,
            queue,
            sees_sensitive,
            options,
        })
    }

    fn find<'c>(&self, catalog: &'c Catalog) -> Result<&'c Dataset, Vec<FieldFault>> {
        let refused = |code, message: &str| vec![FieldFault::new(&body("dataset"), code, message)];
        if self.dataset.is_empty() {
            let message = "dataset names the dataset to import into";
            return Err(refused(FaultCode::InvalidRequest, message));
        }
        let found = catalog.get(&self.dataset);
        let dataset =
            found.ok_or_else(|| refused(FaultCode::DatasetNotFound, "there is no such dataset"))?;
        if dataset.import_modes.is_empty() {
            let message = "the dataset cannot be imported";
            return Err(refused(FaultCode::InvalidRequest, message));
        }
        Ok(dataset)
    }
}

/// The options that are about the request as a whole.
struct Texts<'a> {
    options: &'a Map<String, Value>,
    faults: &'a mut Faults,
}

impl<'a> Texts<'a> {
    fn locale(&mut self, dataset: &Dataset, defaults: &ExportDefaults) -> String {
        let Some(wanted) = self.get("locale") else {
            return defaults.locale.clone();
        };
        if !dataset.label.speaks(wanted) {
            let message = "the dataset has no labels in this language";
            self.refuse("locale", FaultCode::InvalidRequest, message);
        }
        wanted.to_owned()
    }

    fn timezone(&mut self, defaults: &ExportDefaults) -> Tz {
        let Some(wanted) = self.get("timezone") else {
            return defaults.timezone;
        };
        wanted.parse().unwrap_or_else(|_unknown| {
            let message = "timezone is an IANA name such as Asia/Shanghai";
            self.refuse("timezone", FaultCode::InvalidRequest, message);
            defaults.timezone
        })
    }

    fn queue(&mut self, dataset: &Dataset) -> String {
        let wanted = self.get("queue").unwrap_or(dataset.default_queue());
        if !dataset.queues.iter().any(|queue| queue == wanted) {
            let message = format!("{} has no such queue", dataset.name);
            self.refuse("queue", FaultCode::UnknownQueue, &message);
        }
        wanted.to_owned()
    }

    fn get(&mut self, name: &str) -> Option<&'a str> {
        let value = self.options.get(name).filter(|value| !value.is_null())?;
        if value.as_str().is_none() {
            let message = format!("{name} must be a text");
            self.refuse(name, FaultCode::InvalidRequest, &message);
        }
        value.as_str()
    }

    fn refuse(&mut self, name: &str, code: FaultCode, message: &str) {
        let at: Pointer = body("options").field(name);
        self.faults.push(FieldFault::new(&at, code, message));
    }
}

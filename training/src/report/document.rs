//! One or several models' reports with what follows from all of them: the body of `report.json`.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::report::Report;
use crate::verdict::Word;

/// The version of `report.json`: it changes when a field goes or changes its meaning.
const SCHEMA_VERSION: u32 = 1;

/// Reports on models, in the order they were asked for. Serialised, it is `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Document<'a> {
    /// The version of this form.
    pub schema_version: u32,
    /// The worst verdict of all: `unusable` before `not enough data` before `usable`; null where nothing was judged.
    pub verdict: Option<Word>,
    /// 0 usable (or not judged), 1 unusable, 2 could not judge.
    pub exit_code: u8,
    /// A report for each model.
    pub reports: Vec<Report<'a>>,
}

impl<'a> Document<'a> {
    /// A document of reports.
    pub fn new(reports: Vec<Report<'a>>) -> Document<'a> {
        let words = || reports.iter().filter_map(|r| Some(r.evaluation?.verdict.verdict));
        let verdict = [Word::Unusable, Word::NotEnoughData, Word::Usable]
            .into_iter()
            .find(|word| words().any(|w| w == *word));
        Document {
            schema_version: SCHEMA_VERSION,
            verdict,
            exit_code: verdict.map_or(0, Word::exit_code),
            reports,
        }
    }

    /// The JSON schema of a document (draft 2020-12), ending in a line end. Every number may be null: there is none, as of
    /// the error rate where nobody is predicted positive.
    pub fn schema() -> String {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let settings = settings.with_transform(RecursiveTransform(number_or_null));
        let schema = settings.into_generator().into_root_schema_for::<Document<'_>>();
        serde_json::to_string_pretty(&schema).expect("a schema has a JSON form") + "\n"
    }

    /// The document as JSON, ending in a line end.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a document has a JSON form") + "\n"
    }
}

/// JSON has no NaN.
fn number_or_null(schema: &mut Schema) {
    if schema.get("type").is_some_and(|kind| kind == "number") {
        schema.insert("type".to_owned(), serde_json::json!(["number", "null"]));
    }
}

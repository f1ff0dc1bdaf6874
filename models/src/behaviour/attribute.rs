//! What is told of a customer besides events: attributes (age, city, sign-up), their columns and
//! what they mean. Holds no values; who knew what and when is the business of who makes the rows.

use serde::{Deserialize, Serialize};

use crate::behaviour::DAY_MS;

/// What the values of an attribute are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeKind {
    /// Numbers; true and false are 1 and 0.
    Number,
    /// Texts, each a level.
    Category,
    /// Dates or instants, told as days before the cutoff: of a sign-up that is the tenure.
    Date,
}

/// An attribute of customers. Its cell at a cutoff is the value that was known last before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attribute {
    /// Its name in the user's tables and in requests.
    pub name: String,
    /// What its values are.
    pub kind: AttributeKind,
}

impl AttributeKind {
    /// The word for it in messages and files.
    pub fn word(self) -> &'static str {
        match self {
            AttributeKind::Number => "number",
            AttributeKind::Category => "category",
            AttributeKind::Date => "date",
        }
    }
}

impl Attribute {
    /// The name of its column: `attribute(age)`, or `days_since(sign_up)` for a date.
    pub fn column(&self) -> String {
        match self.kind {
            AttributeKind::Number | AttributeKind::Category => format!("attribute({})", self.name),
            AttributeKind::Date => format!("days_since({})", self.name),
        }
    }

    /// What the column is, in a sentence with its unit and what it is where there is nothing to tell.
    pub fn explain(&self) -> String {
        let name = &self.name;
        let (sentence, unit) = match self.kind {
            AttributeKind::Number => {
                (format!("The customer's {name}, as last known before the cutoff"), "as given")
            }
            AttributeKind::Category => {
                (format!("The customer's {name}, as last known before the cutoff"), "a category")
            }
            AttributeKind::Date => (
                format!("Days from {name}, as last known before the cutoff, to the cutoff"),
                "days of 24 hours, negative where the date lies ahead",
            ),
        };
        format!("{sentence} [{unit}; missing where it was not known by then]")
    }
}

/// The cell of a date: days of 24 hours from an instant to the cutoff, both in milliseconds;
/// negative where the instant is later.
pub fn days_before(cutoff: i64, instant: i64) -> f64 {
    cutoff.saturating_sub(instant) as f64 / DAY_MS as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::behaviour::{Duplicates, Feature, FeatureSpec, Metric, Selector, Window};

    fn attribute(name: &str, kind: AttributeKind) -> Attribute {
        Attribute { name: name.to_owned(), kind }
    }

    fn spec(attributes: Vec<Attribute>) -> FeatureSpec {
        FeatureSpec {
            timezone: "UTC".to_owned(),
            kinds: Vec::new(),
            channels: Vec::new(),
            groups: Vec::new(),
            measures: vec!["amount".to_owned()],
            windows: vec![Window::All],
            duplicates: Duplicates::Keep,
            features: vec![Feature::new(Metric::Count, Selector::default(), Window::All)],
            attributes,
        }
    }

    #[test]
    fn columns_say_what_they_are() {
        use AttributeKind::{Category, Date, Number};
        let list = [("age", Number), ("city", Category), ("sign_up", Date)];
        let spec = spec(list.map(|(name, kind)| attribute(name, kind)).to_vec());
        spec.validate().unwrap();
        let columns =
            ["count(any, all)", "attribute(age)", "attribute(city)", "days_since(sign_up)"];
        assert_eq!(spec.columns(), columns);
        assert_eq!(spec.select(&[3, 0, 1]).columns(), [columns[0], columns[3], columns[1]]);
        assert_eq!(
            spec.attributes[2].explain(),
            "Days from sign_up, as last known before the cutoff, to the cutoff [days of 24 hours, \
             negative where the date lies ahead; missing where it was not known by then]"
        );
        assert_eq!(days_before(3 * DAY_MS, DAY_MS / 2), 2.5);
        assert_eq!(days_before(0, DAY_MS), -1.0);
    }

    #[test]
    fn a_spec_without_attributes_is_written_as_it_was() {
        let plain = spec(Vec::new());
        let json = serde_json::to_string(&plain).unwrap();
        assert!(!json.contains("attributes"), "{json}");
        assert_eq!(serde_json::from_str::<FeatureSpec>(&json).unwrap(), plain);
        let told = spec(vec![attribute("age", AttributeKind::Number)]);
        assert_ne!(told.fingerprint(), plain.fingerprint());
        let json = serde_json::to_string(&told).unwrap();
        assert!(json.ends_with(r#""attributes":[{"name":"age","kind":"number"}]}"#), "{json}");
        assert_eq!(serde_json::from_str::<FeatureSpec>(&json).unwrap(), told);
    }

    #[test]
    fn names_are_there_and_differ() {
        let error =
            |attributes: Vec<Attribute>| spec(attributes).validate().unwrap_err().to_string();
        let age = || attribute("age", AttributeKind::Number);
        let twice = error(vec![age(), attribute("age", AttributeKind::Category)]);
        assert!(twice.contains("two columns of this name"), "{twice}");
        assert!(error(vec![attribute(" ", AttributeKind::Date)]).contains("without a name"));
    }
}

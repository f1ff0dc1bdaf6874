//! One customer's events and attributes from a request's body to a model's row, by the kernel that made
//! the training rows. Knows no HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rekindle_models::Error;
use rekindle_models::behaviour::{
    AttributeKind, Dictionaries, Dictionary, Duplicates, Events, FeatureSpec, History, Kernel,
    NONE, Timeline, Zone, days_before, product_key,
};
use rekindle_models::frame::{Rows, Schema, nearest_name};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::customers::{Customers, History as Told, Warnings};
use crate::error::ApiError;
use crate::fields::{Missing, Role};
use crate::payload::place_told;
use crate::values::{Cell, Value, cell, customer_id, shorten};

/// Makes a model's features from events.
pub struct FromEvents {
    spec: FeatureSpec,
    kernel: Kernel,
    zone: Zone,
    names: Dictionaries,
    /// What becomes of the values of each attribute.
    roles: Vec<Role>,
    missing: Missing,
}

/// A request's body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow)]
    customer_id: Option<Value<'a>>,
    cutoff: String,
    events: Vec<Event>,
    /// As known at the cutoff.
    #[serde(borrow, default)]
    attributes: Attributes<'a>,
}

/// Names and values, in the order of the body.
#[derive(Debug, Default)]
struct Attributes<'a>(Vec<(String, Value<'a>)>);

/// One event, in the words of a project's sources.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    time: String,
    kind: String,
    amount: Option<f64>,
    product: Option<String>,
    product_group: Option<String>,
    channel: Option<String>,
    received_at: Option<String>,
    /// Measures besides the amount.
    #[serde(default)]
    measures: BTreeMap<String, f64>,
}

impl Body<'_> {
    fn check_texts(&self, most: usize) -> Result<(), ApiError> {
        let short = |field: &dyn fmt::Display, text: &str| match text.len() > most {
            false => Ok(()),
            true => {
                let found = text.len();
                Err(invalid(format!(
                    "{field}: found a text of {found} bytes, expected at most {most}"
                )))
            }
        };
        if let Some(Value::Text(id)) = &self.customer_id {
            short(&"customer_id", id)?;
        }
        short(&"cutoff", &self.cutoff)?;
        for (place, event) in self.events.iter().enumerate() {
            for (name, text) in event.texts() {
                short(&format_args!("events[{place}].{name}"), text)?;
            }
        }
        for (name, value) in &self.attributes.0 {
            short(&"a name of attributes", name)?;
            if let Value::Text(text) = value {
                short(&format_args!("attributes.{name}"), text)?;
            }
        }
        Ok(())
    }
}

impl Event {
    /// Its texts, each with its field; the names of measures are told as `measures`.
    fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let optional = [
            ("product", &self.product),
            ("product_group", &self.product_group),
            ("channel", &self.channel),
            ("received_at", &self.received_at),
        ];
        let given = optional.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)));
        let measures = self.measures.keys().map(|name| ("measures", name.as_str()));
        [("time", self.time.as_str()), ("kind", &self.kind)]
            .into_iter()
            .chain(given)
            .chain(measures)
    }
}

impl FromEvents {
    /// `schema` is that of the model's rows and `markers` the cells that were missing in its table.
    ///
    /// # Errors
    /// When the spec is malformed, or does not make the columns of `schema`.
    pub fn new(
        spec: FeatureSpec,
        schema: &Schema,
        markers: &[String],
    ) -> rekindle_models::Result<FromEvents> {
        let (kernel, zone) = (Kernel::new(&spec)?, Zone::named(&spec.timezone)?);
        let columns = spec.columns();
        if !schema.fields().iter().map(|f| &f.name).eq(&columns) {
            return Err(Error::MalformedFrame {
                reason: format!(
                    "the model has {} features, its feature spec makes {} columns, or others; \
                     expected the same; fit the model again",
                    schema.len(),
                    columns.len()
                ),
            });
        }
        let roles = schema.fields()[spec.features.len()..].iter().map(|f| Role::of(&f.kind));
        let (roles, names) = (roles.collect(), spec.dictionaries());
        Ok(FromEvents { spec, kernel, zone, names, roles, missing: Missing::new(markers) })
    }

    /// Reads a body and makes the features. The order of the events does not matter; no text may be longer than
    /// `text_bytes`.
    ///
    /// # Errors
    /// When the body is not JSON, or an event or attribute cannot be read: which, what was found, what was
    /// expected.
    pub fn read(&self, body: &[u8], text_bytes: usize) -> Result<Customers, ApiError> {
        let body: Body<'_> = serde_json::from_slice(body).map_err(|error| unread(body, &error))?;
        body.check_texts(text_bytes)?;
        let id = body.customer_id.as_ref().map_or(Ok(None), |id| {
            let bad = |expected| invalid(format!("customer_id: found {id}, expected {expected}"));
            customer_id(id).map_err(bad)
        })?;
        let cutoff = self.instant("cutoff", &body.cutoff)?;
        let events = self.events(&body.events)?;
        let mut kept = Events::default();
        let history = Timeline::new(&events, 0..events.len()).history(cutoff, &mut kept);
        let (rows, levels) = self.row(&history, &body.attributes)?;
        let unknown_kinds = self.unknown_kinds(&body.events);
        Ok(Customers {
            rows,
            ids: vec![id],
            unknown_fields: 0,
            unknown_levels: levels.len() as u64,
            warnings: Warnings::of_events(levels, unknown_kinds, history.events().is_empty()),
            history: Some(Told {
                cutoff: body.cutoff,
                events: body.events.len(),
                counted: history.events().len(),
            }),
        })
    }

    /// The kinds of events that the model does not know although one of them is near, each with that. Others
    /// may have been too rare to learn from.
    fn unknown_kinds(&self, list: &[Event]) -> Vec<(String, String)> {
        let known = || self.spec.kinds.iter().map(String::as_str);
        let kinds: BTreeSet<&str> = list.iter().map(|event| event.kind.as_str()).collect();
        let unknown = kinds.into_iter().filter(|kind| known().all(|name| name != *kind));
        unknown.filter_map(|kind| Some((kind.to_owned(), nearest_name(kind, known())?))).collect()
    }

    /// The events in their order.
    fn events(&self, list: &[Event]) -> Result<Events, ApiError> {
        let mut arrived =
            Events { measures: vec![Vec::new(); self.spec.measures.len()], ..Events::default() };
        if self.spec.duplicates == Duplicates::Keep {
            for (place, event) in list.iter().enumerate() {
                self.push(place, event, &self.names, &mut arrived)?;
            }
            return Ok(ordered(&arrived, Duplicates::Keep));
        }
        // What is equal is told by all names, the order by those of the model.
        let met = names_of(list)?;
        for (place, event) in list.iter().enumerate() {
            self.push(place, event, &met, &mut arrived)?;
        }
        let mut events = ordered(&arrived, self.spec.duplicates);
        met.recoding(&self.names).apply(&mut events);
        Ok(ordered(&events, Duplicates::Keep))
    }

    /// The model's row, and the levels in it that the model does not know, by attribute.
    fn row(
        &self,
        history: &History<'_>,
        given: &Attributes<'_>,
    ) -> Result<(Rows, Vec<(String, String)>), ApiError> {
        let mut rows = Rows::new(self.kernel.width() + self.roles.len());
        let (features, attributes) = rows.push_missing().split_at_mut(self.kernel.width());
        self.kernel.fill(history, &mut self.kernel.scratch(), features);
        // The table's reader did the same.
        features.iter_mut().filter(|f| self.missing.number(**f)).for_each(|f| *f = f64::NAN);
        let mut levels = Vec::new();
        let mut met = vec![false; self.roles.len()];
        for (name, value) in &given.0 {
            let place = self.place(name)?;
            if std::mem::replace(&mut met[place], true) {
                return Err(invalid(format!(
                    "attributes.{name}: found the key twice, expected once"
                )));
            }
            let cell = self.cell(place, value, history.cutoff());
            attributes[place] = cell.number();
            match cell {
                Cell::Known(_) => {}
                Cell::UnknownLevel(level) => levels.push((name.clone(), level)),
                Cell::Wrong(expected) => {
                    return Err(invalid(format!(
                        "attributes.{name}: found {value}, expected {expected}"
                    )));
                }
            }
        }
        Ok((rows, levels))
    }

    /// The place of an attribute among those of the model.
    fn place(&self, name: &str) -> Result<usize, ApiError> {
        let known = || self.spec.attributes.iter().map(|a| a.name.as_str());
        known().position(|n| n == name).ok_or_else(|| {
            let list: Vec<&str> = known().collect();
            let expected = match nearest_name(name, known()) {
                _ if list.is_empty() => "none: the model knows no attributes".to_owned(),
                Some(near) => format!("one of {}; did you mean {near:?}?", list.join(", ")),
                None => format!("one of {}", list.join(", ")),
            };
            invalid(format!("attributes: found {:?}, expected {expected}", shorten(name)))
        })
    }

    /// What a value of an attribute means at a cutoff, as in the snapshots that the model learned from.
    fn cell(&self, place: usize, value: &Value<'_>, cutoff: i64) -> Cell {
        let trimmed = match value {
            Value::Text(text) => &Value::Text(text.trim().into()),
            other => other,
        };
        let as_date = || "a date or a time, as \"2024-02-03\", or null".to_owned();
        match (self.spec.attributes[place].kind, trimmed) {
            (AttributeKind::Number, Value::Bool(truth)) => Cell::Known(f64::from(u8::from(*truth))),
            (AttributeKind::Number | AttributeKind::Category, value) => {
                cell(value, &self.roles[place], &self.missing)
            }
            (AttributeKind::Date, Value::Null) => Cell::Known(f64::NAN),
            (AttributeKind::Date, Value::Text(text)) if self.missing.text(text) => {
                Cell::Known(f64::NAN)
            }
            (AttributeKind::Date, Value::Text(text)) => match self.zone.parse(text) {
                None => Cell::Wrong(as_date()),
                Some(instant) => match days_before(cutoff, instant) {
                    days if self.missing.number(days) => Cell::Known(f64::NAN),
                    days => Cell::Known(days),
                },
            },
            (AttributeKind::Date, _) => Cell::Wrong(as_date()),
        }
    }

    fn push(
        &self,
        place: usize,
        event: &Event,
        names: &Dictionaries,
        events: &mut Events,
    ) -> Result<(), ApiError> {
        let time = self.instant(&format!("events[{place}].time"), &event.time)?;
        let received = match &event.received_at {
            Some(text) => self.instant(&format!("events[{place}].received_at"), text)?,
            None => time,
        };
        let code = |names: &rekindle_models::behaviour::Dictionary, name: &Option<String>| {
            name.as_ref().map_or(NONE, |name| names.code(name))
        };
        events.times.push(time);
        events.received.push(received);
        events.kinds.push(names.kinds.code(&event.kind));
        events.channels.push(code(&names.channels, &event.channel));
        events.groups.push(code(&names.groups, &event.product_group));
        events.products.push(event.product.as_deref().map_or(0, product_key));
        events.measures[0].push(event.amount.unwrap_or(f64::NAN));
        for (name, column) in self.spec.measures.iter().zip(&mut events.measures).skip(1) {
            column.push(event.measures.get(name).copied().unwrap_or(f64::NAN));
        }
        let unknown = event.measures.keys().find(|name| !self.spec.measures[1..].contains(name));
        match unknown {
            None => Ok(()),
            Some(name) => Err(invalid(format!(
                "events[{place}].measures: found {name:?}, expected {}",
                match &self.spec.measures[1..] {
                    [] => "none: the model knows the amount only".to_owned(),
                    known => known.join(", "),
                }
            ))),
        }
    }

    fn instant(&self, field: &str, text: &str) -> Result<i64, ApiError> {
        self.zone.parse(text).ok_or_else(|| {
            invalid(format!(
                "{field}: found {:?}, expected a date or a time, as \"2024-06-01T12:00:00Z\"",
                shorten(text)
            ))
        })
    }
}

/// Events in their order.
fn ordered(arrived: &Events, duplicates: Duplicates) -> Events {
    let mut order = Vec::with_capacity(arrived.len());
    arrived.order(duplicates, &mut order);
    let mut events = Events::default();
    order.iter().for_each(|&place| events.push_from(arrived, place as usize));
    events
}

/// All names in a request.
fn names_of(list: &[Event]) -> Result<Dictionaries, ApiError> {
    let names = |what: &str, of: &dyn Fn(&Event) -> Option<String>| {
        Dictionary::of(list.iter().filter_map(of).collect()).ok_or_else(|| {
            invalid(format!("events: found over 65,000 different {what}, expected fewer"))
        })
    };
    Ok(Dictionaries {
        kinds: names("kinds", &|event| Some(event.kind.clone()))?,
        channels: names("channels", &|event| event.channel.clone())?,
        groups: names("product groups", &|event| event.product_group.clone())?,
    })
}

impl<'de: 'a, 'a> Deserialize<'de> for Attributes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Attributes<'a>, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

/// Keeps every key, one that stands twice too.
struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Attributes<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of named attributes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Attributes<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = object.next_entry()? {
            entries.push(entry);
        }
        Ok(Attributes(entries))
    }
}

/// What is wrong with a body: of JSON that is no customer's events, the place in it too.
fn unread(body: &[u8], error: &serde_json::Error) -> ApiError {
    let told = place_told::<Body<'_>>(body, error);
    told.map_or_else(
        |other| other,
        |(line, column, reason)| ApiError::InvalidEvents { line, column, reason },
    )
}

fn invalid(reason: String) -> ApiError {
    ApiError::InvalidEvents { line: 0, column: 0, reason }
}

#[cfg(test)]
mod tests {
    use rekindle_models::behaviour::{Feature, Metric, Selector, Window};
    use rekindle_models::frame::{Field, Kind};

    use super::*;

    #[test]
    fn events_of_names_that_the_model_does_not_know_are_no_duplicates_of_each_other() {
        let count = Feature::new(Metric::Count, Selector::default(), Window::All);
        let spec = FeatureSpec {
            timezone: "UTC".to_owned(),
            kinds: vec!["visit".to_owned()],
            channels: Vec::new(),
            groups: Vec::new(),
            measures: vec!["amount".to_owned()],
            windows: FeatureSpec::windows_of(std::slice::from_ref(&count)),
            duplicates: Duplicates::Drop,
            features: vec![count],
            attributes: Vec::new(),
        };
        let field = Field { name: spec.columns()[0].clone(), kind: Kind::Numeric };
        let schema = Schema::new(vec![field]).unwrap();
        let from = FromEvents::new(spec, &schema, &[]).unwrap();
        let event = |kind: &str| format!(r#"{{"time": "2024-01-10", "kind": "{kind}"}}"#);
        let events = ["wish", "visit", "help", "zoom", "wish", "visit"].map(event).join(", ");
        let body = format!(r#"{{"cutoff": "2024-02-01", "events": [{events}]}}"#);
        let told = from.read(body.as_bytes(), 1_000).unwrap();
        let history = told.history.unwrap();
        assert_eq!((history.events, history.counted), (6, 4));
        assert_eq!(told.rows.row(0), [4.0]);
    }
}

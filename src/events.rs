//! One customer's events from a request's body to a model's row, by the kernel that made the training
//! rows. Knows no HTTP.

use std::collections::BTreeMap;

use rekindle_models::behaviour::{
    Dictionaries, Events, FeatureSpec, Kernel, NONE, Timeline, Zone, product_key,
};
use rekindle_models::frame::Rows;
use serde::Deserialize;

use crate::error::ApiError;
use crate::payload::malformed;
use crate::values::CustomerId;

/// Makes a model's features from events.
pub struct FromEvents {
    spec: FeatureSpec,
    kernel: Kernel,
    zone: Zone,
    names: Dictionaries,
}

/// A request's body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    customer_id: Option<CustomerId>,
    cutoff: String,
    events: Vec<Event>,
}

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

/// A customer's features at a cutoff.
#[derive(Debug)]
pub struct Told {
    /// One row, in the order of the model's features.
    pub rows: Rows,
    /// How the customer is named in the reply.
    pub id: Option<CustomerId>,
    /// The cutoff as in the request.
    pub cutoff: String,
    /// Events sent.
    pub events: usize,
    /// Events that count: before the cutoff, and received before it.
    pub counted: usize,
}

impl FromEvents {
    /// # Errors
    /// When the spec is malformed.
    pub fn new(spec: FeatureSpec) -> rekindle_models::Result<FromEvents> {
        let (kernel, zone) = (Kernel::new(&spec)?, Zone::named(&spec.timezone)?);
        let names = spec.dictionaries();
        Ok(FromEvents { spec, kernel, zone, names })
    }

    /// Reads a body and makes the features. The order of the events does not matter.
    ///
    /// # Errors
    /// When the body is not JSON, or an event cannot be read: which, what was found, what was expected.
    pub fn read(&self, body: &[u8]) -> Result<Told, ApiError> {
        let body: Body = serde_json::from_slice(body).map_err(|error| match malformed(&error) {
            ApiError::MalformedJson { line, column, reason } if error.is_data() => {
                ApiError::InvalidEvents { line, column, reason }
            }
            other => other,
        })?;
        let cutoff = self.instant("cutoff", &body.cutoff)?;
        let mut arrived =
            Events { measures: vec![Vec::new(); self.spec.measures.len()], ..Events::default() };
        for (place, event) in body.events.iter().enumerate() {
            self.push(place, event, &mut arrived)?;
        }
        let mut order = Vec::with_capacity(arrived.len());
        arrived.order(self.spec.duplicates, &mut order);
        let mut events = Events::default();
        order.iter().for_each(|&place| events.push_from(&arrived, place as usize));
        let mut kept = Events::default();
        let history = Timeline::new(&events, 0..events.len()).history(cutoff, &mut kept);
        let counted = history.events().len();
        let mut rows = Rows::new(self.kernel.width());
        self.kernel.fill(&history, &mut self.kernel.scratch(), rows.push_missing());
        Ok(Told {
            rows,
            id: body.customer_id,
            cutoff: body.cutoff,
            events: body.events.len(),
            counted,
        })
    }

    fn push(&self, place: usize, event: &Event, events: &mut Events) -> Result<(), ApiError> {
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
        events.kinds.push(self.names.kinds.code(&event.kind));
        events.channels.push(code(&self.names.channels, &event.channel));
        events.groups.push(code(&self.names.groups, &event.product_group));
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
                crate::values::shorten(text)
            ))
        })
    }
}

fn invalid(reason: String) -> ApiError {
    ApiError::InvalidEvents { line: 0, column: 0, reason }
}

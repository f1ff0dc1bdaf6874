//! Customers as a table in JSON, in the forms that MLflow's scoring servers take: `dataframe_split`,
//! `dataframe_records`, `instances` and `inputs`. Straight into a model's rows.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::customers::{Column, Customers, Gathering, Heading, Limits};
use crate::error::ApiError;
use crate::fields::Fields;
use crate::payload::{CellSeed, Many, One, finish, is_too_many, malformed, no_more, without_nan};
use crate::values::shorten;

/// The names of the forms.
const FORMS: [&str; 4] = ["dataframe_split", "dataframe_records", "instances", "inputs"];

/// Reads an object with exactly one of [`FORMS`], and `params`, which nobody asks for.
///
/// # Errors
/// When the body is not JSON, is no such object, has too many customers, or has cells that the model cannot read.
pub fn parse(body: &[u8], fields: &Fields, limits: Limits) -> Result<Customers, ApiError> {
    let read_so = read(body, fields, limits);
    if !matches!(read_so, Err(ApiError::MalformedJson { .. })) {
        return read_so;
    }
    // MLflow's own client writes missing cells as a number that JSON does not know.
    without_nan(body).map_or(read_so, |body| read(&body, fields, limits))
}

fn read(body: &[u8], fields: &Fields, limits: Limits) -> Result<Customers, ApiError> {
    let mut table = Table { gathering: Gathering::new(fields, limits), form: None, fault: None };
    let mut json = serde_json::Deserializer::from_slice(body);
    let parsed = json.deserialize_map(&mut table).and_then(|()| json.end());
    if let Some(fault) = table.fault {
        return Err(fault);
    }
    match parsed {
        // A body that is JSON, but no object.
        Err(error) if error.is_data() && table.form.is_none() => {
            Err(ApiError::InvalidTable { reason: one_form("no object") })
        }
        Ok(()) if table.form.is_none() => {
            Err(ApiError::InvalidTable { reason: one_form("none of them") })
        }
        Err(error) if error.is_data() && !is_too_many(&error) => {
            Err(ApiError::InvalidTable { reason: error.to_string() })
        }
        parsed => finish(table.gathering, parsed),
    }
}

fn one_form(found: &str) -> String {
    format!("{found}, expected an object with exactly one of {}", FORMS.join(", "))
}

/// The table that is being read.
struct Table<'m> {
    gathering: Gathering<'m>,
    /// The form that was met.
    form: Option<String>,
    /// What is wrong with the table, where it is JSON.
    fault: Option<ApiError>,
}

impl Table<'_> {
    /// Stops the parser; the fault tells more than its error.
    fn stop<T, E: Error>(&mut self, fault: ApiError) -> Result<T, E> {
        self.fault = Some(fault);
        Err(E::custom("a table that cannot be read"))
    }

    fn invalid<T, E: Error>(&mut self, reason: String) -> Result<T, E> {
        self.stop(ApiError::InvalidTable { reason })
    }
}

impl<'de> Visitor<'de> for &mut Table<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(key) = object.next_key::<Cow<'de, str>>()? {
            if key == "params" {
                object.next_value::<IgnoredAny>()?;
                continue;
            }
            if !FORMS.contains(&&*key) {
                return self.invalid(one_form(&format!("{:?}", shorten(&key))));
            }
            if let Some(other) = self.form.replace(key.to_string()) {
                return self.invalid(one_form(&format!("{other} and {key}")));
            }
            match &*key {
                "dataframe_split" => object.next_value_seed(Split(self))?,
                "dataframe_records" => object.next_value_seed(Records(self))?,
                "instances" => object.next_value_seed(Instances(self))?,
                _ => object.next_value_seed(Inputs(self))?,
            }
        }
        Ok(())
    }
}

/// `{"columns": [...], "index": [...], "data": [[...], ...]}`, in any order.
struct Split<'t, 'm>(&'t mut Table<'m>);

impl<'de> DeserializeSeed<'de> for Split<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Split<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dataframe_split as {\"columns\": [...], \"data\": [[...], ...]}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let table = self.0;
        let mut heading = None;
        // Data that comes before its columns waits as text.
        let mut waiting: Option<&'de RawValue> = None;
        let mut met = false;
        while let Some(key) = object.next_key::<Cow<'de, str>>()? {
            match &*key {
                "columns" => {
                    let names: Vec<Cow<'de, str>> = object.next_value::<Names<'de>>()?.0;
                    heading = match table.gathering.heading(&names) {
                        Ok(heading) => Some(heading),
                        Err(fault) => return table.stop(fault),
                    };
                }
                "data" => {
                    met = true;
                    match &heading {
                        Some(heading) => {
                            object.next_value_seed(Rows { table: &mut *table, heading })?;
                        }
                        None => waiting = Some(object.next_value()?),
                    }
                }
                "index" => {
                    object.next_value::<IgnoredAny>()?;
                }
                other => {
                    let found = shorten(other);
                    return table.invalid(format!(
                        "dataframe_split has {found:?}, expected columns, data and index"
                    ));
                }
            }
        }
        let Some(heading) = heading.filter(|_| met) else {
            return table.invalid("dataframe_split lacks columns or data".to_owned());
        };
        let Some(text) = waiting else { return Ok(()) };
        let mut json = serde_json::Deserializer::from_str(text.get());
        match (Rows { table: &mut *table, heading: &heading }).deserialize(&mut json) {
            Ok(()) => Ok(()),
            Err(_) if table.fault.is_some() => Err(A::Error::custom("a table that cannot be read")),
            Err(error) if error.is_data() => Err(A::Error::custom(error)),
            Err(error) => table.stop(malformed(&error)),
        }
    }
}

/// Names that borrow from the body where they can.
struct Names<'de>(Vec<Cow<'de, str>>);

impl<'de> serde::Deserialize<'de> for Names<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Names<'de>, D::Error> {
        #[derive(serde::Deserialize)]
        struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
        let names: Vec<Name<'de>> = serde::Deserialize::deserialize(deserializer)?;
        Ok(Names(names.into_iter().map(|name| name.0).collect()))
    }
}

/// Rows of cells below a heading.
struct Rows<'t, 'm> {
    table: &'t mut Table<'m>,
    heading: &'t Heading<'m>,
}

impl<'de> DeserializeSeed<'de> for Rows<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let gathering = &mut self.table.gathering;
        while !gathering.is_full() {
            if array.next_element_seed(Row { gathering, heading: self.heading })?.is_none() {
                return Ok(());
            }
        }
        no_more(array)
    }
}

/// One row: a customer more.
struct Row<'t, 'm> {
    gathering: &'t mut Gathering<'m>,
    heading: &'t Heading<'m>,
}

impl<'de> DeserializeSeed<'de> for Row<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Row<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row as an array of cells")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let gathering = self.gathering;
        gathering.add();
        let mut cells = 0;
        for column in self.heading.columns() {
            let there = match *column {
                Column::Known(place, role) => {
                    array.next_element_seed(CellSeed { gathering, place, role })?.is_some()
                }
                Column::Unknown => array.next_element::<IgnoredAny>()?.is_some(),
            };
            if !there {
                break;
            }
            cells += 1;
        }
        while array.next_element::<IgnoredAny>()?.is_some() {
            cells += 1;
        }
        let expected = self.heading.columns().len();
        if cells != expected {
            gathering.bad(None, format!("{cells} cells"), format!("{expected}, one a column"));
        }
        Ok(())
    }
}

/// `[{...}, ...]`.
struct Records<'t, 'm>(&'t mut Table<'m>);

impl<'de> DeserializeSeed<'de> for Records<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(Many(&mut self.0.gathering))
    }
}

/// `[{...}, ...]`, or `[[...], ...]` with cells in the order of the model's features.
struct Instances<'t, 'm>(&'t mut Table<'m>);

impl<'de> DeserializeSeed<'de> for Instances<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Instances<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of customers: objects, or arrays in the order of the features")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<(), A::Error> {
        let table = self.0;
        let names = table.gathering.fields().features();
        let names: Vec<Cow<'_, str>> = names.iter().map(|f| Cow::Borrowed(&*f.name)).collect();
        let mut heading = None;
        while !table.gathering.is_full() {
            // What the first is tells what all are.
            let Some(next) = array.next_element::<&'de RawValue>()? else { return Ok(()) };
            let mut json = serde_json::Deserializer::from_str(next.get());
            let read = if next.get().starts_with('[') {
                if heading.is_none() {
                    heading = match table.gathering.heading(&names) {
                        Ok(heading) => Some(heading),
                        Err(fault) => return table.stop(fault),
                    };
                }
                let heading = heading.as_ref().expect("made above");
                Row { gathering: &mut table.gathering, heading }.deserialize(&mut json)
            } else {
                One(&mut table.gathering).deserialize(&mut json)
            };
            read.map_err(A::Error::custom)?;
        }
        no_more(array)
    }
}

/// `{"name": [...], ...}`, a list for each column, or what [`Instances`] takes.
struct Inputs<'t, 'm>(&'t mut Table<'m>);

impl<'de> DeserializeSeed<'de> for Inputs<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Inputs<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of named columns, or an array of customers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, array: A) -> Result<(), A::Error> {
        Instances(self.0).visit_seq(array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let table = self.0;
        let mut names: Vec<Cow<'de, str>> = Vec::new();
        let mut columns: Vec<&'de RawValue> = Vec::new();
        while let Some((name, column)) = object.next_entry::<Cow<'de, str>, &'de RawValue>()? {
            if names.len() > table.gathering.limits().fields {
                break;
            }
            names.push(name);
            columns.push(column);
        }
        let heading = match table.gathering.heading(&names) {
            Ok(heading) => heading,
            Err(fault) => return table.stop(fault),
        };
        for (number, (text, name)) in columns.into_iter().zip(&names).enumerate() {
            let mut json = serde_json::Deserializer::from_str(text.get());
            let (gathering, column) = (&mut table.gathering, heading.columns()[number]);
            let length = Down { gathering, column, grows: number == 0 }.deserialize(&mut json);
            let length = length.map_err(|error| A::Error::custom(format!("{name}: {error}")))?;
            let rows = table.gathering.len();
            if length != rows {
                return table.invalid(format!(
                    "column {:?} has {length} cells, expected {rows}, as the first column has",
                    shorten(name)
                ));
            }
        }
        Ok(())
    }
}

/// A column, cell after cell; its length.
struct Down<'t, 'm> {
    gathering: &'t mut Gathering<'m>,
    column: Column<'m>,
    /// Whether it is the first one, which adds the customers.
    grows: bool,
}

impl<'de> DeserializeSeed<'de> for Down<'_, '_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Down<'_, '_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column as an array of cells")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<usize, A::Error> {
        let Down { gathering, column, grows } = self;
        let mut length = 0;
        loop {
            if grows && gathering.is_full() {
                no_more(array)?;
                return Ok(length);
            }
            let more = match column {
                Column::Known(place, role) if grows || length < gathering.len() => {
                    array.next_element_seed(Next { gathering, length, grows, place, role })?
                }
                Column::Unknown if grows => {
                    let more = array.next_element::<IgnoredAny>()?;
                    if more.is_some() {
                        gathering.add();
                    }
                    more.map(|_| ())
                }
                _ => array.next_element::<IgnoredAny>()?.map(|_| ()),
            };
            if more.is_none() {
                return Ok(length);
            }
            length += 1;
        }
    }
}

/// The next cell of a column.
struct Next<'t, 'm> {
    gathering: &'t mut Gathering<'m>,
    length: usize,
    grows: bool,
    place: usize,
    role: &'m crate::fields::Role,
}

impl<'de> DeserializeSeed<'de> for Next<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.grows {
            true => self.gathering.add(),
            false => self.gathering.seek(self.length),
        }
        let (gathering, place, role) = (self.gathering, self.place, self.role);
        CellSeed { gathering, place, role }.deserialize(deserializer)
    }
}

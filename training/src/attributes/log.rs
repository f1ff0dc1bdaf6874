//! Values as they arrive, in any order, and their ordering into a store. Looks nothing up.

use hashbrown::HashMap;
use rayon::prelude::*;
use rekindle_models::behaviour::{Attribute, AttributeKind, Zone};

use crate::attributes::store::{Attributes, Entry};
use crate::error::{Error, Result};
use crate::ingest::{CustomerId, Register};

/// The time of knowing of a value that never changes and is known of everybody from the start.
pub const ALWAYS: i64 = i64::MIN;

/// A value as it arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AttributeValue<'a> {
    /// A number; one that is not finite says nothing.
    Number(f64),
    /// A text; blanks around it are cut off, and an empty one says nothing.
    Text(&'a str),
}

/// Values of many customers, as they arrive: 24 bytes each, and every text once.
#[derive(Debug, Default)]
pub struct AttributeLog {
    customers: Register,
    names: Codes,
    texts: Codes,
    given: HashMap<String, AttributeKind>,
    entries: Vec<Entry>,
}

/// Texts, each once, with codes in order of arrival.
#[derive(Debug, Default)]
struct Codes(HashMap<Box<str>, u32>);

impl AttributeLog {
    /// Says what an attribute's values are, instead of telling it from them.
    pub fn kind(&mut self, name: &str, kind: AttributeKind) {
        self.given.insert(name.trim().to_owned(), kind);
    }

    /// Adds a value of a customer, known from `known_at` (milliseconds since 1970 UTC, or [`ALWAYS`]):
    /// cutoffs after that see it. A value that says nothing leaves the one before in force.
    ///
    /// # Errors
    /// When the attribute has no name, or there are more than 65,535 attributes or 2^32 customers or texts.
    pub fn add(
        &mut self,
        customer: CustomerId<'_>,
        known_at: i64,
        name: &str,
        value: AttributeValue<'_>,
    ) -> Result<()> {
        let (value, text) = match value {
            AttributeValue::Number(number) if !number.is_finite() => return Ok(()),
            AttributeValue::Number(number) => (number, false),
            AttributeValue::Text(text) => match text.trim() {
                "" => return Ok(()),
                text => (f64::from(self.texts.code(text)?), true),
            },
        };
        let name = name.trim();
        if name.is_empty() {
            return Err(Error::BadOptions(format!(
                "attributes: found one without a name, of customer {customer}; expected a name, as \
                 \"age\""
            )));
        }
        let attribute = u16::try_from(self.names.code(name)?).ok().filter(|a| *a < u16::MAX);
        let attribute = attribute.ok_or_else(|| {
            Error::BadOptions(format!(
                "attributes: more than 65,535 different ones, the last {name:?}; expected few: name \
                 those that are wanted"
            ))
        })?;
        let customer = self.customers.number(customer, customer.hash())?;
        self.entries.push(Entry { known_at, value, customer, attribute, text });
        Ok(())
    }

    /// Puts all values in order. Where no kind was given, an attribute is a number when all its values
    /// are, a date when all are texts that [`Zone::parse`] reads, else a category. Of different values known
    /// at the same time the greatest stays: texts by their bytes, dates by their instants.
    ///
    /// Which attributes there are and of what kind is told by what was known before `before` (milliseconds):
    /// an attribute first told later is left out, and later values of another kind say nothing.
    ///
    /// # Errors
    /// When a value is not of the kind that was given.
    pub fn finish(mut self, zone: &Zone, before: i64) -> Result<Attributes> {
        let given = std::mem::take(&mut self.given);
        let mut names = self.names.by_code();
        let mut listed: Vec<bool> = names.iter().map(|name| given.contains_key(&**name)).collect();
        let known = self.entries.iter().filter(|entry| entry.known_at < before);
        known.for_each(|entry| listed[usize::from(entry.attribute)] = true);
        self.entries.retain(|entry| listed[usize::from(entry.attribute)]);
        let missing = given.keys().filter(|name| !names.iter().any(|n| **n == ***name));
        let missing: Vec<Box<str>> = missing.map(|name| name.as_str().into()).collect();
        names.extend(missing);
        listed.resize(names.len(), true);
        let instants: Vec<Option<i64>> =
            self.texts.by_code().par_iter().map(|text| zone.parse(text)).collect();
        let early: Vec<&Entry> = self.entries.iter().filter(|e| e.known_at < before).collect();
        let kinds = kinds(&names, &given, &early, &instants);
        self.convert(&names, &given, &kinds, &instants)?;
        let texts = self.sort_texts(&kinds);
        let order = self.sort_names(&names, &listed);
        let customers = self.customers.finish();
        let mut ranks = vec![0; customers.len()];
        let mut by_id = Vec::new();
        customers.sorted(&mut by_id);
        by_id.iter().zip(0..).for_each(|(&number, rank)| ranks[number as usize] = rank);
        let mut entries = self.entries;
        entries.iter_mut().for_each(|entry| entry.customer = ranks[entry.customer as usize]);
        entries.par_sort_unstable_by(Entry::compare);
        let mut contradictions = 0;
        entries.dedup_by(|later, earlier| {
            let same = later.same_time(earlier);
            if same {
                contradictions += u64::from(later.value != earlier.value);
                *earlier = *later;
            }
            same
        });
        entries.shrink_to_fit();
        let attribute =
            |place: &usize| Attribute { name: names[*place].to_string(), kind: kinds[*place] };
        let list = order.iter().map(attribute).collect();
        Ok(Attributes { list, texts, customers, by_id, entries, contradictions })
    }

    /// Makes every value what its kind has: numbers, instants in milliseconds, codes of texts. Those that
    /// are not of a kind that was told from others are left out.
    fn convert(
        &mut self,
        names: &[Box<str>],
        given: &HashMap<String, AttributeKind>,
        kinds: &[AttributeKind],
        instants: &[Option<i64>],
    ) -> Result<()> {
        let texts = self.texts.by_code();
        for place in 0..self.entries.len() {
            let entry = self.entries[place];
            let text = entry.text.then(|| &*texts[entry.value as usize]);
            let value = match (kinds[usize::from(entry.attribute)], text) {
                (AttributeKind::Number, None) => Ok(entry.value),
                (AttributeKind::Number, Some(text)) => {
                    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
                    number.ok_or_else(|| (format!("text {text:?}"), "a number"))
                }
                (AttributeKind::Category, Some(_)) => Ok(entry.value),
                (AttributeKind::Category, None) => {
                    Ok(f64::from(self.texts.code(&entry.value.to_string())?))
                }
                (AttributeKind::Date, Some(text)) => instants[entry.value as usize]
                    .map(|instant| instant as f64)
                    .ok_or_else(|| (format!("text {text:?}"), DATE)),
                (AttributeKind::Date, None) => Err((format!("number {}", entry.value), DATE)),
            };
            let name = &names[usize::from(entry.attribute)];
            if value.is_err() && !given.contains_key(&**name) {
                self.entries[place].value = f64::NAN;
                continue;
            }
            self.entries[place].value = value.map_err(|(found, expected)| {
                let id = self.customers.id(entry.customer);
                Error::BadOptions(format!(
                    "attribute {name}: customer {id} has {found}, expected {expected}, as its kind was \
                     given"
                ))
            })?;
        }
        self.entries.retain(|entry| !entry.value.is_nan());
        Ok(())
    }

    /// The texts of categories, sorted; their codes become places in them.
    fn sort_texts(&mut self, kinds: &[AttributeKind]) -> std::sync::Arc<[Box<str>]> {
        let all = std::mem::take(&mut self.texts).by_code();
        let category = |e: &&mut Entry| kinds[usize::from(e.attribute)] == AttributeKind::Category;
        let mut used = vec![false; all.len()];
        self.entries.iter_mut().filter(category).for_each(|e| used[e.value as usize] = true);
        let mut texts: Vec<(Box<str>, usize)> =
            all.into_iter().zip(0..).filter(|(_, code)| used[*code]).collect();
        texts.par_sort_unstable();
        let mut places = vec![0.0; used.len()];
        texts.iter().enumerate().for_each(|(place, (_, code))| places[*code] = place as f64);
        self.entries.iter_mut().filter(category).for_each(|e| e.value = places[e.value as usize]);
        texts.into_iter().map(|(text, _)| text).collect()
    }

    /// The listed attributes in order of name; entries then tell them by their place there.
    fn sort_names(&mut self, names: &[Box<str>], listed: &[bool]) -> Vec<usize> {
        let mut order: Vec<usize> = (0..names.len()).filter(|&place| listed[place]).collect();
        order.sort_unstable_by_key(|&place| &names[place]);
        let mut places = vec![0; names.len()];
        order.iter().zip(0..).for_each(|(&old, new)| places[old] = new);
        self.entries.iter_mut().for_each(|e| e.attribute = places[usize::from(e.attribute)]);
        order
    }
}

const DATE: &str = "a date or a time, as \"2024-02-03\"";

/// The kind of every attribute, as given or told from its values.
fn kinds(
    names: &[Box<str>],
    given: &HashMap<String, AttributeKind>,
    entries: &[&Entry],
    instants: &[Option<i64>],
) -> Vec<AttributeKind> {
    let (mut numbers, mut dates) = (vec![true; names.len()], vec![true; names.len()]);
    for entry in entries {
        let attribute = usize::from(entry.attribute);
        numbers[attribute] &= !entry.text;
        dates[attribute] &= entry.text && instants[entry.value as usize].is_some();
    }
    let kind = |(place, name): (usize, &str)| match given.get(name) {
        Some(kind) => *kind,
        None if numbers[place] => AttributeKind::Number,
        None if dates[place] => AttributeKind::Date,
        None => AttributeKind::Category,
    };
    names.iter().map(|name| &**name).enumerate().map(kind).collect()
}

impl Codes {
    fn code(&mut self, text: &str) -> Result<u32> {
        if let Some(code) = self.0.get(text) {
            return Ok(*code);
        }
        let code = u32::try_from(self.0.len()).map_err(|_| {
            Error::BadOptions(format!(
                "attributes: more than 4,294,967,295 different texts, the last {text:?}; expected \
                 categories with fewer"
            ))
        })?;
        self.0.insert(text.into(), code);
        Ok(code)
    }

    fn by_code(&self) -> Vec<Box<str>> {
        let mut texts: Vec<(&Box<str>, u32)> = self.0.iter().map(|(t, code)| (t, *code)).collect();
        texts.sort_unstable_by_key(|(_, code)| *code);
        texts.into_iter().map(|(text, _)| text.clone()).collect()
    }
}

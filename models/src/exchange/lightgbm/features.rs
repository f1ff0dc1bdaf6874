//! Names and kinds of a LightGBM model's features: `feature_names`, `feature_infos`, and the tail's
//! `categorical_feature` and `pandas_categorical`.

use std::sync::Arc;

use serde_json::Value;

use crate::error::Result;
use crate::exchange::lightgbm::block::{Block, Entry, bad, shown};
use crate::frame::{Field, Kind, Schema};

/// The lines behind the trees that say something of the features.
#[derive(Debug, Default)]
pub(super) struct Tail<'a> {
    /// Behind `[categorical_feature:`.
    pub categorical_feature: Option<Entry<'a>>,
    /// Behind `pandas_categorical:`.
    pub pandas_categorical: Option<Entry<'a>>,
}

/// The features, and where cells are not what the model's sets of levels count: `true` for a feature
/// whose places 0 and 1 are those of `true` and `false`, the other way round.
#[derive(Debug)]
pub(super) struct Features {
    pub schema: Schema,
    pub swapped: Vec<bool>,
}

/// What a feature's levels are.
struct Levels {
    kind: Kind,
    swapped: bool,
}

/// Finds the features.
///
/// # Errors
/// When names are missing or stand twice, or it cannot be told which levels are whose.
pub(super) fn features(path: &str, header: &Block<'_>, tail: &Tail<'_>) -> Result<Features> {
    let names = header.require("feature_names")?;
    let mut fields: Vec<Field> = names
        .value
        .split_ascii_whitespace()
        .map(|name| Field { name: name.to_owned(), kind: Kind::Numeric })
        .collect();
    let highest: usize = header.number("max_feature_idx")?;
    if fields.len().checked_sub(1) != Some(highest) {
        let reason = format!(
            "feature_names: found {} names, expected one more than max_feature_idx={highest}",
            fields.len()
        );
        return Err(bad(path, names.line, reason));
    }
    let infos = header.get("feature_infos");
    if let Some(infos) = infos {
        let found = infos.value.split_ascii_whitespace().count();
        if found != fields.len() {
            let expected = fields.len();
            let reason = format!("feature_infos: found {found}, expected {expected}, as names");
            return Err(bad(path, infos.line, reason));
        }
    }
    let mut swapped = vec![false; fields.len()];
    if let Some(entry) = tail.pandas_categorical {
        let levels = pandas_levels(path, entry)?;
        let places = categorical_places(path, infos, tail, entry, levels.len())?;
        for (place, levels) in places.into_iter().zip(levels) {
            let Some(field) = fields.get_mut(place) else {
                let reason = format!("categorical_feature: found {place}, expected 0 to {highest}");
                let line = tail.categorical_feature.map_or(entry.line, |given| given.line);
                return Err(bad(path, line, reason));
            };
            field.kind = levels.kind;
            swapped[place] = levels.swapped;
        }
    }
    let schema = Schema::new(fields)
        .map_err(|error| bad(path, names.line, format!("feature_names: {error}")))?;
    Ok(Features { schema, swapped })
}

/// The features that pandas' levels belong to, in their order: those that the parameters name, or
/// those that were categorical while fitting.
fn categorical_places(
    path: &str,
    infos: Option<Entry<'_>>,
    tail: &Tail<'_>,
    pandas: Entry<'_>,
    lists: usize,
) -> Result<Vec<usize>> {
    let named = tail.categorical_feature.and_then(|entry| {
        let words = entry.value.split(',').map(|word| word.trim().parse::<usize>().ok());
        words.collect::<Option<Vec<usize>>>()
    });
    let seen = || {
        // A number's range stands in brackets; `none` was never used and cannot be told.
        let infos = infos.map_or("", |entry| entry.value).split_ascii_whitespace().enumerate();
        let level = |info: &str| !info.starts_with('[') && info != "none";
        infos.filter(|(_, info)| level(info)).map(|(place, _)| place).collect()
    };
    let mut places: Vec<usize> = named.unwrap_or_else(seen);
    places.sort_unstable();
    places.dedup();
    if places.len() == lists {
        return Ok(places);
    }
    Err(bad(
        path,
        pandas.line,
        format!(
            "pandas_categorical: found levels of {lists} columns, but {} features are categorical, \
             so it cannot be told whose they are; fit the model with all of them as unordered \
             pandas categories, or all as integers",
            places.len()
        ),
    ))
}

fn pandas_levels(path: &str, entry: Entry<'_>) -> Result<Vec<Levels>> {
    let lists: Option<Vec<Vec<Value>>> = serde_json::from_str(entry.value).map_err(|error| {
        let reason = format!(
            "pandas_categorical: found {}, expected a JSON list of lists ({error})",
            shown(entry.value)
        );
        bad(path, entry.line, reason)
    })?;
    let lists = lists.unwrap_or_default().into_iter().enumerate();
    let levels = |(place, list): (usize, Vec<Value>)| {
        levels_of(list).map_err(|reason| {
            let reason = format!("pandas_categorical, list {}: {reason}", place + 1);
            bad(path, entry.line, reason)
        })
    };
    lists.map(levels).collect()
}

/// Levels as text; `true` and `false` alone are a boolean feature, which a table may write in any
/// case.
fn levels_of(list: Vec<Value>) -> std::result::Result<Levels, String> {
    match list.as_slice() {
        [Value::Bool(false)] | [Value::Bool(false), Value::Bool(true)] => {
            return Ok(Levels { kind: Kind::Boolean, swapped: false });
        }
        [Value::Bool(true)] | [Value::Bool(true), Value::Bool(false)] => {
            return Ok(Levels { kind: Kind::Boolean, swapped: true });
        }
        _ => {}
    }
    let mut levels = Vec::with_capacity(list.len());
    for value in list {
        levels.push(match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            other => {
                return Err(format!(
                    "found {}, expected a text or number",
                    shown(&other.to_string())
                ));
            }
        });
    }
    let mut sorted: Vec<&String> = levels.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("level {} stands twice; rename one", shown(pair[0]))),
        None => Ok(Levels { kind: Kind::Categorical(Arc::from(levels)), swapped: false }),
    }
}

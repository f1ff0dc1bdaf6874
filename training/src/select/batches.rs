//! In what order features are tried: the first batch, then batch after batch.

use std::collections::{HashMap, HashSet};

use rekindle_models::behaviour::{Feature, FeatureSpec, Window};
use rekindle_models::frame::{Schema, nearest_name};

use crate::error::{Error, Result};
use crate::families::Family;

/// How features are put into batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Batches {
    /// So many at a time: of snapshots family by family and in a family window by window, of other tables in
    /// the order of columns.
    Of(usize),
    /// As listed.
    Listed(Vec<Vec<String>>),
}

/// The batches as [`Batches::Listed`] from text: a feature a line, an empty line between batches; what follows
/// `#` at the start of a line is a remark.
pub fn parse_list(text: &str) -> Vec<Vec<String>> {
    let mut batches = vec![Vec::new()];
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        match batches.last_mut() {
            Some(last) if !line.is_empty() => last.push(line.to_owned()),
            Some(last) if last.is_empty() => {}
            _ => batches.push(Vec::new()),
        }
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}

impl Batches {
    /// Places of columns, batch by batch; all of `features`, or those that are listed.
    ///
    /// # Errors
    /// When a batch would be empty, or a listed name is none of a feature or stands twice.
    pub fn places(
        &self,
        schema: &Schema,
        features: &[usize],
        spec: Option<&FeatureSpec>,
    ) -> Result<Vec<Vec<usize>>> {
        let batches: Vec<Vec<usize>> = match self {
            Batches::Of(0) => {
                return Err(Error::BadOptions("--batch 0: expected 1 or more".to_owned()));
            }
            Batches::Of(size) => {
                let mut ordered = features.to_vec();
                if let Some(spec) = spec {
                    let keys = families_and_windows(spec);
                    let last = (Family::ALL.len(), None);
                    let name = |place: usize| schema.fields()[place].name.as_str();
                    ordered.sort_by_key(|&place| *keys.get(name(place)).unwrap_or(&last));
                }
                ordered.chunks(*size).map(<[usize]>::to_vec).collect()
            }
            Batches::Listed(lists) => {
                let mut met = HashSet::new();
                let mut place = |name: &String| {
                    let place = schema.place(name).filter(|place| features.contains(place));
                    let Some(place) = place else {
                        let names =
                            features.iter().map(|&place| schema.fields()[place].name.as_str());
                        let near = nearest_name(name, names)
                            .map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                        return Err(Error::BadOptions(format!(
                            "--batches: {name:?} is no feature of the table{near}"
                        )));
                    };
                    match met.insert(place) {
                        true => Ok(place),
                        false => Err(Error::BadOptions(format!(
                            "--batches: {name:?} stands twice; expected each feature once"
                        ))),
                    }
                };
                let batch = |list: &Vec<String>| list.iter().map(&mut place).collect();
                lists.iter().map(batch).collect::<Result<_>>()?
            }
        };
        match batches.is_empty() {
            true => Err(Error::BadOptions(
                "--batches: found no feature; expected a name a line".to_owned(),
            )),
            false => Ok(batches),
        }
    }
}

/// The order of behaviour's features, by name: by family, then from the shortest window to the longest. Attributes,
/// which are not among them, come last.
fn families_and_windows(spec: &FeatureSpec) -> HashMap<String, (usize, Option<Window>)> {
    let key = |feature: &Feature| {
        let family = Family::of(feature);
        let place = Family::ALL.iter().position(|of| *of == family).unwrap_or(Family::ALL.len());
        (feature.name(), (place, feature.windows.iter().max().copied()))
    };
    spec.features.iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rekindle_models::frame::{Field, Kind};

    fn schema() -> Schema {
        let field = |name: &str| Field { name: name.to_owned(), kind: Kind::Numeric };
        Schema::new(["id", "a", "b", "c"].map(field).to_vec()).unwrap()
    }

    #[test]
    fn columns_come_in_their_order_and_lists_as_written() {
        let batches = Batches::Of(2).places(&schema(), &[1, 2, 3], None).unwrap();
        assert_eq!(batches, [vec![1, 2], vec![3]]);
        let listed = Batches::Listed(parse_list("# first\nc\n\n\n b \na\n"));
        assert_eq!(listed.places(&schema(), &[1, 2, 3], None).unwrap(), [vec![3], vec![2, 1]]);
    }

    #[test]
    fn lists_that_cannot_be_are_refused() {
        let check = |text: &str, expected: &str| {
            let error = Batches::Listed(parse_list(text)).places(&schema(), &[1, 2, 3], None);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check("a\nbb", "did you mean \"b\"?");
        check("id", "\"id\" is no feature");
        check("a\n\na", "stands twice");
        check("\n# nothing\n", "found no feature");
        assert!(Batches::Of(0).places(&schema(), &[1], None).is_err());
    }
}

//! Which features belong together: all windows of one behaviour, all that is told of the same events, and groups of the
//! user's own. Each grouping puts every feature into exactly one group, so that shares still add up.

use std::collections::BTreeMap;

use rekindle_models::artifact::FeatureEntry;
use rekindle_models::behaviour::FeatureSpec;

/// By group, in the order of its first feature: its name and the places of its features.
pub(super) type Groups = Vec<(String, Vec<usize>)>;

/// Features that differ in their windows only, as `sum(purchase.amount)`; columns of no spec are behaviours of
/// their own.
pub(super) fn behaviours(names: &[String], spec: &FeatureSpec) -> Groups {
    let of: BTreeMap<String, String> =
        spec.features.iter().map(|feature| (feature.name(), feature.behaviour())).collect();
    grouped(names, |name| of.get(name).unwrap_or(name).clone())
}

/// Features of the same events, as `purchase` or `group=garden`; `attributes` for all else.
pub(super) fn events(names: &[String], spec: &FeatureSpec) -> Groups {
    let of = spec.features.iter().map(|feature| (feature.name(), feature.of.to_string()));
    let of: BTreeMap<String, String> = of.collect();
    grouped(names, |name| of.get(name).cloned().unwrap_or_else(|| "attributes".to_owned()))
}

/// Groups by the user's names; `others` for the rest.
pub(super) fn own(names: &[String], features: &[FeatureEntry]) -> Groups {
    let of = features.iter().map(|feature| (&feature.name, &feature.group));
    let of: BTreeMap<&String, &Option<String>> = of.collect();
    grouped(names, |name| of[name].clone().unwrap_or_else(|| "others".to_owned()))
}

fn grouped(names: &[String], group: impl Fn(&String) -> String) -> Groups {
    let mut groups: Groups = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (feature, name) in names.iter().enumerate() {
        let group = group(name);
        let place = *places.entry(group.clone()).or_insert_with(|| {
            groups.push((group, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(feature);
    }
    groups
}

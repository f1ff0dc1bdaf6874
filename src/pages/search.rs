//! A list of customers as an address says it: filter, order, page, columns. What is typed wrongly is said, not guessed.

use rekindle_models::customer::{Grade, LapseTier, LifecycleStage};

use crate::error::ApiError;
use crate::population::{ABSENT, Cursor, Filter, NONE, Place, Population, Sort, SortBy};

/// Most parts of an address.
const MOST_PAIRS: usize = 100;

/// A list of customers.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Which customers.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// From where on.
    pub cursor: Cursor,
    /// The model whose scores are shown, by its place; `None` where there are no scores.
    pub model: Option<usize>,
    /// What is shown.
    pub columns: Vec<Column>,
    /// The address's pairs, but for the page's place.
    pairs: Vec<(String, String)>,
}

/// A column of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The lapse tier.
    Tier,
    /// The lifecycle stage.
    Stage,
    /// The grade.
    Grade,
    /// The probability by the model that is shown.
    Probability,
    /// What is expected.
    Predicted,
    /// What was brought.
    Historic,
    /// The probability of buying again at all.
    Alive,
    /// What is advised.
    Advice,
    /// By which way.
    Channel,
    /// What moved the score most.
    Reason,
}

impl Column {
    /// All, in the order in which they stand.
    pub const ALL: [Column; 10] = [
        Column::Tier,
        Column::Stage,
        Column::Grade,
        Column::Probability,
        Column::Predicted,
        Column::Historic,
        Column::Alive,
        Column::Reason,
        Column::Advice,
        Column::Channel,
    ];

    /// Those that are shown where nobody chooses.
    const USUAL: [Column; 7] = [
        Column::Tier,
        Column::Stage,
        Column::Grade,
        Column::Probability,
        Column::Predicted,
        Column::Reason,
        Column::Advice,
    ];

    /// Its word in addresses.
    pub fn word(self) -> &'static str {
        match self {
            Column::Tier => "tier",
            Column::Stage => "stage",
            Column::Grade => "grade",
            Column::Probability => "probability",
            Column::Predicted => "predicted",
            Column::Historic => "historic",
            Column::Alive => "alive",
            Column::Advice => "advice",
            Column::Channel => "channel",
            Column::Reason => "reason",
        }
    }
}

impl Search {
    /// Reads the pairs of an address.
    ///
    /// # Errors
    /// With the first pair that cannot be understood.
    pub fn read(pairs: &[(String, String)], population: &Population) -> Result<Search, ApiError> {
        let named = pairs.iter().find(|(key, _)| key == "model").map(|(_, value)| value.as_str());
        let models = || population.scores.iter().position(|scores| Some(&*scores.model) == named);
        let model = match named.filter(|name| !name.is_empty()) {
            None => (!population.scores.is_empty()).then_some(0),
            Some(name) => Some(models().ok_or_else(|| {
                let known: Vec<&str> = population.scores.iter().map(|s| &*s.model).collect();
                wrong("model", name, &format!("one with scores: {}", known.join(", ")))
            })?),
        };
        let mut search = Search {
            filter: Filter::default(),
            sort: Sort { by: SortBy::Id, falling: false },
            cursor: Cursor::Start,
            model,
            columns: Vec::new(),
            pairs: Vec::new(),
        };
        if pairs.len() > MOST_PAIRS {
            let found = pairs.len().to_string();
            return Err(wrong("the address", &found, &format!("at most {MOST_PAIRS} parts")));
        }
        let mut order = None;
        // A form sends what was left empty, too.
        for (key, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            let pair = (key.clone(), value.clone());
            // What is said twice is said once.
            if !matches!(key.as_str(), "after" | "before") && !search.pairs.contains(&pair) {
                search.pairs.push(pair);
            }
            search.take(key, value, &mut order)?;
        }
        if search.columns.is_empty() {
            search.columns = Column::USUAL.to_vec();
        }
        if let Some(falling) = order {
            search.sort.falling = falling;
        }
        Ok(search)
    }

    fn take(&mut self, key: &str, value: &str, order: &mut Option<bool>) -> Result<(), ApiError> {
        let filter = &mut self.filter;
        match key {
            "model" => {}
            "tier" => filter.tiers.push(tier(key, value)?),
            "stage" => filter.stages.push(stage(key, value)?),
            "grade" => filter.grades.push(grade(key, value)?),
            "was_tier" => filter.was_tier = Some(tier(key, value)?),
            "was_stage" => filter.was_stage = Some(stage(key, value)?),
            "probability_from" | "probability_until" => {
                let percent = number(key, value)?;
                let Some(model) = self.model else {
                    return Err(wrong(key, value, "no such filter: no model has scored anybody"));
                };
                let (low, high) = filter.probability.map_or((0.0, 1.0), |(_, l, h)| (l, h));
                let share = percent / 100.0;
                filter.probability = Some(match key {
                    "probability_from" => (model, share, high),
                    _ => (model, low, share),
                });
            }
            "value_from" | "value_until" => {
                let amount = number(key, value)?;
                let (low, high) = filter.value.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
                filter.value =
                    Some(if key == "value_from" { (amount, high) } else { (low, amount) });
            }
            "advised" => match value {
                "yes" => filter.advised = true,
                _ => return Err(wrong(key, value, "yes")),
            },
            "advice" => filter.action = Some(value.to_owned()),
            "channel" => filter.channel = Some(value.to_owned()),
            "reason" => match self.model {
                Some(model) => filter.reason = Some((model, value.to_owned())),
                None => return Err(wrong(key, value, "no such filter: there are no scores")),
            },
            "id" => filter.id = value.to_owned(),
            "sort" => {
                let falling = matches!(value, "probability" | "predicted" | "historic" | "alive");
                let by = self.sort_by(value).ok_or_else(|| {
                    let known = "id, tier, stage, grade, probability, predicted, historic or alive";
                    wrong(key, value, known)
                })?;
                self.sort = Sort { by, falling };
            }
            "order" => match value {
                "rising" => *order = Some(false),
                "falling" => *order = Some(true),
                _ => return Err(wrong(key, value, "rising or falling")),
            },
            "column" => {
                let column = Column::ALL.into_iter().find(|column| column.word() == value);
                let known = Column::ALL.map(Column::word).join(", ");
                let column = column.ok_or_else(|| wrong(key, value, &known))?;
                if !self.columns.contains(&column) {
                    self.columns.push(column);
                }
            }
            "after" | "before" => {
                let (sorted, id) = value
                    .split_once('.')
                    .and_then(|(sorted, id)| Some((u64::from_str_radix(sorted, 16).ok()?, id)))
                    .ok_or_else(|| wrong(key, value, "what a page's own links say"))?;
                self.cursor = match key {
                    "after" => Cursor::After(sorted, id.to_owned()),
                    _ => Cursor::Before(sorted, id.to_owned()),
                };
            }
            _ => return Err(wrong(key, value, "a filter, an order or a column of this list")),
        }
        Ok(())
    }

    /// What a word orders by.
    pub fn sort_by(&self, word: &str) -> Option<SortBy> {
        Some(match word {
            "id" => SortBy::Id,
            "tier" => SortBy::Tier,
            "stage" => SortBy::Stage,
            "grade" => SortBy::Grade,
            "probability" => SortBy::Probability(self.model?),
            "predicted" => SortBy::Predicted,
            "historic" => SortBy::Historic,
            "alive" => SortBy::Alive,
            _ => return None,
        })
    }

    /// Whether nothing is filtered.
    pub fn is_open(&self) -> bool {
        self.filter == Filter::default()
    }

    /// What was typed for a filter.
    pub fn typed(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_str())
    }

    /// Whether a value of a filter was chosen.
    pub fn chose(&self, key: &str, value: &str) -> bool {
        self.pairs.iter().any(|(own, chosen)| own == key && chosen == value)
    }

    /// The pairs of the filter alone.
    pub fn filter_pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let other = |key: &str| matches!(key, "sort" | "order" | "column");
        let pairs = self.pairs.iter().filter(move |(key, _)| !other(key));
        pairs.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The address of the same list with some pairs in the place of those of the same keys.
    pub fn path(&self, to: &str, with: &[(&str, &str)]) -> String {
        let kept = |key: &str| with.iter().all(|(own, _)| *own != key);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in self.pairs.iter().filter(|(key, _)| kept(key)) {
            query.append_pair(key, value);
        }
        for (key, value) in with.iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(key, value);
        }
        match query.finish() {
            query if query.is_empty() => to.to_owned(),
            query => format!("{to}?{query}"),
        }
    }

    /// Where a page begins behind a customer, or ends before one.
    pub fn place(&self, population: &Population, row: u32) -> String {
        let row = row as usize;
        format!("{:x}.{}", population.key(self.sort, row), population.id(row))
    }
}

fn wrong(key: &str, value: &str, expected: &str) -> ApiError {
    let (key, value) = (shown(key), shown(value));
    ApiError::InvalidQuery { reason: format!("{key} is {value:?}, expected {expected}") }
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

fn number(key: &str, value: &str) -> Result<f64, ApiError> {
    let number = value.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| wrong(key, value, "a number"))
}

fn named<const N: usize>(
    key: &str,
    value: &str,
    names: [&'static str; N],
) -> Result<Place, ApiError> {
    if let Some(place) = names.iter().position(|name| *name == value) {
        return Ok(place as Place);
    }
    match value {
        "none" => Ok(NONE),
        "absent" if key.starts_with("was_") => Ok(ABSENT),
        _ => Err(wrong(key, value, &format!("one of {}, none", names.join(", ")))),
    }
}

fn tier(key: &str, value: &str) -> Result<Place, ApiError> {
    named(key, value, LapseTier::ALL.map(LapseTier::text))
}

fn stage(key: &str, value: &str) -> Result<Place, ApiError> {
    named(key, value, LifecycleStage::ALL.map(LifecycleStage::text))
}

fn grade(key: &str, value: &str) -> Result<Place, ApiError> {
    named(key, value, Grade::ALL.map(Grade::text))
}

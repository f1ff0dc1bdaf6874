//! A table of customers as a plan takes them, and a plan as a table. Plans nothing.

use std::collections::BTreeMap;

use rayon::prelude::*;
use rekindle_models::artifact::UpliftArtifact;
use rekindle_models::customer::{Grade, LapseTier, LifecycleStage};
use rekindle_models::frame::{
    Column, DateFormat, Field, Frame, Kind, MISSING_CODE, ReadKind, ReadOptions, nearest_name,
};
use rekindle_models::policy::{Action, Customers, Outcome, Plan, PlanSpec, Speaker, date_text};
use rekindle_models::uplift;

use crate::error::{Error, Result};
use crate::holdout::bind;
use crate::sheet::{Cells, Sheet};
use crate::trials::{SCORE, SUCCESS_VALUE};

const UPLIFT: &str = "uplift_";
const CONSENT: &str = "consent_";
/// What one purchase brings, as `rekindle value` writes it. Its `predicted_value` is what the customer is expected to bring
/// in a whole span when left alone: no success of a contact.
const PER_ORDER: &str = "expected_profit_per_order";

/// How a table is read whose columns a plan asks for, and else as said; other columns are left out.
pub fn reading(spec: &PlanSpec, said: ReadOptions) -> ReadOptions {
    let texts = ["customer_id", "lapse_tier", "lifecycle_stage", "grade"];
    let own = spec.plan.baseline.as_deref();
    let numbers = [
        "predicted_value",
        PER_ORDER,
        "contacts",
        "recency_days",
        "median_gap_days",
        "season_month",
    ];
    let numbers = numbers.into_iter().chain(own);
    let dates = ["cutoff", "last_purchase", "birthday"];
    let kinds = texts.into_iter().map(|name| (name, ReadKind::Categorical));
    let kinds = kinds.chain(numbers.map(|name| (name, ReadKind::Numeric)));
    let kinds = kinds.chain(dates.map(|name| (name, ReadKind::Date(DateFormat::default()))));
    let mut kinds: BTreeMap<String, ReadKind> =
        kinds.map(|(name, kind)| (name.to_owned(), kind)).collect();
    let columns = kinds.keys().cloned().chain(["excluded".to_owned()]).collect();
    kinds.extend(said.kinds);
    ReadOptions {
        kinds,
        columns: Some(columns),
        prefixes: vec![UPLIFT.to_owned(), CONSENT.to_owned()],
        ..said
    }
}

/// The customers of a table that was read as [`reading`] says.
///
/// # Errors
/// When there is no column of ids, an uplift is of no action of the plan, a stage, tier or grade is unknown, or a cell is
/// not of the kind that its column has.
pub fn customers(frame: &Frame, spec: &PlanSpec) -> Result<Customers> {
    let table = Table { frame };
    frame.schema().require("customer_id")?;
    for name in table.names(UPLIFT) {
        let action = &name[UPLIFT.len()..];
        let names = || spec.actions.iter().map(|own| own.name.as_str());
        if !names().any(|own| own == action) {
            let near = nearest_name(action, names())
                .map_or_else(String::new, |near| format!("; did you mean {UPLIFT}{near}?"));
            let all = names().collect::<Vec<_>>().join(", ");
            return Err(Error::BadColumn {
                role: "uplift",
                column: name.to_owned(),
                reason: format!("found {action:?}, expected an action of the plan: {all}{near}"),
            });
        }
    }
    let uplift = |action: &Action| table.numbers(&format!("{UPLIFT}{}", action.name));
    let cutoffs = table.numbers("cutoff")?;
    let recency = table.numbers("recency_days")?;
    let told = cutoffs.zip(recency).map(|(cutoffs, recency)| {
        cutoffs.iter().zip(recency).map(|(cutoff, days)| cutoff.floor() - days).collect()
    });
    let consents = table.names(CONSENT).map(|name| {
        Ok((name[CONSENT.len()..].to_owned(), table.flags("consent", name)?.unwrap_or_default()))
    });
    let excluded = table.flags("excluded", "excluded")?;
    Ok(Customers {
        ids: table.texts("customer_id"),
        stages: table.named("lifecycle_stage", &LifecycleStage::ALL, LifecycleStage::text)?,
        tiers: table.named("lapse_tier", &LapseTier::ALL, LapseTier::text)?,
        grades: table.named("grade", &Grade::ALL, Grade::text)?,
        values: match table.numbers(PER_ORDER)? {
            Some(profits) => Some(profits),
            None => table.numbers("predicted_value")?,
        },
        baselines: spec.plan.baseline.as_ref().map_or(Ok(None), |name| table.numbers(name))?,
        uplifts: spec.actions.iter().map(uplift).collect::<Result<_>>()?,
        consents: consents.collect::<Result<_>>()?,
        contacts: table.numbers("contacts")?,
        excluded: excluded.map(|all| all.into_iter().map(|own| own.unwrap_or(false)).collect()),
        last_purchases: table.numbers("last_purchase")?.or(told),
        median_gap_days: table.numbers("median_gap_days")?,
        birthdays: table.numbers("birthday")?,
        season_months: table.numbers("season_month")?,
    })
}

/// Reads the features of a model of uplift, too.
pub fn reading_features(mut options: ReadOptions, model: &UpliftArtifact) -> ReadOptions {
    let missing = &model.manifest.missing_markers;
    let features = ReadOptions::for_model(&model.uplift.schema, missing, None, &[]);
    let columns = options.columns.get_or_insert_default();
    columns.extend(features.columns.into_iter().flatten());
    for (name, kind) in features.kinds {
        options.kinds.entry(name).or_insert(kind);
    }
    options.missing.extend(missing.iter().cloned());
    options
}

/// The table with what a model of finished campaigns was told of customers by their plans, where it has no such columns:
/// `score` is the plan's baseline, `success_value` the value that it takes a success for.
///
/// # Errors
/// When the columns do not fit the table, which they were read from.
pub fn told_by_plan(frame: Frame, customers: &Customers, model: &UpliftArtifact) -> Result<Frame> {
    let asked = |name: &str| model.uplift.schema.place(name).is_some();
    let told = [(SCORE, &customers.baselines), (SUCCESS_VALUE, &customers.values)];
    let told = told.into_iter().filter_map(|(name, numbers)| {
        let numbers = numbers.as_ref()?;
        let field = Field { name: name.to_owned(), kind: Kind::Numeric };
        let missing = asked(name) && frame.schema().place(name).is_none();
        missing.then(|| (field, Column::Number(numbers.clone())))
    });
    let told = told.collect();
    Ok(frame.with_columns(told)?)
}

/// Gives customers the uplifts that a model expects of them and, where the outcome is yes or no and the plan names no
/// column, the probability without a contact. `frame` is the table that the customers were read from; with `allow_absent`
/// features may be missing from it. Returns what does not fit, in sentences.
///
/// # Errors
/// When the table has none of the model's features or one of another kind, the model knows no action of the plan, the
/// table has uplifts of an action that the model knows, or the outcomes are of different kinds.
pub fn learned(
    customers: &mut Customers,
    spec: &PlanSpec,
    model: &UpliftArtifact,
    frame: &Frame,
    allow_absent: bool,
) -> Result<Vec<String>> {
    let uplift = &model.uplift;
    let expected = match uplift.outcome {
        uplift::Outcome::YesNo => Outcome::YesNo,
        uplift::Outcome::Amount => Outcome::Money,
    };
    if spec.plan.outcome != expected {
        return Err(Error::BadOptions(format!(
            "the model of uplift has an outcome of {}, the plan says {:?}; expected the same: outcome in [plan]",
            if expected == Outcome::Money { "money" } else { "yes or no (yes_no)" },
            spec.plan.outcome
        )));
    }
    let mut warnings = Vec::new();
    let binding = bind(&uplift.schema, frame, &mut warnings)?;
    if !binding.absent().is_empty() && !allow_absent {
        return Err(Error::BadOptions(format!(
            "{}; expected all of them; with --allow-absent they count as missing",
            warnings.join("; ")
        )));
    }
    let rows = binding.rows(frame, 0..frame.rows());
    let mut known = 0;
    for (place, action) in spec.actions.iter().enumerate() {
        let Some(effect) = uplift.actions.iter().find(|effect| effect.name == action.name) else {
            warnings.push(format!("the model of uplift knows no {}", action.name));
            continue;
        };
        if customers.learned(place).is_some() {
            return Err(Error::BadOptions(format!(
                "column {UPLIFT}{}: the model of uplift knows this action, too; expected its uplift from one of them",
                action.name
            )));
        }
        customers.uplifts[place] = Some(effect.uplift(&rows));
        known += 1;
    }
    if known == 0 {
        let names: Vec<&str> = uplift.actions.iter().map(|a| a.name.as_str()).collect();
        return Err(Error::BadOptions(format!(
            "the model of uplift knows no action of the plan; it knows {}",
            names.join(", ")
        )));
    }
    if expected == Outcome::YesNo && customers.baselines.is_none() {
        customers.baselines = Some(uplift.untreated(&rows));
    }
    Ok(warnings)
}

/// What a plan takes for granted as columns are missing, in sentences.
pub fn remarks(spec: &PlanSpec, customers: &Customers) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut channels: Vec<&str> = spec.actions.iter().map(|a| a.channel.as_str()).collect();
    channels.sort_unstable();
    channels.dedup();
    for channel in channels.iter().filter(|channel| !customers.consents.contains_key(**channel)) {
        remarks.push(match spec.plan.consent_default {
            false => format!(
                "no column consent_{channel}: nobody is contacted by {channel}; add it, or say \
                 consent_default = true in [plan]"
            ),
            true => format!("no column consent_{channel}: all are taken to consent"),
        });
    }
    let offers = spec.actions.iter().any(|action| action.offer_cost > 0.0);
    if offers && customers.baselines.is_none() {
        remarks.push(
            "offers are not counted for those who would have bought anyway: name the column with their \
             probability, baseline in [plan]"
                .to_owned(),
        );
    }
    for (action, uplifts) in spec.actions.iter().zip(&customers.uplifts) {
        let missing = uplifts.iter().flatten().filter(|uplift| uplift.is_nan()).count();
        if missing > 0 {
            let name = &action.name;
            remarks.push(format!("uplift_{name}: {missing} cells are empty: no {name} for those"));
        }
    }
    if spec.plan.control_share == 0.0 {
        remarks.push("no control group: what the campaign does cannot be measured".to_owned());
    }
    remarks
}

/// A plan as a table, a row a customer in the table's order.
pub fn sheet(customers: &Customers, plan: &Plan, speaker: &Speaker<'_>) -> Sheet {
    let mut sheet = Sheet::default();
    let actions = &speaker.spec.actions;
    let decisions = || plan.decisions.iter();
    let of = |place: Option<usize>, text: fn(&Action) -> &str| {
        place.map_or_else(String::new, |place| text(&actions[place]).to_owned())
    };
    let name = |place: Option<usize>| place.map_or("none", |place| &actions[place].name).to_owned();
    let text = |of: &(dyn Fn(usize) -> String + Sync)| {
        Cells::Text((0..plan.decisions.len()).into_par_iter().map(of).collect())
    };
    let at = |customer: usize| &plan.decisions[customer];
    sheet.add("customer_id", Cells::Text(customers.ids.clone()));
    sheet.add("action", text(&|c| name(at(c).action)));
    sheet.add("offer", text(&|c| of(at(c).action, |action| &action.offer)));
    sheet.add("channel", text(&|c| of(at(c).action, |action| &action.channel)));
    sheet.add("cost", Cells::Number(decisions().map(|d| d.cost).collect()));
    sheet.add("offer_cost", Cells::Number(decisions().map(|d| d.offer_cost).collect()));
    sheet.add("uplift", Cells::Number(decisions().map(|d| d.uplift).collect()));
    let assumed = |place: Option<usize>| place.is_some_and(|place| plan.assumed[place]);
    sheet.add("assumed", Cells::Flag(decisions().map(|d| assumed(d.action)).collect()));
    sheet.add("expected_profit", Cells::Number(decisions().map(|d| d.expected_profit).collect()));
    sheet.add("planned", text(&|c| name(at(c).planned)));
    sheet.add("control", Cells::Flag(decisions().map(|d| d.control).collect()));
    sheet.add("propensity", Cells::Number(decisions().map(|d| d.propensity).collect()));
    sheet.add("contact_on", text(&|c| at(c).contact_on.map_or_else(String::new, date_text)));
    let occasion = |c: usize| at(c).occasion.map_or("", |occasion| occasion.text()).to_owned();
    sheet.add("occasion", text(&occasion));
    sheet.add("why", text(&|c| at(c).why.text().to_owned()));
    sheet.add("reason", text(&|c| speaker.sentence(c)));
    sheet
}

/// A table's columns by name.
struct Table<'a> {
    frame: &'a Frame,
}

impl<'a> Table<'a> {
    /// Names of columns that begin so.
    fn names(&self, prefix: &'static str) -> impl Iterator<Item = &'a str> {
        let fields = self.frame.schema().fields().iter();
        fields.map(|field| field.name.as_str()).filter(move |name| name.starts_with(prefix))
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let place = self.frame.schema().place(name);
        let text = |row: usize| place.and_then(|place| self.frame.text(place, row));
        (0..self.frame.rows()).map(|row| text(row).unwrap_or_default().into_owned()).collect()
    }

    fn numbers(&self, name: &str) -> Result<Option<Vec<f64>>> {
        let Some(place) = self.frame.schema().place(name) else { return Ok(None) };
        match self.frame.numbers(place) {
            Some(numbers) => Ok(Some(numbers.to_vec())),
            None => {
                let known =
                    (0..self.frame.rows()).find(|row| self.frame.text(place, *row).is_some());
                let row = known.unwrap_or(0);
                Err(Error::BadRow {
                    role: "number",
                    column: name.to_owned(),
                    row: row + 1,
                    found: format!("{:?}", self.frame.text(place, row).unwrap_or_default()),
                    expected: "a number",
                })
            }
        }
    }

    /// Yes or no: true and false, 1 and 0, yes and no.
    fn flags(&self, role: &'static str, name: &str) -> Result<Option<Vec<Option<bool>>>> {
        let flag = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "y" => Some(true),
            "false" | "0" | "no" | "n" => Some(false),
            _ => None,
        };
        self.parsed(name, flag).map_err(|(row, found)| Error::BadRow {
            role,
            column: name.to_owned(),
            row,
            found,
            expected: "true or false, 1 or 0, yes or no, or nothing",
        })
    }

    /// One of some names.
    fn named<T: Copy>(
        &self,
        name: &str,
        all: &[T],
        text: fn(T) -> &'static str,
    ) -> Result<Option<Vec<Option<T>>>> {
        let one = |cell: &str| all.iter().copied().find(|own| text(*own) == cell);
        self.parsed(name, one).map_err(|(row, found)| {
            let names: Vec<&str> = all.iter().map(|own| text(*own)).collect();
            Error::BadColumn {
                role: "customers'",
                column: name.to_owned(),
                reason: format!("row {row} has {found}, expected one of {}", names.join(", ")),
            }
        })
    }

    /// Cells by what their texts mean, `None` where missing; else the first row, from 1, whose text means nothing.
    fn parsed<T: Copy>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> std::result::Result<Option<Vec<Option<T>>>, (usize, String)> {
        let Some(place) = self.frame.schema().place(name) else { return Ok(None) };
        let column = &self.frame.columns()[place];
        if let (Column::Category(codes), Kind::Categorical(levels)) =
            (column, &self.frame.schema().fields()[place].kind)
        {
            let known: Vec<Option<T>> = levels.iter().map(|level| parse(level)).collect();
            let cell = |(row, code): (usize, &u32)| match *code {
                MISSING_CODE => Ok(None),
                code => match known.get(code as usize).copied().flatten() {
                    Some(cell) => Ok(Some(cell)),
                    None => Err((row + 1, format!("{:?}", levels[code as usize]))),
                },
            };
            return codes
                .iter()
                .enumerate()
                .map(cell)
                .collect::<std::result::Result<_, _>>()
                .map(Some);
        }
        let cell = |row: usize| match self.frame.text(place, row) {
            None => Ok(None),
            Some(text) => parse(&text).map(Some).ok_or_else(|| (row + 1, format!("{text:?}"))),
        };
        (0..self.frame.rows()).map(cell).collect::<std::result::Result<_, _>>().map(Some)
    }
}

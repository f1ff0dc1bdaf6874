//! The judgement of a model of uplift for people and machines: on the terminal, as JSON.

use rekindle_models::metrics::Interval;
use rekindle_models::uplift::Outcome;
use serde::Serialize;

use crate::report::terminal::painted;
use crate::report::{figure, grouped, percent, table};
use crate::uplift::{
    ActionFigures, Assignment, Experiment, FOLDS, Figures, Learner, Learning, PolicyFigures,
    Propensities, UpliftVerdict, Worth,
};
use crate::verdict::Word;

/// The version of the JSON form: it changes when a field goes or changes its meaning.
const SCHEMA_VERSION: u32 = 1;

/// A model of uplift, judged. Serialised, it is the report's JSON.
#[derive(Debug, Clone, Serialize)]
pub struct UpliftDocument {
    /// The version of this form.
    pub schema_version: u32,
    /// `usable`, `unusable` or `not enough data`.
    pub verdict: Word,
    /// Why, in a sentence.
    pub reason: String,
    /// `yes_no` or `amount`.
    pub outcome: &'static str,
    /// How it was learned.
    pub learner: Learner,
    /// Rows judged, each by a model that had not seen it.
    pub rows: usize,
    /// Folds of the rows.
    pub folds: usize,
    /// Features.
    pub features: usize,
    /// Customers who were left alone: the value of the action's column, rows, mean outcome.
    pub control: Arm,
    /// The others.
    pub arms: Vec<Arm>,
    /// What an outcome is worth.
    pub value: f64,
    /// How customers came to their arms.
    pub assignment: Propensities,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Rows that had the same action.
#[derive(Debug, Clone, Serialize)]
pub struct Arm {
    /// The action.
    pub action: String,
    /// What a contact costs.
    pub cost: f64,
    /// Rows.
    pub rows: usize,
    /// Mean outcome, as it was: compare with it only where customers came to their arms at random.
    pub mean_outcome: f64,
}

impl UpliftDocument {
    /// The document of a judgement.
    pub fn new(
        experiment: &Experiment<'_>,
        learning: &Learning,
        worth: &Worth,
        propensities: &Propensities,
        figures: Figures,
        verdict: &UpliftVerdict,
    ) -> UpliftDocument {
        let arm = |place: usize| {
            let rows = experiment.of_arm(&experiment.rows, place);
            let sum: f64 = rows.iter().map(|row| experiment.outcome[*row as usize]).sum();
            Arm {
                action: experiment.arms[place].clone(),
                cost: if place == 0 { 0.0 } else { worth.costs[place - 1] },
                rows: rows.len(),
                mean_outcome: sum / rows.len() as f64,
            }
        };
        UpliftDocument {
            schema_version: SCHEMA_VERSION,
            verdict: verdict.word,
            reason: verdict.reason.clone(),
            outcome: match experiment.kind {
                Outcome::YesNo => "yes_no",
                Outcome::Amount => "amount",
            },
            learner: learning.learner,
            rows: experiment.rows.len(),
            folds: FOLDS,
            features: experiment.features.len(),
            control: arm(0),
            arms: (1..experiment.arms.len()).map(arm).collect(),
            value: worth.value,
            assignment: propensities.clone(),
            figures,
        }
    }

    /// The document as JSON, ending in a line end.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a document has a JSON form") + "\n"
    }

    fn assigned(&self) -> String {
        match self.assignment.assignment {
            Assignment::Logged => "propensities as logged".to_owned(),
            Assignment::Random => "at random, as far as the features tell who got what".to_owned(),
            Assignment::Estimated => {
                "not at random: the features tell who got what. Uplifts are right only where all that decided is among \
                 the features"
                    .to_owned()
            }
        }
    }
}

/// The judgement as lines of text; `colour` where it goes to a terminal that wants it.
pub fn uplift_terminal(document: &UpliftDocument, colour: bool) -> String {
    let mut text = format!(
        "  verdict     {}\n              {}\n",
        painted(document.verdict, colour),
        document.reason
    );
    let assignment = &document.assignment;
    text += &format!(
        "  judged on   {} rows, each by a model of the other {} folds; {} features\n  assignment  {}; smallest \
         propensity {:.3}{}\n\n",
        grouped(document.rows),
        document.folds - 1,
        document.features,
        document.assigned(),
        assignment.smallest,
        match assignment.thin > 0.0 {
            true => format!(", {} of rows have one below 0.02", percent(assignment.thin)),
            false => String::new(),
        }
    );
    let arms = std::iter::once(&document.control).chain(&document.arms);
    let rows = arms.map(|arm| {
        [
            arm.action.clone(),
            grouped(arm.rows),
            format!("{:.4}", arm.mean_outcome),
            arm.cost.to_string(),
        ]
    });
    text += &table(&["action", "rows", "mean outcome", "cost"], 1, rows);
    text += "\n";
    let rows = document.figures.actions.iter().map(|action: &ActionFigures| {
        [
            action.action.clone(),
            figure(&action.mean_uplift),
            figure(&action.qini),
            figure(&action.auuc),
            figure(&action.calibration_slope),
        ]
    });
    text += &table(&["action", "mean uplift", "qini", "auuc", "calibration slope"], 1, rows);
    for action in &document.figures.actions {
        text += &format!(
            "\n  {}: predicted and estimated uplift by tenths of customers\n",
            action.action
        );
        let rows = action.deciles.iter().rev().map(|decile| {
            [grouped(decile.rows), format!("{:.4}", decile.predicted), figure(&decile.estimated)]
        });
        text += &table(&["rows", "predicted", "estimated"], 0, rows);
    }
    text += "\n";
    let gains = |gains: &Option<Interval>| gains.as_ref().map_or(String::new(), figure);
    let rows = document.figures.policies.iter().map(|policy: &PolicyFigures| {
        [
            policy.policy.clone(),
            percent(policy.contacted),
            figure(&policy.profit),
            gains(&policy.model_gains),
        ]
    });
    let header =
        ["contacting", "of customers", "profit a customer", "the model's plan brings more by"];
    text += &table(&header, 1, rows);
    text
}

//! How good a model is on rows it has not seen: every figure with its interval, its population and the
//! baselines beside it.

use rekindle_models::baseline::Baseline;
use rekindle_models::frame::Schema;
use rekindle_models::metrics::{
    Auc, Bin, Bootstrap, Confusion, HistogramBin, Interval, Judged, LIFT_SHARES, Point, Ranked,
    RocPoint, Stakes, log_loss, mean_gain, wilson,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::verdict::{Beaten, By, Evidence, Figures, Limits, Verdict};

/// A model's judgement. Serialised, it is the body of `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Evaluation {
    /// Usable or not, and why.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What was asked of it.
    pub limits: Limits,
    /// Rows judged.
    pub rows: usize,
    /// Rows with the target.
    pub positives: usize,
    /// Share of rows with the target, by weight.
    pub base_rate: Interval,
    /// Predicted positive: `probability >= threshold`.
    pub threshold: f64,
    /// Decisions against the truth.
    pub confusion: Confusion,
    /// FP / (TP + FP), with Wilson's interval; null where nobody is predicted positive.
    pub error_rate: Interval,
    /// FN / (TP + FN), with Wilson's interval.
    pub miss_rate: Interval,
    /// Area under the ROC curve, with DeLong's interval in log odds.
    pub roc_auc: Interval,
    /// Average precision; this and all below with bootstrap intervals.
    pub average_precision: Interval,
    /// Mean log loss.
    pub log_loss: Interval,
    /// Mean squared error of the probability.
    pub brier_score: Interval,
    /// Expected calibration error over ten bins of equal weight.
    pub ece: Interval,
    /// Those bins.
    pub ece_bins: Vec<Bin>,
    /// Times the base rate among the most likely.
    pub lift_at_k: Vec<Lift>,
    /// What the model is compared with.
    pub baselines: Baselines,
    /// How much higher the model's ROC AUC is than the single-feature rule's, by DeLong; each end holds one-sided with the
    /// confidence.
    pub roc_auc_gain: Interval,
    /// What a campaign would bring, where there is one.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub money: Option<Money>,
}

/// What pictures of a judgement are drawn from.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Curves {
    /// What thresholds would do, from the highest on: ROC, precision-recall, gains, lift and the rates by threshold.
    pub thresholds: Vec<Point>,
    /// The ROC curve of the rule on one feature.
    pub rule_roc: Vec<RocPoint>,
    /// How probabilities are spread, by outcome.
    pub histogram: Vec<HistogramBin>,
}

/// Bins of a histogram.
const HISTOGRAM_BINS: usize = 40;

/// What a campaign that contacts those predicted positive would bring, in money per judged row; with bootstrap
/// intervals.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Money {
    /// At the model's threshold.
    pub profit: Interval,
    /// Largest of any threshold, every row with the mean amounts.
    pub mpc: Interval,
    /// The same, in expectation over the share that accepts.
    pub empc: Interval,
    /// Largest of any threshold, every row with its own amounts.
    pub empb: Interval,
    /// What the model is compared with.
    pub money_baselines: MoneyBaselines,
}

/// The same campaign without the model; contacting nobody brings 0.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MoneyBaselines {
    /// When everybody is contacted.
    pub everybody: Interval,
    /// Largest profit of any threshold of the rule on one feature, as `empb`.
    pub rule_empb: Interval,
    /// `mpc` of that rule.
    pub rule_mpc: Interval,
    /// `empc` of that rule.
    pub rule_empc: Interval,
}

/// The lift among some of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Lift {
    /// Share of the weight, most likely first.
    pub share: f64,
    /// Times the base rate.
    pub lift: Interval,
}

/// What a model is compared with.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Baselines {
    /// Everyone gets the base rate of the rows the model was fitted on.
    pub base_rate: BaseRateBaseline,
    /// A rule on one feature.
    pub rule: RuleBaseline,
}

/// Everyone gets the same probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct BaseRateBaseline {
    /// That probability.
    pub probability: f64,
    /// Its ROC AUC: always a half.
    pub roc_auc: f64,
    /// Its log loss.
    pub log_loss: f64,
    /// Its Brier score.
    pub brier_score: f64,
}

/// The best single feature, or the recency rule.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RuleBaseline {
    /// `best single feature` or `recency rule`.
    pub name: String,
    /// The feature.
    pub feature: String,
    /// Its ROC AUC.
    pub roc_auc: Interval,
    /// Its average precision.
    pub average_precision: Interval,
    /// Its error rate when it predicts about as many positive as the model does; null where none.
    pub error_rate: Option<f64>,
    /// Its miss rate then.
    pub miss_rate: Option<f64>,
}

/// What the rows are judged against.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The model's threshold.
    pub threshold: f64,
    /// What the user asks of it.
    pub limits: &'a Limits,
    /// Share of positives among the rows the model was fitted on.
    pub fitted_base_rate: f64,
    /// The name of the rule on one feature, and its feature.
    pub rule: (&'a str, &'a str),
    /// The rule's scores of the judged rows.
    pub rule_scores: &'a [f64],
    /// What the model must beat besides the rule.
    pub rivals: Vec<Rival>,
    /// A campaign's amounts of the judged rows, where there is one.
    pub stakes: Option<&'a Stakes>,
    /// Seed of the bootstrap.
    pub seed: u64,
}

/// What a model must beat.
#[derive(Debug, Clone, PartialEq)]
pub enum Rival {
    /// Everyone gets the base rate: by log loss.
    BaseRate,
    /// Something that ranks rows, with its scores of the judged rows: by ROC AUC.
    Ranking {
        /// In words that follow "than the".
        name: String,
        /// The higher, the likelier.
        scores: Vec<f64>,
    },
}

/// Judges rows (at least one) by their calibrated probabilities. Curves are drawn where both classes are there.
pub fn evaluate(judged: &Judged<'_>, question: &Question<'_>) -> (Evaluation, Option<Curves>) {
    let confidence = question.limits.confidence;
    let confusion = Confusion::at(judged, question.threshold);
    let effective = |keep: &dyn Fn(usize) -> bool| judged.effective_rows(keep);
    let predicted = effective(&|row| judged.probability[row] >= question.threshold);
    let positive = effective(&|row| judged.target[row]);
    let by_wilson = |share: Option<f64>, rows: f64| {
        let Some(value) = share else {
            return Interval { value: f64::NAN, low: f64::NAN, high: f64::NAN };
        };
        let (low, high) = wilson(value, rows, confidence);
        Interval { value, low, high }
    };
    let ranked = Ranked::new(judged);
    let bootstrap = Bootstrap::new(judged, question.seed, confidence);
    // Before the rule's rows are ranked: both at once need more memory.
    let (taken, bounds) = bootstrap.figures_and_bounds(&ranked);
    let by_rule = Judged { probability: question.rule_scores, ..*judged };
    let ranked_by_rule = Ranked::new(&by_rule);
    let (auc, auc_by_rule) = (Auc::new(&ranked), Auc::new(&ranked_by_rule));
    let gain = auc.gain(&auc_by_rule, judged.group, confidence);
    let roc_auc = auc.interval(judged.group, confidence);
    let (rule_name, rule_feature) = question.rule;
    let rule = Beaten { rival: format!("{rule_name}, {rule_feature}"), by: By::RocAuc, gain };
    let others = question.rivals.iter().map(|rival| rival.beaten(judged, &auc, question));
    let evidence = Evidence {
        confusion: &confusion,
        effective_predicted: predicted,
        effective_positive: positive,
        figures: Figures {
            roc_auc: auc.interval(judged.group, 2.0 * confidence - 1.0),
            average_precision: bounds.average_precision,
            ece: bounds.ece,
            log_loss: bounds.log_loss,
            brier_score: bounds.brier_score,
        },
        rivals: std::iter::once(rule).chain(others).collect(),
    };
    let both = judged.positives() > 0 && judged.positives() < judged.len();
    let curves = both.then(|| {
        let stakes = question.stakes.map(|stakes| ranked.stakes(stakes));
        Curves {
            thresholds: ranked.curve(question.threshold, stakes.as_ref(), confidence),
            rule_roc: ranked_by_rule.roc_curve(),
            histogram: ranked.histogram(HISTOGRAM_BINS),
        }
    });
    let lifts = LIFT_SHARES.iter().zip(taken.lift);
    let evaluation = Evaluation {
        verdict: Verdict::judge(&evidence, question.limits),
        limits: question.limits.clone(),
        rows: judged.len(),
        positives: judged.positives(),
        base_rate: by_wilson(Some(judged.base_rate()), effective(&|_| true)),
        threshold: question.threshold,
        error_rate: by_wilson(confusion.error_rate(), predicted),
        miss_rate: by_wilson(confusion.miss_rate(), positive),
        confusion,
        roc_auc,
        average_precision: taken.average_precision,
        log_loss: taken.log_loss,
        brier_score: taken.brier_score,
        ece: taken.ece,
        ece_bins: ranked.bins(confidence),
        lift_at_k: lifts.map(|(&share, lift)| Lift { share, lift }).collect(),
        baselines: Baselines {
            base_rate: base_rate_baseline(judged, question.fitted_base_rate),
            rule: rule_baseline(
                &by_rule,
                &ranked_by_rule,
                (
                    auc_by_rule.interval(judged.group, confidence),
                    bootstrap.average_precision(&ranked_by_rule),
                ),
                question,
                &confusion,
            ),
        },
        roc_auc_gain: gain,
        money: question.stakes.map(|stakes| {
            money(stakes, &bootstrap, (&ranked, &ranked_by_rule), question.threshold)
        }),
    };
    (evaluation, curves)
}

/// What must be beaten, as typed, on the rows judged; `cells` gives the rows' cells of a feature, by its place in the
/// schema.
///
/// # Errors
/// When recency is to be beaten by a model that has no feature of it, or something else is named.
pub fn rivals(
    must_beat: &[String],
    (schema, baseline): (&Schema, &Baseline),
    cells: &dyn Fn(usize) -> Vec<f64>,
    judged: (&[bool], &[f64]),
) -> Result<Vec<Rival>> {
    let of = |name: &String| match name.as_str() {
        "base" => Ok(Some(Rival::BaseRate)),
        // The rule itself, which must be beaten anyway.
        "recency" if baseline.name() == "recency rule" => Ok(None),
        "recency" => recency(schema, cells, judged).map(Some),
        other => Err(Error::BadOptions(format!(
            "must beat {other}: expected recency, base, or (of rekindle evaluate) another model's folder"
        ))),
    };
    must_beat.iter().filter_map(|name| of(name).transpose()).collect()
}

/// Ranking by the days since the last purchase, else since the last event; missing is longer ago than all. Whether the
/// target goes with long or short recency is told by the judged rows themselves, to the rival's advantage.
fn recency(
    schema: &Schema,
    cells: &dyn Fn(usize) -> Vec<f64>,
    (target, weight): (&[bool], &[f64]),
) -> Result<Rival> {
    let place = ["recency_days(purchase)", "recency_days(any)"]
        .iter()
        .find_map(|name| schema.place(name))
        .ok_or_else(|| {
            let why = "must beat recency: the model has no feature recency_days(purchase) or recency_days(any); \
                       name its feature when fitting, with --recency COLUMN";
            Error::BadOptions(why.to_owned())
        })?;
    let days = cells(place);
    let longest = days.iter().copied().filter(|days| days.is_finite()).fold(0.0, f64::max) + 1.0;
    let long: Vec<f64> = days.iter().map(|d| if d.is_nan() { longest } else { *d }).collect();
    let judged = Judged { probability: &long, target, weight, group: None };
    let ranked = Ranked::new(&judged);
    let rising = ranked.roc_auc(ranked.weights()) >= 0.5;
    let scores = if rising { long } else { long.into_iter().map(|days| -days).collect() };
    Ok(Rival::Ranking { name: format!("recency rule, {}", schema.fields()[place].name), scores })
}

impl Rival {
    /// How much better the model is.
    fn beaten(&self, judged: &Judged<'_>, auc: &Auc, question: &Question<'_>) -> Beaten {
        let confidence = question.limits.confidence;
        match self {
            Rival::BaseRate => {
                let base = question.fitted_base_rate;
                let rows = judged.probability.iter().zip(judged.target);
                let apart: Vec<f64> = rows
                    .map(|(&p, &target)| log_loss(base, target) - log_loss(p, target))
                    .collect();
                let gain = mean_gain(&apart, judged.weight, judged.group, confidence);
                Beaten { rival: "base rate".to_owned(), by: By::LogLoss, gain }
            }
            Rival::Ranking { name, scores } => {
                let other = Auc::new(&Ranked::new(&Judged { probability: scores, ..*judged }));
                let gain = auc.gain(&other, judged.group, confidence);
                Beaten { rival: name.clone(), by: By::RocAuc, gain }
            }
        }
    }
}

/// What a campaign would bring, by the model's ranking and by the rule's.
fn money(
    stakes: &Stakes,
    bootstrap: &Bootstrap<'_>,
    (model, rule): (&Ranked, &Ranked),
    threshold: f64,
) -> Money {
    let (ours, theirs) = (model.stakes(stakes), rule.stakes(stakes));
    let by_model = bootstrap.intervals(
        model,
        &[
            &|ranked, weight| ranked.profit_at(&ours, weight, threshold),
            &|ranked, weight| ranked.mpc(&ours, weight),
            &|ranked, weight| ranked.empc(&ours, weight),
            &|ranked, weight| ranked.empb(&ours, weight),
            &|ranked, weight| ranked.profit_at(&ours, weight, f64::NEG_INFINITY),
        ],
    );
    let by_rule = bootstrap.intervals(
        rule,
        &[
            &|ranked, weight| ranked.mpc(&theirs, weight),
            &|ranked, weight| ranked.empc(&theirs, weight),
            &|ranked, weight| ranked.empb(&theirs, weight),
        ],
    );
    Money {
        profit: by_model[0],
        mpc: by_model[1],
        empc: by_model[2],
        empb: by_model[3],
        money_baselines: MoneyBaselines {
            everybody: by_model[4],
            rule_mpc: by_rule[0],
            rule_empc: by_rule[1],
            rule_empb: by_rule[2],
        },
    }
}

fn base_rate_baseline(judged: &Judged<'_>, probability: f64) -> BaseRateBaseline {
    let rate = judged.base_rate();
    let mean = |with: f64, without: f64| rate * with + (1.0 - rate) * without;
    BaseRateBaseline {
        probability,
        roc_auc: 0.5,
        log_loss: mean(log_loss(probability, true), log_loss(probability, false)),
        brier_score: mean((1.0 - probability).powi(2), probability.powi(2)),
    }
}

fn rule_baseline(
    by_rule: &Judged<'_>,
    ranked: &Ranked,
    (roc_auc, average_precision): (Interval, Interval),
    question: &Question<'_>,
    model: &Confusion,
) -> RuleBaseline {
    let cut = model.predicted_positive_rows.checked_sub(1).map(|last| ranked.probability()[last]);
    let decided = cut.map(|cut| Confusion::at(by_rule, cut));
    RuleBaseline {
        name: question.rule.0.to_owned(),
        feature: question.rule.1.to_owned(),
        roc_auc,
        average_precision,
        error_rate: decided.and_then(|d| d.error_rate()),
        miss_rate: decided.and_then(|d| d.miss_rate()),
    }
}

//! How good a model is on rows it has not seen: every figure with its interval, its population and the
//! baselines beside it.

use rekindle_models::metrics::{
    Bin, Bootstrap, Confusion, Interval, Judged, Measure, Ranked, Stakes, effective_rows, wilson,
};
use serde::Serialize;

use crate::verdict::{Evidence, Limits, Verdict};

/// A model's judgement. Serialised, it is the body of `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    /// Area under the ROC curve; this and all below with bootstrap intervals.
    pub roc_auc: Interval,
    /// Average precision.
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
    /// How much higher the model's ROC AUC is than the single-feature rule's, over the same draws;
    /// each end holds one-sided with the confidence.
    pub roc_auc_gain: Interval,
    /// What a campaign would bring, where there is one.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub money: Option<Money>,
}

/// What a campaign that contacts those predicted positive would bring, in money per judged row; with bootstrap
/// intervals.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Lift {
    /// Share of the weight, most likely first.
    pub share: f64,
    /// Times the base rate.
    pub lift: Interval,
}

/// What a model is compared with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Baselines {
    /// Everyone gets the base rate of the rows the model was fitted on.
    pub base_rate: BaseRateBaseline,
    /// A rule on one feature.
    pub rule: RuleBaseline,
}

/// Everyone gets the same probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize)]
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
#[derive(Debug, Clone, Copy)]
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
    /// A campaign's amounts of the judged rows, where there is one.
    pub stakes: Option<&'a Stakes>,
    /// Seed of the bootstrap.
    pub seed: u64,
}

/// Shares of the weight whose lift is shown.
const LIFT_SHARES: [f64; 3] = [0.01, 0.05, 0.10];

/// The figures with bootstrap intervals, in the order in which they are taken apart again.
const MEASURES: [Measure<'_>; 8] = [
    &Ranked::roc_auc,
    &Ranked::average_precision,
    &Ranked::log_loss,
    &Ranked::brier_score,
    &Ranked::ece,
    &|ranked, weight| ranked.lift(weight, LIFT_SHARES[0]),
    &|ranked, weight| ranked.lift(weight, LIFT_SHARES[1]),
    &|ranked, weight| ranked.lift(weight, LIFT_SHARES[2]),
];

/// Judges rows (at least one) by their calibrated probabilities.
pub fn evaluate(judged: &Judged<'_>, question: &Question<'_>) -> Evaluation {
    let confidence = question.limits.confidence;
    let confusion = Confusion::at(judged, question.threshold);
    let effective = |keep: &dyn Fn(usize) -> bool| {
        effective_rows((0..judged.len()).filter(|&row| keep(row)).map(|row| judged.weight[row]))
    };
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
    let by_rule = Judged { probability: question.rule_scores, ..*judged };
    let ranked_by_rule = Ranked::new(&by_rule);
    let bootstrap = Bootstrap::new(judged, question.seed, confidence);
    let gain = bootstrap.auc_gain(&ranked, &ranked_by_rule);
    let taken = bootstrap.intervals(&ranked, &MEASURES);
    let (rule_name, rule_feature) = question.rule;
    let baseline = format!("{rule_name}, {rule_feature},");
    let evidence = Evidence {
        confusion: &confusion,
        effective_predicted: predicted,
        effective_positive: positive,
        auc_gain: gain,
        baseline: &baseline,
    };
    let lift = |(place, &share): (usize, &f64)| Lift { share, lift: taken[5 + place] };
    Evaluation {
        verdict: Verdict::judge(&evidence, question.limits),
        limits: *question.limits,
        rows: judged.len(),
        positives: judged.positives(),
        base_rate: by_wilson(Some(judged.base_rate()), effective(&|_| true)),
        threshold: question.threshold,
        error_rate: by_wilson(confusion.error_rate(), predicted),
        miss_rate: by_wilson(confusion.miss_rate(), positive),
        confusion,
        roc_auc: taken[0],
        average_precision: taken[1],
        log_loss: taken[2],
        brier_score: taken[3],
        ece: taken[4],
        ece_bins: ranked.bins(ranked.weights()),
        lift_at_k: LIFT_SHARES.iter().enumerate().map(lift).collect(),
        baselines: Baselines {
            base_rate: base_rate_baseline(judged, question.fitted_base_rate),
            rule: rule_baseline(&by_rule, &ranked_by_rule, &bootstrap, question, &confusion),
        },
        roc_auc_gain: gain,
        money: question.stakes.map(|stakes| {
            money(stakes, &bootstrap, (&ranked, &ranked_by_rule), question.threshold)
        }),
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
    let same = vec![probability; judged.len()];
    let ranked = Ranked::new(&Judged { probability: &same, ..*judged });
    BaseRateBaseline {
        probability,
        roc_auc: 0.5,
        log_loss: ranked.log_loss(ranked.weights()),
        brier_score: ranked.brier_score(ranked.weights()),
    }
}

fn rule_baseline(
    by_rule: &Judged<'_>,
    ranked: &Ranked,
    bootstrap: &Bootstrap<'_>,
    question: &Question<'_>,
    model: &Confusion,
) -> RuleBaseline {
    let mut scores = by_rule.probability.to_vec();
    scores.sort_by(|a, b| b.total_cmp(a));
    let cut = model.predicted_positive_rows.checked_sub(1).map(|last| scores[last]);
    let decided = cut.map(|cut| Confusion::at(by_rule, cut));
    let taken = bootstrap.intervals(ranked, &MEASURES[..2]);
    RuleBaseline {
        name: question.rule.0.to_owned(),
        feature: question.rule.1.to_owned(),
        roc_auc: taken[0],
        average_precision: taken[1],
        error_rate: decided.and_then(|d| d.error_rate()),
        miss_rate: decided.and_then(|d| d.miss_rate()),
    }
}

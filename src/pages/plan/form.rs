//! The form of a plan: whom, with what, for how much, on what assumptions; what it comes to beside it, and saving it.

use maud::{Markup, html};
use rekindle_models::customer::{LapseTier, LifecycleStage};

use crate::pages::customers::filter_fields;
use crate::pages::plan::typed::{ACTIONS, COLUMNS, RATES, RateField, Typed, Wrong, field};
use crate::pages::search::Search;
use crate::pages::visitor::{FORM_TOKEN, Visitor};
use crate::pages::words::{Said, no_tier};
use crate::population::Population;

/// A form to be shown.
pub struct Form<'a> {
    /// Who sees it.
    pub visitor: &'a Visitor,
    /// The customers there are.
    pub population: &'a Population,
    /// Whom it chooses.
    pub search: &'a Search,
    /// What stands in its other fields.
    pub typed: &'a Typed,
    /// What is wrong with them.
    pub wrong: &'a [Wrong],
    /// What is wrong with the filter.
    pub filter_wrong: Option<&'a str>,
    /// What all that pays would cost: where the slider of the budget ends.
    pub most_spent: f64,
}

impl Form<'_> {
    /// The form with what it comes to.
    pub fn markup(&self, figures: &Markup) -> Markup {
        let texts = &self.visitor.texts().plan;
        html! {
            form.plan method="get" action="/plan" data-plan {
                input type="hidden" name="whom" value="chosen";
                div.plan-fields {
                    section aria-labelledby="money" {
                        h2 #money { (texts.money) }
                        div.fields { (self.money()) (self.worth()) }
                    }
                    (self.whom())
                    (self.actions())
                    section aria-labelledby="watched" {
                        h2 #watched { (texts.watching) }
                        div.fields { (self.control()) (self.alone()) (self.consent()) }
                        (self.rates())
                    }
                    div.actions { button type="submit" { (texts.show) } }
                    (self.saving())
                }
                section.plan-figures aria-labelledby="figures" {
                    h2 #figures { (texts.figures) }
                    p.hidden role="status" data-told {}
                    div data-figures { (figures) }
                }
            }
        }
    }

    fn whom(&self) -> Markup {
        let texts = &self.visitor.texts().plan;
        html! {
            section aria-labelledby="whom" {
                h2 #whom { (texts.whom) }
                @if let Some(wrong) = self.filter_wrong {
                    div.card.bad role="alert" { p { strong { (texts.filter_wrong) } } p lang="en" { (wrong) } }
                }
                p.note { (texts.whom_note) }
                details open[self.filter_wrong.is_some()] {
                    summary { (self.visitor.texts().customers.filter) ": " (self.filtered()) }
                    (filter_fields(self.visitor, self.search, self.population))
                }
            }
        }
    }

    /// The filter in words, as its fields say it.
    fn filtered(&self) -> String {
        let texts = &self.visitor.texts().customers;
        let word = |key: &str, value: &str| match key {
            "tier" => LapseTier::ALL
                .into_iter()
                .find(|tier| tier.text() == value)
                .map_or(no_tier(self.visitor.language), |tier| tier.said(self.visitor.language))
                .to_owned(),
            "grade" => format!("{} {value}", texts.grade),
            _ => value.to_owned(),
        };
        let chosen = self.search.filter_pairs().filter(|(key, _)| *key != "model");
        let words: Vec<String> = chosen.map(|(key, value)| word(key, value)).collect();
        if words.is_empty() { texts.any.to_owned() } else { words.join(" · ") }
    }

    fn actions(&self) -> Markup {
        let texts = &self.visitor.texts().plan;
        let names = [
            texts.action,
            texts.channel,
            texts.offer,
            texts.cost,
            texts.offer_cost,
            texts.most,
            texts.strength,
        ];
        let number = |column: usize| column >= 3;
        html! {
            section aria-labelledby="actions" {
                h2 #actions { (texts.actions) }
                p.note { (texts.actions_note) }
                div.box tabindex="0" role="region" aria-label=(texts.actions) {
                    table.full.inputs {
                        thead { tr {
                            @for (column, name) in names.iter().enumerate() {
                                th.number[number(column)] scope="col" { (name) }
                            }
                        } }
                        tbody {
                            @for row in 1..=ACTIONS {
                                tr {
                                    @for (column, (word, name)) in COLUMNS.iter().zip(names).enumerate() {
                                        @let label = format!("{}: {name}", (texts.row)(&row.to_string()));
                                        td.number[number(column)] { (self.input(&field(word, row), number(column), Some(&label))) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn money(&self) -> Markup {
        let texts = &self.visitor.texts().plan;
        let (top, step) = slider(self.most_spent);
        html! {
            fieldset {
                legend { (texts.budget) " " (self.visitor.currency.as_deref().unwrap_or("")) }
                label { span.hidden { (texts.budget) } (self.input("budget", true, None)) }
                // It is of use with the script alone, which shows it.
                input hidden type="range" data-slides="budget" aria-label=(texts.budget)
                    min="0" max=(top) step=(step) value=(self.typed.get("budget"));
                p.note { (texts.budget_note) }
            }
        }
    }

    fn control(&self) -> Markup {
        let texts = &self.visitor.texts().plan;
        html! {
            fieldset {
                legend { (texts.control) }
                label { span.hidden { (texts.control) } (self.input("control", true, None)) }
                input hidden type="range" data-slides="control" aria-label=(texts.control)
                    min="0" max="50" step="1" value=(self.typed.get("control"));
                p.note { (texts.control_note) }
                label { (texts.watch_days) (self.input("watch_days", true, None)) }
                label { (texts.success) (self.input("success", false, None)) }
            }
        }
    }

    fn worth(&self) -> Markup {
        let texts = &self.visitor.texts().plan;
        let known = self.population.summary.valued > 0;
        let each = self.typed.get("value_of") == "each";
        html! {
            fieldset {
                legend { (texts.worth) }
                @if known || each {
                    label.check {
                        input type="radio" name="value_of" value="one" checked[!each]; " " (texts.worth_one)
                    }
                    label.check {
                        input type="radio" name="value_of" value="each" checked[each]; " " (texts.worth_each)
                    }
                }
                label {
                    (if each { texts.worth_amount_each } else { texts.worth_amount })
                    " " (self.visitor.currency.as_deref().unwrap_or(""))
                    (self.input("value", true, None))
                }
                (self.told("value_of"))
            }
        }
    }

    fn alone(&self) -> Markup {
        let texts = &self.visitor.texts().plan;
        let chosen = self.typed.get("baseline");
        html! {
            fieldset {
                legend { (texts.alone) }
                @if !self.population.scores.is_empty() {
                    label { (texts.baseline)
                        select name="baseline" {
                            option value="" { (texts.baseline_none) }
                            // A model of leaving says the opposite.
                            @for scores in self.population.scores.iter().filter(|scores| !is_of_leaving(&scores.model)) {
                                option value=(scores.model) selected[scores.model == chosen] { (scores.model) }
                            }
                        }
                    }
                    p.note { (texts.baseline_note) }
                }
                (self.told("baseline"))
                label { (texts.base_rate) (self.input("base_rate", true, None)) }
                p.note { (texts.base_rate_note) }
            }
        }
    }

    fn consent(&self) -> Markup {
        let texts = &self.visitor.texts().plan;
        html! {
            fieldset {
                legend { (texts.consent) }
                // A box without a tick is not sent.
                input type="hidden" name="consent" value="no";
                label.check {
                    input type="checkbox" name="consent" value="yes" checked[self.typed.get("consent") == "yes"];
                    " " (texts.consent_yes)
                }
                p.note { (texts.consent_note) }
                (self.told("consent"))
            }
        }
    }

    fn rates(&self) -> Markup {
        let texts = &self.visitor.texts().plan;
        let wrong = RATES.iter().any(|rate| self.wrong_at(rate.key).is_some());
        html! {
            details open[wrong] {
                summary { (texts.rates) }
                p.note { (texts.rates_note) }
                div.fields {
                    fieldset {
                        @for rate in &RATES {
                            label { (self.rate_name(rate)) " %" (self.input(rate.key, true, None)) }
                        }
                    }
                }
            }
        }
    }

    fn rate_name(&self, rate: &RateField) -> String {
        let language = self.visitor.language;
        let stage = rate.stage.said(language);
        match (rate.stage, rate.tier) {
            (LifecycleStage::Lapsed, Some(tier)) => format!("{stage}, {}", tier.said(language)),
            _ => stage.to_owned(),
        }
    }

    fn saving(&self) -> Markup {
        let texts = &self.visitor.texts().plan;
        // The token goes with what is sent to be saved alone, so that no address shows it.
        let save = |start: bool, name: &str| {
            html! {
                button.primary[!start] type="submit" formmethod="post"
                    formaction=(if start { "/plan?start=yes" } else { "/plan" })
                    name=(FORM_TOKEN) value=(self.visitor.form_token) data-saving=(texts.saving) { (name) }
            }
        };
        html! {
            section aria-labelledby="save" {
                h2 #save { (texts.save_title) }
                p.note { (texts.save_what) }
                div.fields {
                    label { (texts.name) (self.input("name", false, None)) }
                    label { (texts.id) (self.input("campaign_id", false, None)) }
                }
                div.actions { (save(false, texts.save)) (save(true, texts.save_start)) }
            }
        }
    }

    fn wrong_at(&self, key: &str) -> Option<&Wrong> {
        self.wrong.iter().find(|wrong| wrong.key == key)
    }

    /// A field, with what is wrong with it. What is no number stays as it was typed, which no field for numbers would do.
    fn input(&self, key: &str, number: bool, label: Option<&str>) -> Markup {
        let wrong = self.wrong_at(key).is_some();
        html! {
            input #(format!("plan-{key}")) type="text" name=(key) value=(self.typed.get(key)) autocomplete="off"
                inputmode=[number.then_some("decimal")] spellcheck="false" aria-label=[label]
                aria-invalid=[wrong.then_some("true")]
                aria-describedby=[wrong.then(|| format!("plan-{key}-wrong"))];
            (self.told(key))
        }
    }

    fn told(&self, key: &str) -> Markup {
        let texts = &self.visitor.texts().plan;
        html! {
            @if let Some(wrong) = self.wrong_at(key) {
                span.bad-text #(format!("plan-{key}-wrong")) { ((texts.wrong)(&wrong.found, &wrong.expected)) }
            }
        }
    }
}

/// Whether a model says who leaves rather than who comes back, by its name.
pub fn is_of_leaving(model: &str) -> bool {
    model.starts_with("churn")
}

/// Where the slider of a budget ends, and its steps: round numbers.
fn slider(most_spent: f64) -> (f64, f64) {
    let rough = (most_spent / 100.0).max(0.01);
    let unit = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * unit).find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * unit);
    ((most_spent / step).ceil().max(1.0) * step, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slider_has_round_steps_and_reaches_the_end() {
        let check = |most, top: f64, step: f64| {
            let (found_top, found_step) = slider(most);
            assert!((found_top - top).abs() < 1e-9 && (found_step - step).abs() < 1e-9, "{most}");
        };
        check(30_978.3, 31_000.0, 500.0);
        check(99.5, 99.5 + 0.5, 1.0);
        check(0.0, 0.01, 0.01);
        check(250_000.0, 250_000.0, 5_000.0);
    }
}

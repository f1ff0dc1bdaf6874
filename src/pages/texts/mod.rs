//! All that pages say, a file for each language. A text that one language lacks does not compile.

mod chinese;
mod english;

use rekindle_models::language::Language;

use crate::error::ApiError;

/// What pages say in a language.
pub struct Texts {
    /// Around every page.
    pub shell: Shell,
    /// Signing in.
    pub sign_in: SignIn,
    /// Errors.
    pub errors: Errors,
    /// Where there is nothing to show.
    pub empty: Empty,
    /// The first page.
    pub overview: Overview,
    /// Lists of customers.
    pub customers: Customers,
    /// One customer.
    pub customer: Customer,
    /// Campaigns.
    pub campaigns: Campaigns,
    /// A file of customers, scored.
    pub score: Score,
}

impl Texts {
    /// Those of a language.
    pub fn of(language: Language) -> &'static Texts {
        match language {
            Language::English => &english::TEXTS,
            Language::Chinese => &chinese::TEXTS,
        }
    }
}

/// Around every page.
pub struct Shell {
    pub described: &'static str,
    pub skip: &'static str,
    pub navigation: &'static str,
    pub overview: &'static str,
    pub customers: &'static str,
    pub plan: &'static str,
    pub campaigns: &'static str,
    pub score: &'static str,
    pub models: &'static str,
    pub to_light: &'static str,
    pub to_dark: &'static str,
    pub sign_out: &'static str,
    pub signed_in_as: fn(&str) -> String,
    /// The name of the table that stands behind a picture.
    pub as_table: &'static str,
    pub not_known: &'static str,
}

/// Signing in.
pub struct SignIn {
    pub title: &'static str,
    pub key: &'static str,
    pub note: &'static str,
    pub sign_in: &'static str,
    pub refused: &'static str,
}

/// Errors.
pub struct Errors {
    pub request: &'static str,
    pub home: &'static str,
    pub not_found: (&'static str, &'static str),
    pub customer: (&'static str, &'static str),
    pub campaign: (&'static str, &'static str),
    pub unauthorized: (&'static str, &'static str),
    pub forbidden: (&'static str, &'static str),
    pub foreign: (&'static str, &'static str),
    pub too_many: (&'static str, &'static str),
    pub busy: (&'static str, &'static str),
    pub no_store: (&'static str, &'static str),
    pub store_away: (&'static str, &'static str),
    pub no_model: (&'static str, &'static str),
    pub bad_input: (&'static str, &'static str),
    pub too_large: (&'static str, &'static str),
    pub conflict: (&'static str, &'static str),
    pub not_audited: (&'static str, &'static str),
    pub internal: (&'static str, &'static str),
}

impl Errors {
    /// What an error is called, and what to do about it.
    pub fn of(&self, error: &ApiError) -> (&'static str, Option<&'static str>) {
        let (title, advice) = match error {
            ApiError::UnknownRoute { .. }
            | ApiError::MethodNotAllowed { .. }
            | ApiError::UnknownModel { .. }
            | ApiError::UnknownVersion { .. } => self.not_found,
            ApiError::UnknownCustomer => self.customer,
            ApiError::UnknownCampaign { .. } => self.campaign,
            ApiError::Unauthorized => self.unauthorized,
            ApiError::Forbidden { .. } => self.forbidden,
            ApiError::ForeignPage => self.foreign,
            ApiError::TooManyRequests { .. } => self.too_many,
            ApiError::Overloaded | ApiError::DeadlineExceeded { .. } | ApiError::Draining => {
                self.busy
            }
            ApiError::NotKept => self.no_store,
            ApiError::StoreAway => self.store_away,
            ApiError::NotReady => self.no_model,
            ApiError::BodyTooLarge { .. } | ApiError::TooManyCustomers { .. } => self.too_large,
            ApiError::Unreceived { .. }
            | ApiError::MalformedJson { .. }
            | ApiError::InvalidQuery { .. }
            | ApiError::ModelNotNamed { .. }
            | ApiError::InvalidFeatures { .. }
            | ApiError::InvalidEvents { .. }
            | ApiError::InvalidPlan { .. }
            | ApiError::NotFromEvents { .. }
            | ApiError::NoReasons { .. }
            | ApiError::InvalidTable { .. }
            | ApiError::UnsupportedMediaType { .. }
            | ApiError::NotAcceptable { .. }
            | ApiError::InvalidRows { .. } => self.bad_input,
            ApiError::VersionRefused { .. } | ApiError::Conflict { .. } => self.conflict,
            ApiError::NotAudited => self.not_audited,
            ApiError::Internal { .. } => self.internal,
        };
        (title, Some(advice))
    }
}

/// Where there is nothing to show.
pub struct Empty {
    pub no_store: &'static str,
    pub no_store_what: &'static str,
    pub no_customers: &'static str,
    pub no_customers_what: &'static str,
    pub no_model: &'static str,
    pub no_model_what: &'static str,
    pub no_campaigns: &'static str,
    pub no_campaigns_what: &'static str,
    pub reading: &'static str,
    pub read_so_far: fn(&str) -> String,
}

/// The first page.
pub struct Overview {
    pub title: &'static str,
    pub as_of: fn(&str, &str) -> String,
    pub as_of_scores: fn(&str) -> String,
    pub moved: fn(&str, &str) -> String,
    pub ask_leaving: &'static str,
    pub ask_leaving_what: fn(&str) -> String,
    pub ask_wake: &'static str,
    pub ask_wake_what: &'static str,
    pub ask_with: &'static str,
    pub ask_with_what: &'static str,
    pub ask_worked: &'static str,
    pub ask_worked_what: &'static str,
    pub tiers: &'static str,
    pub tiers_what: &'static str,
    pub since: fn(&str) -> String,
    pub flow: &'static str,
    pub flow_what: fn(&str, &str) -> String,
    pub flow_none: &'static str,
    pub from: &'static str,
    pub customers: &'static str,
    pub new: &'static str,
    pub stages: &'static str,
    pub stages_what: &'static str,
    pub stage: &'static str,
    pub share: &'static str,
    pub passages: &'static str,
    pub passages_what: fn(&str, &str) -> String,
    pub came_from: &'static str,
    pub value: &'static str,
    pub value_what: &'static str,
    pub no_value: &'static str,
    pub grade: &'static str,
    pub no_grade: &'static str,
    pub historic: &'static str,
    pub predicted: &'static str,
    pub at_risk: &'static str,
    pub at_risk_value: &'static str,
    pub total: &'static str,
    pub models: &'static str,
    pub models_what: &'static str,
    pub model: &'static str,
    pub version: &'static str,
    pub verdict: &'static str,
    pub error_rate: &'static str,
    pub miss_rate: &'static str,
    pub age: &'static str,
    pub days_old: fn(u64) -> String,
    pub drift: &'static str,
    pub drift_none: &'static str,
    pub drift_small: &'static str,
    pub drift_some: &'static str,
    pub drift_large: &'static str,
    pub running: &'static str,
    pub running_what: &'static str,
    pub no_running: &'static str,
}

/// Lists of customers.
pub struct Customers {
    pub title: &'static str,
    pub matched: fn(&str, &str) -> String,
    pub none: &'static str,
    pub none_what: &'static str,
    pub filter: &'static str,
    pub apply: &'static str,
    pub clear: &'static str,
    pub tier: &'static str,
    pub stage: &'static str,
    pub grade: &'static str,
    pub probability: fn(&str) -> String,
    pub predicted: &'static str,
    pub historic: &'static str,
    pub alive: &'static str,
    pub advice: &'static str,
    pub channel: &'static str,
    pub reason: fn(&str) -> String,
    pub reason_short: &'static str,
    pub id: &'static str,
    pub id_starts: &'static str,
    pub was_tier: &'static str,
    pub was_stage: &'static str,
    pub at_least: &'static str,
    pub at_most: &'static str,
    pub any: &'static str,
    pub columns: &'static str,
    pub earlier: &'static str,
    pub later: &'static str,
    pub first: &'static str,
    pub range: fn(&str, &str, &str) -> String,
    pub download: &'static str,
    pub held_out: &'static str,
    pub plan_these: &'static str,
    pub sort_rising: &'static str,
    pub sort_falling: &'static str,
    pub model: &'static str,
}

/// One customer.
pub struct Customer {
    pub title: fn(&str) -> String,
    pub since: fn(&str) -> String,
    pub value: &'static str,
    pub historic: &'static str,
    pub predicted: &'static str,
    pub alive: &'static str,
    pub orders: &'static str,
    pub next_order: &'static str,
    pub between: fn(&str, &str) -> String,
    pub scores: &'static str,
    pub scores_what: &'static str,
    pub no_scores: &'static str,
    pub percentile: fn(u8) -> String,
    pub by_version: fn(&str, u32) -> String,
    pub reasons: &'static str,
    pub reasons_what: &'static str,
    pub no_reasons: &'static str,
    pub raises: &'static str,
    pub lowers: &'static str,
    pub history: &'static str,
    pub history_what: &'static str,
    pub from: &'static str,
    pub until: &'static str,
    pub advice: &'static str,
    pub advice_none: &'static str,
    pub advice_held_out: &'static str,
    pub advice_do: fn(&str, &str) -> String,
    pub expected_profit: &'static str,
    pub contact_on: &'static str,
    pub tried: &'static str,
    pub tried_none: &'static str,
    pub campaign: &'static str,
    pub planned: &'static str,
    pub contacts: &'static str,
    pub outcomes: &'static str,
    pub timeline: &'static str,
    pub timeline_what: &'static str,
    pub timeline_none: &'static str,
    pub when: &'static str,
    pub what: &'static str,
    pub amount: &'static str,
    pub detail: &'static str,
    pub contacted: fn(&str) -> String,
    pub outcome: fn(&str) -> String,
    pub probability: &'static str,
    pub scored: &'static str,
    pub age_days: fn(u64) -> String,
}

/// Campaigns.
pub struct Campaigns {
    pub title: &'static str,
    pub what: &'static str,
    pub name: &'static str,
    pub state: &'static str,
    pub made: &'static str,
    pub started: &'static str,
    pub finished: &'static str,
    pub day: fn(u32, u32) -> String,
    pub effect: &'static str,
    pub profit: &'static str,
    pub too_early: &'static str,
    pub computing: &'static str,
    pub assumed: &'static str,
    pub learned: &'static str,
    pub plan_one: &'static str,
    pub concluded: &'static str,
    pub not_concluded: &'static str,
    pub cautions: [&'static str; 3],
    pub contacted: &'static str,
    pub control: &'static str,
    pub cost: &'static str,
    pub expected_profit: &'static str,
    pub contacts: &'static str,
    pub outcomes: &'static str,
    pub group: &'static str,
    pub all: &'static str,
    pub by_action: &'static str,
    pub by_tier: &'static str,
    pub by_grade: &'static str,
    pub response_treated: &'static str,
    pub response_control: &'static str,
    pub difference: &'static str,
    pub profit_total: &'static str,
    pub over_time: &'static str,
    pub over_time_what: fn(&str) -> String,
    pub day_axis: &'static str,
    pub lists: &'static str,
    pub lists_what: &'static str,
    pub lists_later: &'static str,
    pub start: &'static str,
    pub start_what: &'static str,
    pub finish: &'static str,
    pub finish_what: &'static str,
    pub upload: &'static str,
    pub upload_what: &'static str,
    pub upload_contacts: &'static str,
    pub upload_outcomes: &'static str,
    pub send: &'static str,
    pub recorded: fn(&str, &str, &str) -> String,
    pub refused: &'static str,
    pub settings: &'static str,
    pub budget: &'static str,
    pub no_budget: &'static str,
    pub control_share: &'static str,
    pub watch_days: &'static str,
    pub as_of: fn(&str) -> String,
    pub not_reached: fn(&str) -> String,
    pub contacted_controls: fn(&str) -> String,
}

/// A file of customers, scored.
pub struct Score {
    pub title: &'static str,
    pub what: &'static str,
    pub model: &'static str,
    pub drop: &'static str,
    pub limit: fn(&str) -> String,
    pub send: &'static str,
    pub sending: &'static str,
    pub scoring: &'static str,
    pub broke_off: &'static str,
    pub too_long: fn(&str) -> String,
    pub how: &'static str,
    pub steps: [&'static str; 4],
    pub expected: fn(&str, &str) -> String,
    pub id_is: fn(&str) -> String,
    pub no_id: &'static str,
    pub column: &'static str,
    pub kind: &'static str,
    pub number: &'static str,
    pub boolean: &'static str,
    pub date: fn(&str) -> String,
    pub levels: fn(&str) -> String,
    pub and_more: fn(&str) -> String,
    pub refused: &'static str,
    pub no_file: &'static str,
    pub empty: &'static str,
    pub packed: &'static str,
    pub binary: &'static str,
    pub separator: &'static str,
    pub no_rows: &'static str,
    pub all_wrong: &'static str,
    pub model_gone: fn(&str) -> String,
    pub too_large: fn(&str) -> String,
    pub no_table: &'static str,
    pub twice: &'static str,
    pub scored_by: fn(&str, u32, &str) -> String,
    pub this_file: &'static str,
    pub download: &'static str,
    pub another: &'static str,
    pub kept: fn(u64) -> String,
    pub gone: (&'static str, &'static str),
    pub incomplete: &'static str,
    pub rows: &'static str,
    pub failed: &'static str,
    pub positives: &'static str,
    pub positives_what: fn(&str) -> String,
    pub tiers: &'static str,
    pub columns: &'static str,
    pub recognised: &'static str,
    pub recognised_of: fn(&str, &str) -> String,
    pub missing: &'static str,
    pub missing_what: &'static str,
    pub unknown: &'static str,
    pub unknown_what: &'static str,
    pub meant: fn(&str) -> String,
    pub ignored: &'static str,
    pub ignored_what: &'static str,
    pub without_id: fn(&str) -> String,
    pub new_levels: fn(&str) -> String,
    pub wrong: &'static str,
    pub wrong_what: &'static str,
    pub wrong_first: fn(&str, &str) -> String,
    pub line: &'static str,
    pub found: &'static str,
    pub should: &'static str,
    pub whole_line: &'static str,
    pub preview: &'static str,
    pub preview_what: fn(&str) -> String,
    pub probability: &'static str,
    pub percentile: &'static str,
    pub positive: &'static str,
    pub yes: &'static str,
    pub no: &'static str,
    pub reason: &'static str,
    pub no_reasons: &'static str,
    pub no_advice: &'static str,
}

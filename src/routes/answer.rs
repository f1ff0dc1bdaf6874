//! From a request's body to its answer: small ones where they arrive, larger ones on other threads. The same for every
//! protocol.

use std::sync::Arc;

use actix_web::web;
use rekindle_models::language::Language;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::error::ApiError;
use crate::heavy::Deadline;
use crate::scoring::{self, Choice, ReadCustomers, Scored, Why};
use crate::state::AppState;

/// Which models are asked, and whether they say why.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ScoreQuery {
    /// The model; not needed where there is one only.
    #[param(example = "churn")]
    pub model: Option<String>,
    /// Several models in the place of one, with commas between.
    #[param(example = "churn,repaid")]
    pub models: Option<String>,
    /// A version of the model, in the place of the one in force.
    pub version: Option<u32>,
    /// Most reasons of a customer, up to 20; without it none is told.
    #[serde(default)]
    #[param(maximum = 20)]
    pub reasons: u8,
    /// The language of reasons: `en` or `zh`.
    #[serde(default)]
    #[param(value_type = String, example = "en")]
    pub language: Language,
}

impl ScoreQuery {
    /// Whether several models are asked for by name: the answer has then another form.
    pub fn asks_several(&self) -> bool {
        self.models.is_some()
    }

    /// What reasons are asked for.
    ///
    /// # Errors
    /// When there are too many.
    pub fn why(&self) -> Result<Why, ApiError> {
        Why::new(self.reasons, self.language)
    }

    /// Who answers.
    ///
    /// # Errors
    /// When a model or version is not there, or the question is no sound one.
    pub async fn choices(
        &self,
        state: &web::Data<AppState>,
        deadline: Deadline,
    ) -> Result<Vec<Choice>, ApiError> {
        let wrong = |reason: &str| Err(ApiError::InvalidQuery { reason: reason.to_owned() });
        match (&self.models, &self.model, self.version) {
            (Some(_), Some(_), _) => wrong("it has model and models, expected one of them"),
            (Some(_), _, Some(_)) => wrong("it has models and version; a version is of one model"),
            (Some(names), None, None) => {
                let names: Vec<&str> = names.split(',').map(str::trim).collect();
                if names.iter().enumerate().any(|(i, name)| names[..i].contains(name)) {
                    return wrong("models names one twice, expected each once");
                }
                let find = |name: &&str| state.models.find(Some(name)).map(Choice::Served);
                names.iter().map(find).collect()
            }
            (None, name, version) => {
                choice(state, deadline, name.as_deref(), version).await.map(|one| vec![one])
            }
        }
    }
}

/// Who answers for a model: what is in force, or the version that is named.
///
/// # Errors
/// When it is not there, or damaged.
pub async fn choice(
    state: &web::Data<AppState>,
    deadline: Deadline,
    name: Option<&str>,
    version: Option<u32>,
) -> Result<Choice, ApiError> {
    let served = state.models.find(name)?;
    let Some(version) = version else { return Ok(Choice::Served(served)) };
    if let Some(choice) = state.models.in_memory(&served, version) {
        return Ok(choice);
    }
    let (models, name) = (Arc::clone(&state.models), served.current.name().to_owned());
    state.heavy.run(deadline, move || models.read_version(&name, version)).await?
}

/// Longest body that is parsed in place: about a tenth of a millisecond, and above the 12 KB of a
/// customer with 500 features.
const SMALL_BODY: usize = 32 << 10;
/// Most customers that are scored in place, at up to about 0.1 ms each for a large forest.
const FEW: usize = 8;

/// What answers a request: who is asked, and until when.
pub struct Asked {
    /// Until when.
    pub deadline: Deadline,
    /// Who; at least one.
    pub choices: Vec<Choice>,
    /// Whether reasons are told.
    pub why: Why,
}

impl Asked {
    /// Reads the customers of a body of `bytes` for every model, scores them, and writes the answer.
    ///
    /// # Errors
    /// What the reader or the writer says; too much to do, or too late.
    pub async fn answer<R: ReadCustomers>(
        self,
        state: &web::Data<AppState>,
        bytes: usize,
        reader: R,
        write: impl FnOnce(Vec<Scored>) -> Result<Vec<u8>, ApiError> + Send + 'static,
    ) -> Result<Vec<u8>, ApiError> {
        let Asked { deadline, choices, why } = self;
        let reader = Arc::new(reader);
        if bytes > SMALL_BODY || choices.len() > 1 {
            let data = state.clone();
            let work = move || {
                let scored = choices.iter().map(|choice| {
                    let customers = reader.read(choice.model())?;
                    Ok(scoring::score(choice, customers, &reader, &data.shadows, &data.counters))
                });
                write(scored.collect::<Result<_, ApiError>>()?)
            };
            return state.heavy.run(deadline, work).await?;
        }
        let choice = &choices[0];
        let customers = reader.read(choice.model())?;
        if customers.ids.len() <= FEW && why.reasons == 0 {
            let scored =
                scoring::score(choice, customers, &reader, &state.shadows, &state.counters);
            return write(vec![scored]);
        }
        let data = state.clone();
        let work = move || {
            let choice = &choices[0];
            write(vec![scoring::score(choice, customers, &reader, &data.shadows, &data.counters)])
        };
        state.heavy.run(deadline, work).await?
    }
}

//! What is done with a model's versions: put in force, rolled back, tried as shadow or canary.

use actix_web::{HttpResponse, web};

use crate::error::ApiError;
use crate::pages::frame;
use crate::pages::posted::Posted;
use crate::pages::visitor::Visitor;
use crate::registry::Change;
use crate::rollouts;
use crate::state::AppState;

/// What a page of a model can ask for: the last parts of the paths.
pub const ACTIONS: &str = "promote|rollback|shadow|end-shadow|canary|end-canary";

/// Does it, and goes back to the model.
pub async fn act(
    state: web::Data<AppState>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let posted = Posted::read(&state, &visitor, body).await?;
    let (name, action) = path.into_inner();
    let (action, change) = change(&action, &posted)?;
    let served = rollouts::changed(&state, visitor.asker(), name, action, change).await?;
    Ok(frame::see(&format!("/models/{}", served.current.name())))
}

/// The audit log's word for an action, and what it does.
fn change(action: &str, posted: &Posted) -> Result<(&'static str, Change), ApiError> {
    match action {
        "promote" => Ok(("promote", Change::Promote(version(posted)?))),
        "rollback" => Ok(("rollback", Change::Rollback)),
        "shadow" => Ok(("shadow", Change::Shadow(Some(version(posted)?)))),
        "end-shadow" => Ok(("end-shadow", Change::Shadow(None))),
        "canary" => {
            let share = rollouts::share(number::<f64>(posted, "percent")? / 100.0)?;
            Ok(("canary", Change::Canary(Some((version(posted)?, share)))))
        }
        "end-canary" => Ok(("end-canary", Change::Canary(None))),
        _ => Err(ApiError::UnknownRoute { path: action.chars().take(80).collect() }),
    }
}

fn version(posted: &Posted) -> Result<u32, ApiError> {
    number(posted, "version")
}

fn number<T: std::str::FromStr>(posted: &Posted, name: &str) -> Result<T, ApiError> {
    let text = posted.get(name).unwrap_or_default().trim();
    text.parse().map_err(|_| {
        let found: String = text.chars().take(80).collect();
        ApiError::InvalidQuery { reason: format!("{name} is {found:?}, expected a number") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_what_is_done() {
        let posted = Posted::of(&[("version", "3"), ("percent", "12.5")]);
        let check = |action: &str, expected| {
            assert_eq!(change(action, &posted).unwrap(), (action, expected));
        };
        check("promote", Change::Promote(3));
        check("rollback", Change::Rollback);
        check("shadow", Change::Shadow(Some(3)));
        check("end-shadow", Change::Shadow(None));
        check("canary", Change::Canary(Some((3, 0.125))));
        check("end-canary", Change::Canary(None));
        let none = Posted::of(&[("version", "x"), ("percent", "100")]);
        ACTIONS
            .split('|')
            .filter(|action| !action.contains("end") && *action != "rollback")
            .for_each(|action| {
                assert!(matches!(change(action, &none), Err(ApiError::InvalidQuery { .. })))
            });
    }
}

//! The pages for people: who is leaving, whom to wake, with what, and whether it worked. HTML made here, from the same
//! answers as the API gives; they work without scripts wherever they can, and load nothing from elsewhere.
//!
//! [`visitor`] stands before every page, [`frame`] around it; `texts` holds all words, a file for each language, [`locale`]
//! writes numbers, dates and money. Then a file for each page.

mod charts;
mod frame;
mod judged;
mod locale;
mod texts;
mod visitor;
mod words;

mod assets;
mod beside;
mod chosen;
mod empty;
mod posted;
mod search;
mod uploaded;

mod campaign;
mod campaign_acts;
mod compare;
mod customer;
mod customers;
mod model_acts;
mod models;
mod overview;
mod plan;
mod score;
mod scored;
mod sign_in;

use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, Responder};

use crate::keys::Scope;
use crate::pages::visitor::{Needs, admit};
use crate::routes;

/// Every page.
pub fn urls(app: &mut ServiceConfig) {
    get(app, "/assets/{file}", Needs::Nothing, assets::asset);
    both(app, "/sign-in", (Needs::Nothing, sign_in::form), (Needs::Nothing, sign_in::sign_in));
    post(app, "/sign-out", Needs::Nothing, sign_in::sign_out);
    get(app, "/choose", Needs::Nothing, chosen::choose);
    let read = Needs::Any(&[Scope::Read]);
    get(app, "/", read, overview::page);
    get(app, "/customers", read, customers::page);
    get(app, "/customers.csv", Needs::Any(&[Scope::Plan]), customers::csv);
    get(app, "/customers/{id:.*}", read, customer::page);
    let plan = Needs::Any(&[Scope::Plan]);
    both(app, "/plan", (plan, plan::page), (plan, plan::save));
    get(app, "/plan/figures", plan, plan::figures);
    // Who plans sees what came of it.
    let campaigns = Needs::Any(&[Scope::Read, Scope::Plan]);
    get(app, "/campaigns", campaigns, campaign::list);
    post(app, "/campaigns/{id}/start", plan, campaign_acts::start);
    post(app, "/campaigns/{id}/finish", plan, campaign_acts::finish);
    post(app, "/campaigns/{id}/contacts", plan, campaign_acts::contacts);
    post(app, "/campaigns/{id}/outcomes", plan, campaign_acts::outcomes);
    get(app, "/campaigns/{id}/list.csv", plan, routes::spreadsheet_list);
    get(app, "/campaigns/{id}", campaigns, campaign::page);
    get(app, "/models", read, models::list);
    get(app, "/models/{name}/compare", read, compare::page);
    get(app, "/models/{name}/{version}/report", read, models::report);
    let act = format!("/models/{{name}}/{{action:{}}}", model_acts::ACTIONS);
    post(app, &act, Needs::Any(&[Scope::Admin]), model_acts::act);
    get(app, "/models/{name}", read, models::page);
    let score = Needs::Any(&[Scope::Score]);
    both(app, "/score", (score, score::form), (score, score::send));
    get(app, "/score/files/{name}", score, score::download);
}

/// A page that is looked at.
fn get<F, Args>(app: &mut ServiceConfig, path: &str, needs: Needs, handler: F)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let admit = from_fn(move |request, next| admit(needs, request, next));
    let resource = web::resource(path.to_owned()).default_service(web::to(routes::get_only));
    app.service(resource.route(routes::read(handler)).wrap(admit));
}

/// A page that something is sent to.
fn post<F, Args>(app: &mut ServiceConfig, path: &str, needs: Needs, handler: F)
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let admit = from_fn(move |request, next| admit(needs, request, next));
    let resource = web::resource(path.to_owned()).default_service(web::to(routes::post_only));
    app.service(resource.route(web::post().to(handler)).wrap(admit));
}

/// A page that is looked at, and that something is sent to.
fn both<G, P, Looking, Sending>(
    app: &mut ServiceConfig,
    path: &str,
    (to_look, look): (Needs, G),
    (to_send, send): (Needs, P),
) where
    G: Handler<Looking>,
    P: Handler<Sending>,
    Looking: FromRequest + 'static,
    Sending: FromRequest + 'static,
    G::Output: Responder + 'static,
    P::Output: Responder + 'static,
{
    let admit = from_fn(move |request: actix_web::dev::ServiceRequest, next| {
        let needs = if request.method() == "POST" { to_send } else { to_look };
        admit(needs, request, next)
    });
    let resource = web::resource(path.to_owned()).default_service(web::to(routes::get_or_post));
    app.service(resource.route(routes::read(look)).route(web::post().to(send)).wrap(admit));
}

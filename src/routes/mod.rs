//! The handlers, one noun each, and the table of URLs.

mod answer;
mod batch;
mod campaigns;
mod customers;
mod document;
mod events;
mod health;
mod inference;
mod invocations;
mod metrics;
mod missing;
mod models;
mod reactivation;
mod receive;
mod score;

use actix_web::guard::{Any, Get, Head};
use actix_web::web::{self, ServiceConfig};
use actix_web::{FromRequest, Handler, Responder, Route};

pub use campaigns::spreadsheet_list;
pub use missing::{get as get_only, get_or_post, path, post as post_only, query};

/// Every URL of the service.
pub fn urls(app: &mut ServiceConfig) {
    let get = |path: &str| web::resource(path.to_owned()).default_service(web::to(missing::get));
    let post = |path: &str| web::resource(path.to_owned()).default_service(web::to(missing::post));
    app.service(post("/v1/score").route(web::post().to(score::score)))
        .service(post("/v1/score/events").route(web::post().to(events::score_events)))
        .service(post("/v1/score/batch").route(web::post().to(batch::score_batch)))
        .service(post("/v1/reactivation/plan").route(web::post().to(reactivation::plan)))
        .configure(of_campaigns)
        .service(get("/v1/customers/{id}").route(read(customers::show)))
        .service(get("/v1/models").route(read(models::list)));
    let of_version =
        |action: &str| post(&format!("/v1/models/{{name}}/versions/{{version}}:{action}"));
    app.service(of_version("promote").route(web::post().to(models::promote)))
        .service(of_version("shadow").route(web::post().to(models::shadow)))
        .service(of_version("canary").route(web::post().to(models::canary)));
    let of_model = |action: &str| post(&format!("/v1/models/{{name}}:{action}"));
    app.service(of_model("rollback").route(web::post().to(models::rollback)))
        .service(of_model("end-shadow").route(web::post().to(models::end_shadow)))
        .service(of_model("end-canary").route(web::post().to(models::end_canary)))
        .service(get("/v1/models/{name}").route(read(models::show)));
    let model = "/v2/models/{name}";
    let version = "/v2/models/{name}/versions/{version}";
    app.service(get("/v2").route(read(inference::server)))
        .service(get("/v2/health/live").route(read(inference::live)))
        .service(get("/v2/health/ready").route(read(inference::ready)))
        .service(get(model).route(read(inference::model)))
        .service(get(&format!("{model}/ready")).route(read(inference::model_ready)))
        .service(post(&format!("{model}/infer")).route(web::post().to(inference::infer)))
        .service(get(version).route(read(inference::model_version)))
        .service(get(&format!("{version}/ready")).route(read(inference::version_ready)))
        .service(post(&format!("{version}/infer")).route(web::post().to(inference::infer_version)))
        .service(post("/invocations").route(web::post().to(invocations::invocations)))
        .service(get("/ping").route(read(invocations::ping)))
        .service(get("/health").route(read(invocations::health)))
        .service(get("/version").route(read(invocations::version)))
        .service(get("/openapi.json").route(read(document::openapi)))
        .service(get("/docs/{file:.*}").route(read(document::docs)))
        .service(web::redirect("/docs", "/docs/"))
        .configure(monitor)
        .default_service(web::to(missing::route));
}

/// The URLs of campaigns.
fn of_campaigns(app: &mut ServiceConfig) {
    let get = |path: &str| web::resource(path.to_owned()).default_service(web::to(missing::get));
    let post = |path: &str| web::resource(path.to_owned()).default_service(web::to(missing::post));
    let all = web::resource("/v1/campaigns").default_service(web::to(missing::get_or_post));
    let one = "/v1/campaigns/{id}";
    app.service(all.route(read(campaigns::list)).route(web::post().to(campaigns::make)))
        .service(post(&format!("{one}:start")).route(web::post().to(campaigns::start)))
        .service(post(&format!("{one}:finish")).route(web::post().to(campaigns::finish)))
        .service(post(&format!("{one}:deliver")).route(web::post().to(campaigns::deliver)))
        .service(get(&format!("{one}/list")).route(read(campaigns::contact_list)))
        .service(post(&format!("{one}/contacts")).route(web::post().to(campaigns::record_contacts)))
        .service(post(&format!("{one}/outcomes")).route(web::post().to(campaigns::record_outcomes)))
        .service(get(&format!("{one}/effect")).route(read(campaigns::effect)))
        .service(get(one).route(read(campaigns::show)));
}

/// GET, and HEAD: the same without the body.
pub fn read<F, Args>(handler: F) -> Route
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::route().guard(Any(Get()).or(Head())).to(handler)
}

/// The URLs that are answered on a thread of their own as well.
pub fn monitor(app: &mut ServiceConfig) {
    let get = |path: &str| web::resource(path.to_owned()).default_service(web::to(missing::get));
    app.service(get("/health/live").route(read(health::live)))
        .service(get("/health/ready").route(read(health::ready)))
        .service(get("/metrics").route(read(metrics::metrics)));
}

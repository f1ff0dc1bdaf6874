//! Pages with nothing to show yet: what to do next.

use actix_web::HttpResponse;
use maud::{Markup, html};

use crate::pages::frame::{self, Section};
use crate::pages::locale::count;
use crate::pages::visitor::Visitor;
use crate::state::AppState;

/// How long until a page whose customers are being read is looked at again.
const AGAIN_SECONDS: u32 = 2;

/// No customers in memory: there is no store, or it is being read.
pub fn no_people(state: &AppState, visitor: &Visitor, section: Section) -> HttpResponse {
    let texts = &visitor.texts().empty;
    if state.kept.is_none() {
        let commands =
            ["rekindle demo", "rekindle-server --registry demo/registry --store demo/customers.db"];
        let body = told(texts.no_store, texts.no_store_what, &commands);
        return frame::page(visitor, section, texts.no_store, body);
    }
    let parts = state.faults.parts();
    if parts.contains(&"store") || parts.contains(&"customers") {
        return frame::error(visitor, &crate::error::ApiError::StoreAway);
    }
    let body = html! {
        div.empty aria-live="polite" {
            h1 { (texts.reading) }
            progress {}
            p { ((texts.read_so_far)(&count(state.people.met()))) }
        }
    };
    frame::page_that(visitor, section, texts.reading, Some(AGAIN_SECONDS), body)
}

/// A store without customers.
pub fn no_customers(visitor: &Visitor, section: Section) -> HttpResponse {
    let texts = &visitor.texts().empty;
    let commands = [
        "rekindle value rekindle.toml --store customers.db",
        "rekindle score registry/churned snapshots.parquet --store customers.db --reasons 3",
    ];
    let body = told(texts.no_customers, texts.no_customers_what, &commands);
    frame::page(visitor, section, texts.no_customers, body)
}

/// A registry without a model, as a part of a page.
pub fn no_model(visitor: &Visitor) -> Markup {
    let texts = &visitor.texts().empty;
    let commands = ["rekindle init 'events/*.csv'", "rekindle run -o registry/"];
    html! { section { (told(texts.no_model, texts.no_model_what, &commands)) } }
}

fn told(title: &str, what: &str, commands: &[&str]) -> Markup {
    html! {
        div.empty {
            h2 { (title) }
            p { (what) }
            pre tabindex="0" { code { @for command in commands { (command) "\n" } } }
        }
    }
}

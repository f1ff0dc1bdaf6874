//! The floor that the service is measured against: an actix handler that parses the customer's
//! JSON with serde_json into a vector of numbers, and knows nothing of models, kinds or errors.
//! `bare WORKERS PORT`

use std::borrow::Cow;
use std::fmt;

use actix_web::{App, HttpResponse, HttpServer, web};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A number, or the length of a text, or NaN.
struct Number(f64);

/// The values of an object, in the order they come.
struct Numbers(Vec<f64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, text or null")
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Number, E> {
        Ok(Number(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Number, E> {
        Ok(Number(value as f64))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Number, E> {
        Ok(Number(value.len() as f64))
    }

    fn visit_unit<E: Error>(self) -> Result<Number, E> {
        Ok(Number(f64::NAN))
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Numbers, D::Error> {
        deserializer.deserialize_map(NumbersVisitor)
    }
}

struct NumbersVisitor;

impl<'de> Visitor<'de> for NumbersVisitor {
    type Value = Numbers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Numbers, A::Error> {
        let mut numbers = Vec::with_capacity(512);
        while object.next_key::<Cow<'de, str>>()?.is_some() {
            numbers.push(object.next_value::<Number>()?.0);
        }
        Ok(Numbers(numbers))
    }
}

async fn parse(body: web::Bytes) -> HttpResponse {
    match serde_json::from_slice::<Numbers>(&body) {
        Ok(Numbers(numbers)) => {
            let sum: f64 = numbers.iter().filter(|number| !number.is_nan()).sum();
            HttpResponse::Ok()
                .content_type("application/json")
                .body(format!("{{\"probability\":{sum}}}"))
        }
        Err(error) => HttpResponse::BadRequest().body(error.to_string()),
    }
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse().expect("bare WORKERS PORT"));
    let mut next = || arguments.next().expect("bare WORKERS PORT");
    let (workers, port): (u16, u16) = (next(), next());
    actix_web::rt::System::new().block_on(async {
        HttpServer::new(|| App::new().route("/v1/score", web::post().to(parse)))
            .workers(workers.into())
            .bind(("127.0.0.1", port))?
            .run()
            .await
    })
}

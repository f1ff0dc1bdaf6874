//! The real application on a free port, with a registry of small models.

use std::sync::mpsc;
use std::thread;

use actix_web::dev::ServerHandle;
use rekindle::settings::{Flags, Settings};
use rekindle::startup::Service;
use rekindle_models::artifact::{Artifact, Registry};
use serde_json::Value;
use tempfile::TempDir;

use crate::small_model;

/// A running service; it stops when this is dropped.
pub struct App {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// Its registry.
    pub registry: TempDir,
    agent: ureq::Agent,
    handle: ServerHandle,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub text: String,
    pub headers: Vec<(String, String)>,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// The `code` of an error, after checking that its body is one.
    pub fn code(&self) -> String {
        let body = self.json();
        let keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["code", "details", "message"], "{body}");
        body["code"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// A row of a CSV table as a request has it.
pub fn customer(header: &csv::StringRecord, row: &csv::StringRecord) -> Value {
    let cell = |(name, text): (&str, &str)| {
        let value = match text {
            "" => Value::Null,
            "true" | "false" => Value::Bool(text == "true"),
            _ => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
        };
        (name.to_owned(), value)
    };
    Value::Object(header.iter().zip(row).map(cell).collect())
}

/// A registry with a promoted version of each model.
pub fn registry_of(models: &[Artifact]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::create(folder.path()).unwrap();
    for model in models {
        let version = registry.add(model, &[]).unwrap();
        registry.promote(&model.manifest.model_name, version).unwrap();
    }
    folder
}

/// The service with one model, `churn`.
pub fn spawn_app() -> App {
    spawn_app_with(registry_of(&[small_model::artifact("churn", 0.0)]), |_| {})
}

/// The service with a registry and changed settings.
pub fn spawn_app_with(registry: TempDir, change: impl FnOnce(&mut Settings)) -> App {
    let flags = Flags {
        registry: Some(registry.path().to_str().unwrap().to_owned()),
        listen: Some("127.0.0.1:0".to_owned()),
        registry_poll_seconds: Some(1),
        workers: Some(2),
        shutdown_timeout_seconds: Some(1),
        ..Flags::default()
    };
    let mut settings = Settings::resolve(&flags).unwrap();
    change(&mut settings);
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let service = Service::start(&settings).unwrap();
            tell.send((service.address(), service.handle())).unwrap();
            service.run().await.unwrap();
        });
    });
    let (address, handle) = told.recv().unwrap();
    let config = ureq::Agent::config_builder().http_status_as_error(false).build();
    App { url: format!("http://{address}"), registry, agent: config.into(), handle }
}

impl App {
    /// POST of a body that says it is a form, as `curl -d` does.
    pub fn post(&self, path: &str, body: &str) -> Answer {
        let request = self.agent.post(format!("{}{path}", self.url));
        answer(request.content_type("application/x-www-form-urlencoded").send(body).unwrap())
    }

    pub fn get(&self, path: &str) -> Answer {
        answer(self.agent.get(format!("{}{path}", self.url)).call().unwrap())
    }

    /// GET with a request id of the client's own.
    pub fn get_as(&self, path: &str, id: &str) -> Answer {
        let request = self.agent.get(format!("{}{path}", self.url));
        answer(request.header("x-request-id", id).call().unwrap())
    }

    pub fn delete(&self, path: &str) -> Answer {
        answer(self.agent.delete(format!("{}{path}", self.url)).call().unwrap())
    }

    /// POST to `/v1/score` that is answered.
    pub fn score(&self, body: &str) -> Value {
        let answer = self.post("/v1/score", body);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // The command is sent at once; nobody waits for the end.
        drop(self.handle.stop(false));
    }
}

fn answer(mut response: ureq::http::Response<ureq::Body>) -> Answer {
    let headers = response.headers().iter();
    let headers = headers.map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
    Answer {
        status: response.status().as_u16(),
        text: response.body_mut().read_to_string().unwrap(),
        headers,
    }
}

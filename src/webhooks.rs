//! Other programs that take lists of campaigns, as signed requests. What is sent when is not decided here.
//!
//! Requests follow Standard Webhooks (https://www.standardwebhooks.com): `webhook-id` is the same whenever a page is sent
//! again, `webhook-signature` is `v1,` and the HMAC-SHA256 of `id.timestamp.body` in Base64.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rekindle_store::Delivery;
use reqwest::header::RETRY_AFTER;
use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use url::Url;

use crate::campaigns::{ListRow, now_micros};
use crate::error::ApiError;
use crate::settings::Secret;

/// How long a program may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The programs that lists may be sent to, by name.
pub struct Webhooks {
    hooks: BTreeMap<String, Webhook>,
    client: reqwest::Client,
}

/// A program that takes lists.
struct Webhook {
    url: Url,
    key: Vec<u8>,
}

/// As it stands in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: String,
    secret: Secret,
}

impl Webhooks {
    /// Reads a file: a table for each program, with `url` and `secret` (`whsec_` and 24 to 64 bytes in Base64).
    ///
    /// # Errors
    /// When it cannot be read, or an entry is not as expected.
    pub fn open(path: &Path) -> anyhow::Result<Webhooks> {
        let wrong = |reason: String| anyhow::anyhow!("webhooks file {}: {reason}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        // The parser's own message would show the line, and with it a secret.
        let entries: BTreeMap<String, Entry> = toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |at| text[..at.start].matches('\n').count() + 1);
            wrong(format!("line {line}: {}", error.message()))
        })?;
        let mut hooks = BTreeMap::new();
        for (name, entry) in entries {
            let hook =
                Webhook::new(&entry).map_err(|reason| wrong(format!("[{name}] {reason}")))?;
            hooks.insert(name, hook);
        }
        let client =
            reqwest::Client::builder().timeout(PATIENCE).redirect(Policy::none()).build()?;
        Ok(Webhooks { hooks, client })
    }

    /// That there is a program of this name.
    ///
    /// # Errors
    /// When there is none: which there are.
    pub fn check(&self, name: &str) -> Result<(), ApiError> {
        match self.hooks.contains_key(name) {
            true => Ok(()),
            false => Err(ApiError::InvalidQuery {
                reason: format!(
                    "webhook is {name:?}, expected one of the settings: {}",
                    self.hooks.keys().cloned().collect::<Vec<_>>().join(", ")
                ),
            }),
        }
    }
}

impl Webhook {
    fn new(entry: &Entry) -> Result<Webhook, String> {
        let url = Url::parse(&entry.url).map_err(|error| format!("url: {error}"))?;
        let loopback = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if !(url.scheme() == "https" || url.scheme() == "http" && loopback) {
            return Err(format!(
                "url: found {}://, expected https://; http:// is for this machine alone",
                url.scheme()
            ));
        }
        let secret = entry.secret.0.strip_prefix("whsec_").unwrap_or_default();
        let key = STANDARD.decode(secret).unwrap_or_default();
        match (24..=64).contains(&key.len()) {
            true => Ok(Webhook { url, key }),
            false => Err("secret: expected whsec_ and 24 to 64 random bytes in Base64, as \
                          `echo whsec_$(openssl rand -base64 32)` makes them"
                .to_owned()),
        }
    }

    /// What proves that a body comes from here.
    fn signature(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// What is sent.
#[derive(Serialize)]
struct Page<'a> {
    campaign_id: &'a str,
    /// Whom to contact, with what and how.
    contacts: Vec<ListRow>,
}

/// A page that was not taken.
pub struct Untaken {
    /// Why not.
    pub reason: String,
    /// Whether it may be taken later.
    pub again: bool,
    /// When the program wants to be asked again.
    pub after: Option<Duration>,
}

impl Webhooks {
    /// Sends a page of a delivery.
    ///
    /// # Errors
    /// When it was not taken.
    pub async fn send(&self, delivery: &Delivery, contacts: Vec<ListRow>) -> Result<(), Untaken> {
        let never = |reason: &str| Untaken { reason: reason.to_owned(), again: false, after: None };
        let Some(hook) = self.hooks.get(&delivery.webhook) else {
            return Err(never("the settings have no webhook of this name"));
        };
        let body = serde_json::to_vec(&Page { campaign_id: &delivery.campaign_id, contacts });
        let body = body.map_err(|_| never("the page is no JSON"))?;
        let (id, timestamp) = (page_id(delivery), now_micros() / 1_000_000);
        let request = self.client.post(hook.url.clone());
        let request = request
            .header("content-type", "application/json")
            .header("webhook-signature", hook.signature(&id, timestamp, &body))
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp.to_string());
        let answer = request.body(body).send().await.map_err(|error| Untaken {
            // The URL may hold a secret.
            reason: format!("it cannot be reached: {}", chain(&error.without_url())),
            again: true,
            after: None,
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let after = answer.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok());
        Err(Untaken {
            reason: format!("it answered {status}"),
            again: status.is_server_error() || [408, 425, 429].contains(&status.as_u16()),
            after: after.and_then(|after| after.parse().ok()).map(Duration::from_secs),
        })
    }
}

/// An error with what lies behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What a page is known by: the same whenever it is sent again.
pub fn page_id(delivery: &Delivery) -> String {
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    let of = [
        delivery.campaign_id.clone(),
        delivery.webhook.clone(),
        part(&delivery.action),
        part(&delivery.channel),
        delivery.after.clone(),
    ];
    let text = serde_json::to_string(&of).unwrap_or_default();
    format!("msg_{}", &blake3::hash(text.as_bytes()).to_hex()[..32])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(text: &str) -> Result<Webhooks, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("webhooks.toml");
        std::fs::write(&file, text).unwrap();
        Webhooks::open(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn a_signature_is_that_of_the_standard() {
        // The example of the specification.
        let secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned());
        let hook = Webhook::new(&Entry { url: "https://crm.example.com/".to_owned(), secret });
        let body = br#"{"test": 2432232314}"#;
        let signature =
            hook.unwrap().signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_file_says_what_is_wrong_with_it_and_never_a_secret() {
        let secret = "secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"";
        let good = format!("[crm]\nurl = \"http://127.0.0.1:9/x\"\n{secret}\n");
        opened(&good).unwrap().check("crm").unwrap();
        let said = |text: &str| {
            let said = opened(text).err().unwrap();
            assert!(!said.contains("MfKQ9r8GKYq"), "{said}");
            said
        };
        let far = said(&format!("[crm]\nurl = \"http://crm.example.com\"\n{secret}"));
        assert!(far.contains("[crm] url: found http://, expected https://"), "{far}");
        let short =
            said("[crm]\nurl = \"https://crm.example.com\"\nsecret = \"whsec_TWZLUTlyOEdLWXE=\"");
        assert!(short.contains("[crm] secret: expected whsec_"), "{short}");
        let unknown =
            said(&format!("[crm]\nurl = \"https://crm.example.com\"\nsecert = 1\n{secret}"));
        assert!(unknown.contains("line 3") && unknown.contains("secert"), "{unknown}");
        let none = opened(&good).unwrap().check("sms").unwrap_err().to_string();
        assert!(none.contains("webhook is \"sms\", expected one of the settings: crm"), "{none}");
    }
}

//! Lists of campaigns on their way to other programs: page after page, tried again where they fail, from where they stopped
//! also after a restart. What is on its way stands in the store, so that of several services one sends.

use std::time::Duration;

use actix_web::web;
use rekindle_store::{Delivery, DeliveryState};

use crate::background::Background;
use crate::campaigns::{ListRow, now_micros};
use crate::error::ApiError;
use crate::state::AppState;
use crate::webhooks::Untaken;

/// Customers of a page.
const PAGE: u32 = 500;
/// How long a page is ours: longer than it takes to read and to send it.
const HELD: Duration = Duration::from_secs(60);
/// Seconds from a try in vain to the next: for about a day, then a person must look.
const PAUSES: [u64; 10] = [1, 5, 30, 120, 600, 1_800, 3_600, 7_200, 21_600, 43_200];
/// The longest pause that a program may ask for.
const LONGEST: Duration = Duration::from_secs(86_400);
/// Pause between looks at what is due.
const PAUSE: Duration = Duration::from_secs(1);

/// Sends what is due until what is returned is dropped; nothing where there is no store or no webhook.
///
/// # Errors
/// When there can be no further thread.
pub fn start(state: web::Data<AppState>) -> anyhow::Result<Option<Background>> {
    if state.kept.is_none() || state.webhooks.is_none() {
        return Ok(None);
    }
    let background = Background::start("webhooks")?;
    background.spawn(async move {
        loop {
            match next(&state).await {
                Ok(true) => {}
                Ok(false) => tokio::time::sleep(PAUSE).await,
                // The store says itself that it is away.
                Err(_) => tokio::time::sleep(5 * PAUSE).await,
            }
        }
    });
    Ok(Some(background))
}

/// Sends one page; whether there was one.
async fn next(state: &AppState) -> Result<bool, ApiError> {
    let (Some(kept), Some(webhooks)) = (&state.kept, &state.webhooks) else { return Ok(false) };
    let now = now_micros();
    let until = now + HELD.as_micros() as i64;
    let taken = kept.ask(move |store| async move { store.take_delivery(now, until).await }).await?;
    let Some(taken) = taken else { return Ok(false) };
    let read = taken.clone();
    let decisions = kept.ask(move |store| async move {
        store.decisions(&read.campaign_id, &read.choice(), &read.after, PAGE).await
    });
    let decisions = decisions.await?;
    let mut noted = Delivery { due_at_micros: now, attempts: 0, fault: None, ..taken.clone() };
    match decisions.last() {
        None => noted.state = DeliveryState::Sent,
        Some(last) => {
            noted.after = last.customer_id.clone();
            noted.customers += decisions.len() as u64;
            let contacts = decisions.into_iter().map(ListRow::from).collect();
            if let Err(failed) = webhooks.send(&taken, contacts).await {
                noted = postponed(&taken, failed);
            }
        }
    }
    state.counters.delivery(noted.state.text());
    let Delivery { campaign_id, webhook, customers, attempts, fault, .. } = &noted;
    match noted.state {
        DeliveryState::Failed => {
            tracing::warn!(campaign_id, webhook, customers, attempts, fault, "a list is given up");
        }
        DeliveryState::Sent => {
            tracing::info!(campaign_id, webhook, customers, "a list has arrived")
        }
        DeliveryState::Sending if fault.is_some() => {
            tracing::info!(
                campaign_id,
                webhook,
                customers,
                attempts,
                fault,
                "a page was not taken"
            );
        }
        DeliveryState::Sending => {}
    }
    kept.ask(move |store| async move { store.note_delivery(&taken, &noted).await }).await?;
    Ok(true)
}

/// A delivery whose page was not taken: it waits for its next try, or is given up.
fn postponed(taken: &Delivery, untaken: Untaken) -> Delivery {
    let attempts = taken.attempts + 1;
    let pause = PAUSES.get(taken.attempts as usize).filter(|_| untaken.again);
    let state = if pause.is_some() { DeliveryState::Sending } else { DeliveryState::Failed };
    // A program may ask for more patience, not for less.
    let pause = Duration::from_secs(pause.copied().unwrap_or_default());
    let pause = pause.max(untaken.after.unwrap_or_default()).min(LONGEST);
    Delivery {
        state,
        attempts,
        due_at_micros: now_micros() + pause.as_micros() as i64,
        fault: Some(untaken.reason),
        ..taken.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhooks::page_id;

    #[test]
    fn tries_come_later_and_later_and_end() {
        let mut delivery = Delivery {
            campaign_id: "spring".to_owned(),
            webhook: "crm".to_owned(),
            action: None,
            channel: None,
            state: DeliveryState::Sending,
            after: "ann".to_owned(),
            customers: 500,
            attempts: 0,
            due_at_micros: 0,
            fault: None,
        };
        let id = page_id(&delivery);
        let untaken = |again, after| Untaken { reason: "503".to_owned(), again, after };
        let mut last = 0;
        for _ in PAUSES {
            delivery = postponed(&delivery, untaken(true, None));
            let pause = delivery.due_at_micros - now_micros();
            assert!(delivery.state == DeliveryState::Sending && pause >= last, "{pause}");
            assert_eq!((page_id(&delivery), delivery.customers), (id.clone(), 500));
            last = pause;
        }
        assert_eq!(postponed(&delivery, untaken(true, None)).state, DeliveryState::Failed);
        let fresh = Delivery { attempts: 0, ..delivery };
        assert_eq!(postponed(&fresh, untaken(false, None)).state, DeliveryState::Failed);
        let later = postponed(&fresh, untaken(true, Some(Duration::from_secs(90))));
        assert!(later.due_at_micros > now_micros() + 80_000_000);
        let hasty = postponed(&fresh, untaken(true, Some(Duration::ZERO)));
        assert!(hasty.due_at_micros > now_micros() + 500_000);
    }
}

//! The log as CSV and as JSON lines. No name of the simulator needs quotes.

use crate::sheet::{instant, number};
use crate::simulate::catalogue::{CHANNELS, GROUPS, KINDS, NO_CODE, NO_PRODUCT};
use crate::simulate::deeds::Deeds;
use crate::simulate::{Stage, id};

/// The log's columns.
pub(super) const COLUMNS: [&str; 9] = [
    "customer_id",
    "time",
    "kind",
    "amount",
    "product",
    "product_group",
    "channel",
    "discount",
    "received_at",
];

pub(super) const CSV_HEADER: &[u8] =
    b"customer_id,time,kind,amount,product,product_group,channel,discount,received_at\n";

/// The lines of a block.
pub(super) fn csv(stage: &Stage, deeds: &Deeds) -> Vec<u8> {
    let mut to = Vec::with_capacity(deeds.len() * 110);
    lines(stage, deeds, &mut to, |cells, to| {
        for (place, cell) in cells.iter().enumerate() {
            if place > 0 {
                to.push(b',');
            }
            to.extend_from_slice(cell.as_bytes());
        }
        to.push(b'\n');
    });
    to
}

/// The lines of a block, an object each.
pub(super) fn ndjson(stage: &Stage, deeds: &Deeds) -> Vec<u8> {
    let mut to = Vec::with_capacity(deeds.len() * 200);
    lines(stage, deeds, &mut to, |cells, to| {
        for (place, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            to.extend_from_slice(if place == 0 { b"{\"" } else { b",\"" });
            to.extend_from_slice(COLUMNS[place].as_bytes());
            let quotes: &[u8] = if matches!(place, 3 | 7) { b"" } else { b"\"" };
            to.extend_from_slice(b"\":");
            to.extend_from_slice(quotes);
            to.extend_from_slice(cell.as_bytes());
            to.extend_from_slice(quotes);
        }
        to.extend_from_slice(b"}\n");
    });
    to
}

/// Gives each event's cells as text, empty where missing.
fn lines(
    stage: &Stage,
    deeds: &Deeds,
    to: &mut Vec<u8>,
    mut line: impl FnMut(&[&str; COLUMNS.len()], &mut Vec<u8>),
) {
    let (mut customer, mut amount, mut discount) = (String::new(), String::new(), String::new());
    let (mut time, mut received) = (String::new(), String::new());
    for place in 0..deeds.len() {
        let (product, group) = (deeds.products[place], usize::from(deeds.groups[place]));
        customer.clear();
        customer.push_str(&id(deeds.customers[place] as usize));
        number(deeds.amounts[place], &mut amount);
        number(deeds.discounts[place], &mut discount);
        instant(deeds.times[place], &mut time);
        instant(deeds.received[place], &mut received);
        let cells = [
            customer.as_str(),
            &time,
            KINDS[usize::from(deeds.kinds[place])],
            &amount,
            if product == NO_PRODUCT { "" } else { &stage.catalogue.names[usize::from(product)] },
            if group == usize::from(NO_CODE) { "" } else { GROUPS[group] },
            CHANNELS[usize::from(deeds.channels[place])],
            &discount,
            &received,
        ];
        line(&cells, to);
    }
}

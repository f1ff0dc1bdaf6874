//! Plans over HTTP: the same decisions as `rekindle plan`, and bad requests told where they are.

use serde_json::{Value, json};

use crate::app::spawn_app;

fn spec() -> Value {
    json!({
        "plan": {"budget": 80.0, "control_share": 0.2, "consent_default": false, "value": 40.0, "seed": 3},
        "actions": [
            {"name": "reminder", "channel": "email", "cost": 0.1},
            {"name": "letter", "offer": "voucher", "channel": "post", "cost": 1.0, "offer_cost": 5.0},
        ],
        "channels": {"post": {"capacity": 10}},
    })
}

fn customers() -> Vec<Value> {
    (0..200)
        .map(|customer| {
            json!({
                "customer_id": format!("c{customer}"), "lifecycle_stage": "lapsed", "lapse_tier": "dormant",
                "grade": (["A", "B", "C"][customer % 3]), "baseline": 0.05,
                "uplift": {"letter": 0.002 * customer as f64, "reminder": 0.02},
                "consent": {"post": customer % 2 == 0, "email": customer % 5 != 0},
            })
        })
        .collect()
}

#[test]
fn a_plan_keeps_limits_consent_and_a_control_group() {
    let app = spawn_app();
    let body = json!({"spec": spec(), "customers": customers()});
    let reply = app.post("/v1/reactivation/plan", &body.to_string());
    assert_eq!(reply.status, 200, "{}", reply.text);
    let plan: Value = reply.json();
    let decisions = plan["decisions"].as_array().unwrap();
    assert_eq!(decisions.len(), 200);
    let mut letters = 0;
    for (place, decision) in decisions.iter().enumerate() {
        assert_eq!(decision["customer_id"], format!("c{place}"));
        match decision["action"].as_str().unwrap() {
            "letter" => {
                letters += 1;
                assert_eq!(place % 2, 0);
                assert_eq!(decision["offer"], "voucher");
            }
            "reminder" => assert_ne!(place % 5, 0),
            other => assert_eq!(other, "none"),
        }
        let control = decision["control"].as_bool().unwrap();
        assert!(!control || (decision["action"] == "none" && decision["planned"] != "none"));
        assert!(decision["reason"].as_str().unwrap().ends_with('.'));
        assert_eq!(decision["assumed"], false);
    }
    assert_eq!(letters, 10);
    let totals = &plan["totals"];
    assert!(totals["spent"].as_f64().unwrap() <= 80.0);
    assert!(totals["control"].as_u64().unwrap() > 10);
    assert_eq!(totals["assumed"], false);
    assert!(totals["marginal_budget"].as_f64().is_some());

    // Without learned uplifts they are assumed, and called so.
    let all: Vec<Value> = customers()
        .into_iter()
        .map(|mut customer| {
            customer.as_object_mut().unwrap().remove("uplift");
            customer
        })
        .collect();
    let body = json!({"spec": spec(), "customers": all});
    let reply = app.post("/v1/reactivation/plan?language=zh", &body.to_string());
    let plan: Value = reply.json();
    assert_eq!(plan["totals"]["assumed"], true);
    let chosen =
        plan["decisions"].as_array().unwrap().iter().find(|d| d["why"] == "chosen").unwrap();
    assert_eq!(chosen["assumed"], true);
    assert!(!chosen["reason"].as_str().unwrap().is_ascii());
}

#[test]
fn what_makes_no_plan_is_told_where_it_is() {
    let app = spawn_app();
    let check = |body: Value, status: u16, code: &str, text: &str| {
        let reply = app.post("/v1/reactivation/plan", &body.to_string());
        let said = &reply.text;
        assert_eq!(reply.status, status, "{said}");
        let error = reply.json();
        assert_eq!(error["code"], code, "{said}");
        assert!(error["message"].as_str().unwrap().contains(text), "{said}");
    };
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = json!({"spec": spec(), "customers": customers()});
        change(&mut body);
        body
    };
    check(json!([]), 422, "invalid_plan", "");
    check(with(&|b| b["spec"]["actions"][1]["cost"] = json!(-1)), 422, "invalid_plan", "cost");
    check(with(&|b| b["spec"]["plan"]["bugdet"] = json!(1)), 422, "invalid_plan", "bugdet");
    let place = "customers[3].lapse_tier";
    check(with(&|b| b["customers"][3]["lapse_tier"] = json!("asleep")), 422, "invalid_plan", place);
    let action =
        "customers[2].uplift: found \"post\", expected an action of the plan: reminder, letter";
    check(
        with(&|b| b["customers"][2]["uplift"] = json!({"post": 0.1})),
        422,
        "invalid_plan",
        action,
    );
    let date = "customers[1].birthday: found \"soon\"";
    check(with(&|b| b["customers"][1]["birthday"] = json!("soon")), 422, "invalid_plan", date);
    check(with(&|b| b["customers"][1]["customer_id"] = json!("c0")), 422, "invalid_plan", "c0");
    check(with(&|b| b["spec"]["actions"] = json!([])), 422, "invalid_plan", "actions");
    let reply = app.post("/v1/reactivation/plan", "{\"spec\": ");
    assert_eq!(reply.status, 400);
    assert!(reply.text.contains("malformed_json"));
}

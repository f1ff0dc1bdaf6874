-- Campaigns, what they decided for each customer, the contacts made, and what came of them. The same text for SQLite
-- and PostgreSQL. Times are microseconds since 1970-01-01T00:00:00Z; settings are the plan's, as JSON.
CREATE TABLE campaigns (
    campaign_id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'running', 'finished')),
    settings TEXT NOT NULL,
    assumed BOOLEAN NOT NULL,
    created_at_micros BIGINT NOT NULL,
    started_at_micros BIGINT,
    finished_at_micros BIGINT
);

-- One action of a campaign for each of its customers; `none` is one. score, tier, stage, grade and predicted value are
-- as they were when it was decided.
CREATE TABLE decisions (
    campaign_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    action TEXT NOT NULL,
    offer TEXT,
    channel TEXT,
    cost DOUBLE PRECISION NOT NULL,
    uplift DOUBLE PRECISION NOT NULL,
    expected_profit DOUBLE PRECISION NOT NULL,
    control BOOLEAN NOT NULL,
    propensity DOUBLE PRECISION NOT NULL CHECK (propensity BETWEEN 0 AND 1),
    lapse_tier TEXT,
    lifecycle_stage TEXT,
    grade TEXT,
    score DOUBLE PRECISION,
    predicted_value DOUBLE PRECISION,
    sentence TEXT,
    contact_on TEXT,
    PRIMARY KEY (campaign_id, customer_id)
);
CREATE INDEX decisions_by_customer ON decisions (customer_id);

-- A contact is known by who was contacted how and when.
CREATE TABLE contacts (
    campaign_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    action TEXT NOT NULL,
    channel TEXT,
    contacted_at_micros BIGINT NOT NULL,
    propensity DOUBLE PRECISION CHECK (propensity BETWEEN 0 AND 1),
    PRIMARY KEY (campaign_id, customer_id, action, contacted_at_micros)
);
CREATE INDEX contacts_by_customer ON contacts (customer_id, contacted_at_micros);
CREATE INDEX contacts_by_time ON contacts (contacted_at_micros, customer_id);

-- An outcome is known by its id in its campaign.
CREATE TABLE outcomes (
    campaign_id TEXT NOT NULL,
    outcome_id TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount DOUBLE PRECISION NOT NULL,
    occurred_at_micros BIGINT NOT NULL,
    received_at_micros BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, outcome_id)
);
CREATE INDEX outcomes_by_customer ON outcomes (customer_id, campaign_id);

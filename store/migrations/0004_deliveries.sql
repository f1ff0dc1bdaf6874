-- Lists of campaigns on their way to other programs. One is known by its campaign, whom it goes to, and which part of
-- the list it is ('' for all). The next page begins behind after_customer, and is due at due_at_micros: who takes it sets
-- that into the future, so that no other does. The same text for SQLite and PostgreSQL.
CREATE TABLE deliveries (
    campaign_id TEXT NOT NULL,
    webhook TEXT NOT NULL,
    action TEXT NOT NULL,
    channel TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('sending', 'sent', 'failed')),
    after_customer TEXT NOT NULL,
    customers BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    due_at_micros BIGINT NOT NULL,
    fault TEXT,
    PRIMARY KEY (campaign_id, webhook, action, channel)
);
CREATE INDEX deliveries_by_time ON deliveries (state, due_at_micros);

-- What people are shown of customers: why they have their scores, how scores and states went, what the customers did
-- last. The same text for SQLite and PostgreSQL. Times are microseconds since 1970-01-01T00:00:00Z, dates are as
-- 2025-06-01, reasons are JSON.
ALTER TABLE customer_scores ADD COLUMN reasons TEXT;

-- Every score of a customer by a model; the latest stands in customer_scores as well.
CREATE TABLE score_history (
    customer_id TEXT NOT NULL,
    model_name TEXT NOT NULL,
    scored_at_micros BIGINT NOT NULL,
    model_version BIGINT NOT NULL CHECK (model_version BETWEEN 1 AND 4294967295),
    probability DOUBLE PRECISION NOT NULL CHECK (probability BETWEEN 0 AND 1),
    percentile INTEGER NOT NULL CHECK (percentile BETWEEN 1 AND 100),
    PRIMARY KEY (customer_id, model_name, scored_at_micros)
);
INSERT INTO score_history (customer_id, model_name, scored_at_micros, model_version, probability, percentile)
    SELECT customer_id, model_name, scored_at_micros, model_version, probability, percentile FROM customer_scores
    ORDER BY customer_id, model_name;

-- Figures, as the values are.
ALTER TABLE customer_states ADD COLUMN predicted_orders DOUBLE PRECISION;
ALTER TABLE customer_states ADD COLUMN next_order_on TEXT;
ALTER TABLE customer_states ADD COLUMN next_order_from TEXT;
ALTER TABLE customer_states ADD COLUMN next_order_until TEXT;

-- A customer's newest events; place 0 is the newest.
CREATE TABLE customer_events (
    customer_id TEXT NOT NULL,
    place INTEGER NOT NULL,
    occurred_at_micros BIGINT NOT NULL,
    kind TEXT NOT NULL,
    amount DOUBLE PRECISION,
    product TEXT,
    channel TEXT,
    PRIMARY KEY (customer_id, place)
);

-- The instants at which customers were looked at.
CREATE TABLE snapshots (as_of_micros BIGINT NOT NULL PRIMARY KEY);
INSERT INTO snapshots (as_of_micros)
    SELECT valid_from_micros FROM customer_states UNION SELECT as_of_micros FROM customer_states;

-- How often each noun was written to: who keeps a copy sees that it is old.
CREATE TABLE revisions (
    noun TEXT NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
);
INSERT INTO revisions (noun, revision) VALUES ('customers', 0), ('campaigns', 0), ('records', 0);

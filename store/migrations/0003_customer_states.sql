-- What each customer was and is: a row for each change of tier, stage or grade. The same text for SQLite and PostgreSQL.
-- A state holds from valid_from_micros, was last seen so at as_of_micros, and its figures are those of then.
CREATE TABLE customer_states (
    customer_id TEXT NOT NULL,
    valid_from_micros BIGINT NOT NULL,
    as_of_micros BIGINT NOT NULL,
    lapse_tier TEXT,
    lifecycle_stage TEXT,
    grade TEXT,
    historic_value DOUBLE PRECISION,
    predicted_value DOUBLE PRECISION,
    probability_alive DOUBLE PRECISION CHECK (probability_alive BETWEEN 0 AND 1),
    PRIMARY KEY (customer_id, valid_from_micros),
    CHECK (valid_from_micros <= as_of_micros)
);

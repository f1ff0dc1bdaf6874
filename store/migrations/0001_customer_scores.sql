-- The latest score of each customer by each model. The same text for SQLite and PostgreSQL.
-- scored_at_micros: microseconds since 1970-01-01T00:00:00Z. A score is never replaced by an older one.
CREATE TABLE customer_scores (
    customer_id TEXT NOT NULL,
    model_name TEXT NOT NULL,
    model_version BIGINT NOT NULL CHECK (model_version BETWEEN 1 AND 4294967295),
    probability DOUBLE PRECISION NOT NULL CHECK (probability BETWEEN 0 AND 1),
    percentile INTEGER NOT NULL CHECK (percentile BETWEEN 1 AND 100),
    positive BOOLEAN NOT NULL,
    lapse_tier TEXT,
    lifecycle_stage TEXT,
    grade TEXT,
    cutoff TEXT,
    scored_at_micros BIGINT NOT NULL,
    PRIMARY KEY (customer_id, model_name)
);

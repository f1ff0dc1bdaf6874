//! From which probability a customer is predicted positive.

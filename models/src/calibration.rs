//! Margins to probabilities: Platt's sigmoid, or isotonic regression by pool-adjacent-violators.

//! How good probabilities and decisions are, with intervals. Rows count by their weight.
